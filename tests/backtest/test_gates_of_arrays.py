"""The gates over arrays say what `atlas.risk.judge` says of each trigger by itself."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from atlas.backtest.account_gates import CLEAR, at_once, contracts_by_risk, outlay_of
from atlas.backtest.agreement import agreement
from atlas.backtest.candidate import SIDES, Candidate, candidates
from atlas.backtest.foreseen import Foreseen
from atlas.backtest.frames import frames_of
from atlas.backtest.gates import GATES, PASSED, at_least, first_failed
from atlas.backtest.track import instant, micros, track_of
from atlas.backtest.triggers import broken
from atlas.market.candle_file import CandleFile
from atlas.market.past import span
from atlas.market.path import GUESSED
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.market.timeframes import TIMEFRAMES
from atlas.money.entry import EntryContext, Rejection
from atlas.money.margin import leverage
from atlas.money.sizing import SizeRequest, most_of, size
from atlas.risk import FULL, HALF, MARKET_GATES, judge, multiplier
from atlas.rules import FeeRules, GateRules, Rules, SizingRules
from atlas.strat.setup import FAMILIES
from tests.backtest.test_made_markets import bitcoin, markets, rules

NOW = datetime(2026, 3, 6, tzinfo=UTC)


def searched(product: Product, file: CandleFile, rules: Rules) -> tuple[list[Candidate], list[int]]:
    """Return every trigger of a file, its costs left out, and the first gate of the market each fails."""
    start, end = span(file)
    track = track_of(product, file, start, end, GUESSED)
    needed = {frame for timeframe in rules.strat.timeframes for frame in rules.strat.continuity[timeframe][0]}
    frames = frames_of(track, {*rules.strat.timeframes, *needed}, start)
    found = broken(track, frames, rules)
    failed = first_failed(track, found.triggers, frames, rules)
    triggers = found.triggers
    measured = agreement(track, triggers, np.arange(len(triggers)), frames, rules)
    ones = []
    for place in range(len(triggers)):
        timeframe, side = TIMEFRAMES[int(triggers.frames[place])], SIDES[bool(triggers.long[place])]
        ones.append(
            Candidate(
                int(triggers.times[place]), 0, int(triggers.points[place]), int(triggers.price[place]),
                int(triggers.bars[place]), side, timeframe, FAMILIES[int(triggers.families[place])], place, track,
                frames[timeframe], found.setups[timeframe], measured, True, 0.0, False, 0, 0, 0, 0, 0,
                "", Foreseen(0, 0, None),
            )
        )  # fmt: skip
    passed = np.flatnonzero(failed == PASSED)
    for place, one in zip(
        passed.tolist(), candidates(0, track, triggers.cut(passed), frames, found.setups, rules), strict=True
    ):
        ones[place] = one
    return ones, failed.tolist()


def context(one: Candidate, rules: Rules, equity: Decimal = Decimal(10_000), *, lost: bool = False) -> EntryContext:
    setup = one.setup()
    return EntryContext(
        setup=setup, name=setup.name, at=instant(one.time), reference=one.reference, bid=None, ask=None,
        product=one.track.product, rules=rules, verified=True, missed=False, already_triggered=False, halts={},
        continuity=one.reading(rules), equity=equity, available=equity, day_start_equity=equity, daily_loss_hit=lost,
    )  # fmt: skip


products = st.sampled_from(
    [
        bitcoin,
        lambda _: built_in("BIP-20DEC30-CDE"),  # on a tick of 5, coarser than the file's
        lambda _: built_in("BIP-20DEC30-CDE", tick=Decimal("0.25")),  # and finer
        lambda file: built_in("BTC-USD", tick=file.tick),  # spot: no short
        lambda file: replace(bitcoin(file), suspended="for a test"),
        lambda file: replace(bitcoin(file), expiry=NOW.replace(hour=20) + (NOW - NOW.replace(day=5))),
        lambda file: replace(bitcoin(file), maintenance=(NOW.replace(hour=4), NOW.replace(hour=15))),
    ]
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    markets(), rules(), products, st.sampled_from(["0.5", "1", "1.5", "2"]),
    st.sampled_from(["0.0005", "0.001", "0.005"]),
)  # fmt: skip
def test_the_gates_of_the_market_are_those_of_the_judgement(
    file: CandleFile, rules: Rules, product: object, ratio: str, magnitude: str
) -> None:
    gates = GateRules(off=rules.gates.off, min_reward_risk=Decimal(ratio), min_magnitude=Decimal(magnitude))
    rules = replace(rules, gates=gates)
    found, failed = searched(product(file), file, rules)  # type: ignore[operator]  # a function of the list above
    for one, place in zip(found, failed, strict=True):
        outcome = judge(context(one, rules)).outcome
        gate = outcome.gate if isinstance(outcome, Rejection) and outcome.gate in MARKET_GATES else None
        assert gate == (None if place == PASSED else GATES[place]), one.setup()


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(
    markets(), rules(), st.sampled_from(["150", "1000", "10000", "400000"]), st.booleans(),
    st.sampled_from(["0", "0.15"]), st.sampled_from(["0.05", "0.2", "0.9"]),
)  # fmt: skip
def test_one_look_names_the_gate_of_the_account_that_the_judgement_names(
    file: CandleFile, rules: Rules, worth: str, lost: bool, flat: str, most: str
) -> None:
    gates = GateRules(off=rules.gates.off, max_fee_share=Decimal(most))
    rules = replace(rules, gates=gates, sizing=SizingRules(), fees=FeeRules(flat=Decimal(flat)))
    found, failed = searched(bitcoin(file), file, rules)
    for one, place in zip(found, failed, strict=True):
        if place != PASSED:
            continue
        told = at_once(
            fees=one.fees, one_contract=one.one_contract, open_positions=0, at_risk=float, equity=float(worth),
            lost=lost, least=1.0, share=float(rules.sizing.risk_share * (FULL if one.full else HALF)), rules=rules,
        )  # fmt: skip
        outcome = judge(context(one, rules, Decimal(worth), lost=lost)).outcome
        gate = outcome.gate if isinstance(outcome, Rejection) else CLEAR
        assert told in (None, gate) or (told == CLEAR and gate == "margin")
        assert told is not None, "so small a market is never too near to a limit"


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(markets(), rules(), st.sampled_from(["1000", "10000", "400000"]), st.sampled_from(["1", "0.3", "0.01"]))
def test_one_look_counts_the_contracts_that_the_sizing_counts(
    file: CandleFile, rules: Rules, worth: str, share: str
) -> None:
    """Where not all of the equity is free, too: what available does not clearly pay for is left to the sizing."""
    rules = replace(rules, sizing=SizingRules())
    found, failed = searched(bitcoin(file), file, rules)
    equity = Decimal(worth)
    for one, place in zip(found, failed, strict=True):
        product, budget = one.track.product, float(equity * rules.sizing.risk_share * multiplier(one.full))
        told = contracts_by_risk(budget, one.one_contract, product) if place == PASSED else None
        rate, available = leverage(product, one.side, "overnight"), equity * Decimal(share)
        outlay = outlay_of(product, rate, rules.fees)
        if told is None or not outlay.is_paid(told, float(one.reference), float(available)):
            continue
        request = SizeRequest(
            side=one.side, reference=one.reference, stop=one.levels()[0], bid=None, ask=None, equity=equity,
            available=available, multiplier=multiplier(one.full), leverage=rate,
        )  # fmt: skip
        assert str(size(request, product, rules).contracts) == str(min(told, most_of(product)))


def test_a_budget_of_just_so_many_contracts_is_left_to_the_decimals() -> None:
    product = built_in("BIP-20DEC30-CDE")
    assert contracts_by_risk(7.5, 2.5, product) is None
    assert contracts_by_risk(7.4999999999, 2.5, product) is None
    assert contracts_by_risk(7.6, 2.5, product) == 3
    assert contracts_by_risk(2.4, 2.5, product) is None, "none at all"


def test_available_that_just_pays_for_an_entry_is_not_ample() -> None:
    """60 000 × 0.01 at 4.1 is 146.34; fee and slippage of the entry are less than 2."""
    outlay = outlay_of(built_in("BIP-20DEC30-CDE"), Decimal("4.1"), FeeRules())
    assert not outlay.is_paid(Decimal(1), 60_000.0, 147.0)
    assert outlay.is_paid(Decimal(1), 60_000.0, 148.0)


def test_a_target_on_the_least_reward_for_its_risk_passes_and_one_just_under_does_not() -> None:
    """Where float64 cannot tell, the Decimals of the judgement do."""
    third = Decimal(1) / 3
    values, of = np.array([1, 3333, 33333333333, 1]), np.array([3, 10_000, 100_000_000_000, 2])
    assert at_least(values, of, third).tolist() == [True, False, False, True]
    assert at_least(np.array([5]), np.array([1000]), Decimal("0.005")).tolist() == [True]
    assert micros(instant(5)) == 5
