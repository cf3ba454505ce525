"""The rules research needs: touch, one unit, flat at the close, nothing left within the candle of the entry."""

from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.messages import EventBatch, FundingPaid
from actors.past_market import Past, PastMarket
from actors.roles import Decider
from atlas.errors import ConfigurationError, UsageError
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.funding_file import FundingFile
from atlas.market.path import PathRules
from atlas.market.products import built_in
from atlas.money.entry import Approval, Rejection
from atlas.money.exits import next_multiple
from atlas.presets import preset
from atlas.risk import judge
from atlas.rules import ExitRules, FeeRules, FillRules, GateRules, Rules, SizingRules, StratRules
from atlas.rules_check import check
from tests.actors.gate_cases import context
from tests.actors.scene import at
from tests.actors.venue import Venue
from tests.past_candles import written

replace = msgspec.structs.replace
BIP = "BIP-20DEC30-CDE"


def long(rules: Rules) -> Venue:
    """10 contracts long from 60000 at noon, a stop at 59000 and a target at 62000."""
    venue = Venue(rules=replace(rules, fees=FeeRules(slippage=D(0))))
    venue.enter()
    venue.leave("stop", "stop", 59000)
    venue.leave("limit", "target", 62000)
    return venue


@pytest.mark.parametrize("touch", [True, False])
def test_a_trade_at_the_target_reaches_it_by_touch_alone(touch: bool) -> None:
    venue = long(Rules(fills=FillRules(touch=touch)))
    venue.trade(62000, at(1))
    assert [purpose for purpose, *_ in venue.fills] == (["entry", "target"] if touch else ["entry"])


@pytest.mark.parametrize(("touch", "price"), [(True, 62500), (False, 62000)])
def test_a_gap_beyond_the_target_fills_there_by_touch_alone(touch: bool, price: int) -> None:
    venue = long(Rules(fills=FillRules(touch=touch)))
    venue.trade(62500, at(1))
    assert venue.fills[-1] == ("target", price, price)


def test_nothing_is_left_within_the_candle_of_the_entry() -> None:
    venue = long(Rules(exits=ExitRules(not_within_seconds=60)))
    venue.trade(58900, at(0, 45))
    assert len(venue.fills) == 1
    venue.trade(58800, at(1))
    assert venue.fills[-1][:2] == ("stop", 58800)


def test_the_next_multiple_is_of_the_day_and_later() -> None:
    assert next_multiple(at(0), 60) == at(1)
    assert next_multiple(at(0, 59), 60) == at(1)
    midnight = at(0).replace(hour=0) + timedelta(days=1)
    assert next_multiple(midnight - timedelta(seconds=1), 50_000) == midnight


def test_units_are_of_the_underlying_and_all_or_nothing() -> None:
    usual = context("1h")
    sizing = SizingRules(mode="units", units=D("0.05"))
    asked = replace(usual, rules=replace(usual.rules, sizing=sizing))
    five = judge(asked).outcome
    assert isinstance(five, Approval)
    assert five.contracts == D(5)
    poor = judge(replace(asked, available=D(100))).outcome
    assert isinstance(poor, Rejection)
    assert poor.gate == "margin"
    none = judge(replace(asked, rules=replace(usual.rules, sizing=replace(sizing, units=D("0.001"))))).outcome
    assert isinstance(none, Rejection)
    assert none.gate == "size_zero"


@pytest.mark.parametrize(("after_close", "refused"), [(-1, False), (0, True), (30, True)])
def test_flat_at_close_wants_no_position_since_the_setup_bar_closed(after_close: int, refused: bool) -> None:
    usual = context("1h")
    left = usual.setup.valid_from + timedelta(seconds=after_close)
    rules = replace(usual.rules, sizing=SizingRules(position_policy="flat_at_close"))
    outcome = judge(replace(usual, rules=rules, left=left)).outcome
    if refused:
        assert isinstance(outcome, Rejection)
        assert (outcome.gate, outcome.threshold) == ("position_policy", "flat_at_close")
    else:
        assert isinstance(outcome, Approval)


def paid(file: CandleFile, funding: FundingFile | None) -> list[FundingPaid]:
    gates = GateRules(off=("magnitude", "reward_risk", "continuity", "fees"))
    decider = Decider(Rules(strat=StratRules(timeframes=("1h",)), gates=gates), (BIP,), "1")
    batches: list[EventBatch] = list(PastMarket(decider, [Past(built_in(BIP), file, funding)]).events())
    return [event for batch in batches for event in batch.events if isinstance(event, FundingPaid)]


def test_an_hour_is_paid_at_the_rate_of_the_file_where_it_tells_one(tmp_path: Path) -> None:
    file = read_candles(written(tmp_path, seed=4, days=2))
    own = paid(file, None)
    assert len(own) > 2
    told = int(own[0].at.timestamp())
    found = paid(file, FundingFile(Path("rates.csv"), np.array([told]), (D("0.001"),)))
    assert [each.at for each in found] == [each.at for each in own]
    assert [each.rate for each in found] == [D("0.001"), *(each.rate for each in own[1:])]
    assert abs(found[0].amount) > abs(own[0].amount)


def test_a_preset_is_settings_and_a_path() -> None:
    assert preset("common").path == PathRules(always_high_first=True, trusted=True, through=True)
    assert "not_within_seconds" not in preset("common").settings["exits"]
    assert preset("common", "next_bar", 300).settings["exits"]["not_within_seconds"] == 300
    with pytest.raises(UsageError, match="'usual' is not known: write one of common"):
        preset("usual")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(strat=StratRules(inside="loose")), "`strat.inside` = 'loose' is wrong: one of any, strict"),
        (Rules(strat=StratRules(detected=("9-9",))), "`strat.detected` = '9-9' is wrong"),
        (Rules(sizing=SizingRules(units=D(0))), "`sizing.units` = 0 is wrong: more than 0"),
        (Rules(exits=ExitRules(not_within_seconds=-1)), "`exits.not_within_seconds` = -1 is wrong: 0 for off"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(rules: Rules, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check(rules)
