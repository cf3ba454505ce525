"""The exchange's own candles against the bars a scanner has made: which are confirmed, which contradicted.

A contradicted bar is a hole of its own kind: its product is unverified, so that no setup of it is entered, until the
candles of REST have replaced it; then it is told what that has changed.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from actors.messages import BarConfirmed, BarContradicted, ExchangeCandles, SetupsRevised
from actors.runtime.behaviour import Send
from actors.scanner_frames import RECENT, Doubt, Frame, ScannerState
from atlas.market.bar import Bar
from atlas.market.completeness import agree

LOOKED_AT = 3
"""Newest bars of a timeframe that are looked up at each close: C1, C2 and C3, so a candle revised later is noticed."""


def held_against(
    state: ScannerState, symbol: str, now: datetime, message: ExchangeCandles
) -> tuple[list[str], list[Send]]:
    """Return the timeframes of which a bar is contradicted, and what is told of the bars.

    Bars are held against the exchange's as long as they are kept; older ones are passed over. One that awaits its
    repair is neither confirmed nor contradicted once more.
    """
    contradicted: list[str] = []
    told: list[Send] = []
    for bars in message.frames:
        frame = state.frames.get(bars.timeframe)
        if frame is None:
            continue
        different: list[tuple[Bar | None, Bar]] = []
        for own, bar in _pairs(frame, bars.closed):
            if own is None or not agree(own, bar):
                different.append((own, bar))
            elif bar.open_time not in frame.confirmed:
                frame.confirmed = [*frame.confirmed, bar.open_time][-2 * RECENT :]
                event = BarConfirmed(symbol, bar.timeframe, bar.open_time, bar.close_time, now, frame.repairs)
                told.append(Send("journal", event))
        if different:
            contradicted.append(bars.timeframe)
            for doubted in _contradict(frame, symbol, now, different):
                told += (Send("journal", doubted), Send("risk_monitor", doubted))
    return contradicted, told


def _pairs(frame: Frame, theirs: Iterable[Bar]) -> Iterator[tuple[Bar | None, Bar]]:
    """Yield ours and theirs of each period; ours is None where we saw no trade between bars that we have."""
    ours = {bar.open_time: bar for bar in frame.recent}
    for bar in theirs:
        if bar.open_time in frame.doubtful:
            continue
        own = ours.get(bar.open_time)
        if own is not None or (ours and frame.recent[0].open_time < bar.open_time < frame.recent[-1].open_time):
            yield own, bar


def _contradict(
    frame: Frame, symbol: str, now: datetime, different: Iterable[tuple[Bar | None, Bar]]
) -> Iterator[BarContradicted]:
    """Doubt the bars until they are replaced; the setups in force are told anew with another revision."""
    void = tuple(setup.id for setup in frame.setups)
    for own, bar in different:
        following = tuple(one.open_time for one in frame.recent if one.open_time > bar.open_time)
        frame.doubtful = [*frame.doubtful, bar.open_time][-RECENT:]
        frame.confirmed = [opened for opened in frame.confirmed if opened != bar.open_time]
        yield BarContradicted(symbol, now, own, bar, following, void, frame.repairs)
    frame.revision += 1
    if frame.doubt is None and frame.closed_until is not None:
        frame.doubt = Doubt(frame.closed_until, frame.setups)


def revised(frame: Frame, symbol: str, timeframe: str, now: datetime) -> Iterator[SetupsRevised]:
    """Tell, once, what the repair of a contradicted bar has changed of the setups that were in force then."""
    doubt, frame.doubt = frame.doubt, None
    if doubt is not None:
        yield SetupsRevised(symbol, timeframe, doubt.closed_at, now, doubt.before, doubt.after, frame.repairs)
