"""The bars of a story: those of the signal's product, and those of the executed one where that is another."""

from collections.abc import Iterable
from datetime import datetime

from atlas.market.bar import Bar
from atlas.strat.bar_types import type_after
from atlas.strat.setup import Setup
from db.story.candles import Candles
from db.story.read import Records
from db.story.story import Executed, StoryBar


def signal_bars(records: Records) -> tuple[StoryBar, ...]:
    """The bars stored, but those the setup was read from as they were then: a candle may have been replaced since."""
    setup, told = records.triggered.setup, records.setups
    decided = {} if told is None else {bar.open_time: bar for bar in told.bars}
    types = _types(tuple(decided.values()))
    roles = _roles(setup, sorted({*decided, *(known.bar.open_time for known in records.candles.known)}))
    found = {bar.open_time: bar for bar in _bars(records.candles, roles)}
    for at, bar in decided.items():
        stored = found.get(at)
        kind = types[at] if types[at] is not None or stored is None else stored.type
        found[at] = _bar(bar, kind, roles, verified=told is not None and told.verified, decided=True)
    return tuple(found[at] for at in sorted(found))


def executed(records: Records) -> Executed | None:
    """The product the trade was made on, None where that is the signal's own, or where there is no trade."""
    held = records.position
    if held is None or held.signal is None:
        return None
    bars = _bars(records.executed, {records.triggered.setup.valid_from: "entry"})
    return Executed(held.symbol, held.signal.translated_trigger, held.signal.ratio, tuple(bars))


def _bars(candles: Candles, roles: dict[datetime, str]) -> Iterable[StoryBar]:
    for known in candles.known:
        skipped = candles.skipped if known.bar.open_time == candles.skipped_at else 0
        yield _bar(known.bar, known.type, roles, verified=known.verified, skipped=skipped)


def _bar(
    bar: Bar, kind: str | None, roles: dict[datetime, str], *, verified: bool, decided: bool = False, skipped: int = 0
) -> StoryBar:
    return StoryBar(
        open_time=bar.open_time,
        close_time=bar.close_time,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        type=kind,
        role=roles.get(bar.open_time),
        decided=decided,
        verified=verified,
        skipped=skipped,
    )


def _types(bars: tuple[Bar, ...]) -> dict[datetime, str | None]:
    """The Strat numbers of neighbours; that of the first is not known from these alone."""
    return {bar.open_time: type_after(bar, prior) for prior, bar in zip((None, *bars), bars, strict=False)}


def _roles(setup: Setup, times: list[datetime]) -> dict[datetime, str]:
    """C1, C2 … by the length of the name, and the entry bar."""
    length = len(setup.name.split("-")) - 1
    before = [at for at in times if at <= setup.setup_time][-length:]
    roles = {at: f"C{place}" for place, at in enumerate(reversed(before), 1)}
    return {**roles, setup.valid_from: "entry"}
