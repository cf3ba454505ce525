"""A replay that shows the behaviours only what they act on gives the events of one that shows every trade."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import EventBatch, PositionClosed, encode
from actors.past_market import Past, PastMarket
from actors.past_outcome import Told
from actors.roles import Decider
from atlas.config import load
from atlas.market.candle_file import CandleFile
from atlas.market.path import GUESSED, PathRules
from atlas.market.products import built_in
from atlas.presets import preset
from atlas.rules import (
    AccountRules,
    AlertRules,
    ExitRules,
    FillRules,
    GateRules,
    MarginRules,
    Rules,
    SizingRules,
    StratRules,
)
from tests.past_candles import DAY
from tests.past_markets import markets

NAMES = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
FREE = GateRules(off=("magnitude", "reward_risk", "continuity", "fees"))
RICH = AccountRules(starting_equity=D(1_000_000))
FIFTEEN = Rules(strat=StratRules(timeframes=("15m",)), gates=FREE, account=RICH)
START = datetime.fromtimestamp(DAY, UTC)
FEW = settings(max_examples=3)
SETTINGS = {
    "two timeframes": msgspec.structs.replace(FIFTEEN, strat=StratRules(timeframes=("15m", "1h"))),
    "many positions": msgspec.structs.replace(FIFTEEN, sizing=SizingRules(position_policy="unlimited")),
    "flips": msgspec.structs.replace(FIFTEEN, sizing=SizingRules(position_policy="flip")),
    "a day's loss": msgspec.structs.replace(FIFTEEN, sizing=SizingRules(mode="leverage", daily_loss=D("0.003"))),
    "a day's loss of many": msgspec.structs.replace(
        FIFTEEN, sizing=SizingRules(position_policy="unlimited", daily_loss=D("0.006"))
    ),
    "stops that move": msgspec.structs.replace(FIFTEEN, exits=ExitRules(scale_out=D("0.5"), trail_distance=D("0.5"))),
    "bars held": msgspec.structs.replace(FIFTEEN, exits=ExitRules(max_bars=2, not_within_seconds=60)),
    "latency": msgspec.structs.replace(FIFTEEN, fills=FillRules(latency_ms=20_000)),
    "touch": msgspec.structs.replace(FIFTEEN, fills=FillRules(touch=True), alerts=AlertRules(full_continuity=False)),
    "windows": msgspec.structs.replace(FIFTEEN, margin=MarginRules(window="guide_2026_07")),
}


def batches(files: Sequence[CandleFile], rules: Rules, path: PathRules, **how: Any) -> Iterator[EventBatch]:
    names = NAMES[: len(files)]
    played = [Past(built_in(name, tick=file.tick), file) for name, file in zip(names, files, strict=True)]
    return PastMarket(Decider(rules, names, "1"), played, path=path, **how).events()


def events(files: Sequence[CandleFile], rules: Rules, path: PathRules, **how: Any) -> list[Any]:
    return [event for batch in batches(files, rules, path, **how) for event in batch.events]


def same(files: Sequence[CandleFile], rules: Rules, path: PathRules = GUESSED) -> list[Any]:
    """Assert that both ways tell the same, to the byte; return it."""
    fast, plain = (events(files, rules, path, plain=each) for each in (False, True))
    for ours, theirs in zip(fast, plain, strict=False):
        assert encode(ours) == encode(theirs)
    assert len(fast) == len(plain)
    return fast


@pytest.mark.parametrize("name", SETTINGS)
@FEW
@given(file=markets())
def test_one_product(name: str, file: CandleFile) -> None:
    same([file], SETTINGS[name])


@pytest.mark.parametrize("name", ["many positions", "a day's loss"])
@FEW
@given(file=markets())
def test_a_trusted_path(name: str, file: CandleFile) -> None:
    same([file], SETTINGS[name], PathRules(trusted=True, always_high_first=True))


@pytest.mark.parametrize("name", ["many positions", "a day's loss"])
@FEW
@given(one=markets(), other=markets())
def test_two_products(name: str, one: CandleFile, other: CandleFile) -> None:
    same([one, other], SETTINGS[name])


@settings(max_examples=12)
@given(one=markets(least=300), other=markets(least=300))
def test_what_one_product_causes_is_seen_by_another_at_once(one: CandleFile, other: CandleFile) -> None:
    """The day's loss is one for both: a trade of one makes the other's levels nearer in the middle of its bar."""
    same([one, other], SETTINGS["a day's loss of many"])


@pytest.mark.parametrize("exits_from", ["fill", "next_bar"])
@FEW
@given(file=markets(least=100, most=300))
def test_a_path_through_every_level(exits_from: str, file: CandleFile) -> None:
    """The plain replay shows each price that was passed, the fast one those at a level."""
    common = preset("common", exits_from)
    fast, plain = (
        [event.position for event in events([file], load(None, common.settings).rules(), common.path, plain=each)
         if isinstance(event, PositionClosed)]
        for each in (False, True)
    )  # fmt: skip
    assert fast == plain


@FEW
@given(file=markets())
def test_what_is_only_recorded_can_be_left_out(file: CandleFile) -> None:
    rules = SETTINGS["two timeframes"]
    whole, short = Told(rules), Told(rules)
    for event in events([file], rules, GUESSED, plain=True):
        whole.take(event)
    for event in events([file], rules, GUESSED, plain=False, records=False):
        short.take(event)
    assert short.outcome() == whole.outcome()


@FEW
@given(file=markets(), share=st.floats(0.05, 0.95))
def test_a_cut_changes_nothing_before_it(file: CandleFile, share: float) -> None:
    cut = START + timedelta(seconds=60 * int(share * (file.times[-1] - DAY) / 60) + 60)
    rules = SETTINGS["two timeframes"]
    before = [batch.events for batch in batches([file], rules, GUESSED) if batch.at is not None and batch.at < cut]
    short = batches([file.rows(DAY, int(cut.timestamp()))], rules, GUESSED, end=cut)
    assert [batch.events for batch in short if batch.at is not None and batch.at < cut] == before
