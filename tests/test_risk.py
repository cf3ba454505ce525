"""The gates of strat.md 5: each can pass and fail, and the first that fails names the rejection."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from atlas.errors import ConfigurationError
from atlas.market.products import built_in
from atlas.money.book import Position
from atlas.money.entry import Approval, EntryContext, Rejection, pending_entry
from atlas.risk import GATES, SWITCHABLE, judge
from atlas.rules import FeeRules, GateRules, MarginRules, Rules, SizingRules, StratRules
from atlas.strat.setup import ContinuityReading, Setup, Side

replace = msgspec.structs.replace
AT = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
"""A Wednesday."""

BIP = built_in("BIP-20DEC30-CDE")
SPOT = built_in("BTC-USD")
FRAMES = ("1w", "1d", "4h", "1h")


def setup(**changes: Any) -> Setup:
    """A long 2-1 on 4h: trigger 68 000, stop 67 000, target 70 000."""
    usual = Setup(
        id="BIP-20DEC30-CDE:4h:20260304T0800Z:2D-1-?:long",
        symbol=BIP.id,
        timeframe="4h",
        name="2D-1-?",
        family="2-1",
        side="long",
        setup_time=AT.replace(hour=8, minute=0),
        valid_from=AT.replace(minute=0),
        valid_until=AT.replace(hour=16, minute=0),
        trigger=D(68000),
        stop=D(67000),
        target=D(70000),
        opposite_level=D(67500),
        two_sided=True,
        measured=False,
    )
    return replace(usual, **changes)


def reading(agree: int = 4, side: Side = "long") -> ContinuityReading:
    """So many of four frames agree; two are needed."""
    return ContinuityReading(side, "open", FRAMES, FRAMES[:agree], FRAMES[agree:], (), 2)


def context(**changes: Any) -> EntryContext:
    """An entry that every gate lets through: 68 005 on a 10 000 USD account."""
    usual = EntryContext(
        setup=setup(),
        name="2D-1-2U",
        at=AT,
        reference=D(68005),
        bid=D(68000),
        ask=D(68005),
        product=BIP,
        rules=Rules(),
        verified=True,
        missed=False,
        already_triggered=False,
        halts={},
        continuity=reading(),
        equity=D(10000),
        available=D(10000),
        day_start_equity=D(10000),
        daily_loss_hit=False,
    )
    return replace(usual, **changes)


def sized(**changes: Any) -> Rules:
    """Rules that differ in their sizing."""
    return Rules(sizing=SizingRules(**changes))


def gated(**changes: Any) -> Rules:
    """Rules that differ in their gates."""
    return Rules(gates=GateRules(**changes))


def held(**changes: Any) -> Position:
    """An open position: long 10 BIP from 68 000 with its stop at 67 000, 100 USD at risk."""
    full = reading()
    usual = Position(
        id="held",
        symbol=BIP.id,
        timeframe="1d",
        setup="2D-1-2U",
        family="2-1",
        side="long",
        contract_size=BIP.contract_size,
        contracts=D(10),
        entry_contracts=D(10),
        entry_price=D(68000),
        entry_reference=D(68000),
        entry_time=AT - timedelta(hours=3),
        stop=D(67000),
        first_stop=D(67000),
        target=D(70000),
        invalidation=D(67500),
        entry_bar_end=AT,
        leverage=D("4.1"),
        tier="overnight",
        margin=D("1658.53658537"),
        liquidation=None,
        worst=D(68000),
        best=D(68000),
        fees=D(0),
        detection=full,
        at_trigger=full,
        setup_time=AT - timedelta(days=1),
        risk_at_entry=D(100),
    )
    return replace(usual, **changes)


def rejection(given: EntryContext) -> Rejection:
    """The rejection of an entry that must be rejected."""
    outcome = judge(given).outcome
    assert isinstance(outcome, Rejection), outcome
    return outcome


def approval(given: EntryContext) -> Approval:
    """The approval of an entry that must be approved."""
    outcome = judge(given).outcome
    assert isinstance(outcome, Approval), outcome
    return outcome


FAILS: dict[str, tuple[dict[str, Any], str, str]] = {
    "halted": (
        {"halts": {"person": "lunch", "feed": "socket closed"}},
        "feed: socket closed; person: lunch",
        "no halt",
    ),
    "session_closed": ({"at": datetime(2026, 3, 6, 22, 30, tzinfo=UTC)}, "break Fri 22:00–Fri 23:00 UTC", "open"),
    "data_unverified": ({"verified": False}, "a hole in C1, C2 or the entry bar", "verified"),
    "already_triggered": ({"already_triggered": True}, "triggered before", "first trigger"),
    "missed": ({"missed": True}, "broke before ATLAS could see it", "seen"),
    "not_traded": ({"setup": setup(family="rev-strat")}, "family rev-strat", "one of 3-1, 2-1, 2-2, 3-2-2, 3-2"),
    "divergence": ({"setup": setup(symbol="BTC-USD"), "ratio": D("1.0201")}, "2.01 %", "≤ 2 %"),
    "price_past_stop": ({"reference": D(67000)}, "67000", "above the stop 67000"),
    "price_past_target": ({"reference": D(70000)}, "70000", "below the target 70000"),
    "magnitude": (
        {"setup": setup(stop=D(67800), target=D(68340)), "rules": gated(max_fee_share=D(1))},
        "0.4926 %",
        "≥ 0.5 %",
    ),
    "reward_risk": ({"setup": setup(target=D(68500)), "rules": gated(max_fee_share=D(1))}, "0.4925", "≥ 0.5"),
    "continuity": ({"continuity": reading(1)}, "1/4", "≥ 2/4"),
    "position_policy": ({"positions": (held(),)}, "held: held", "one_per_product"),
    "max_open_positions": (
        {"positions": tuple(held(id=f"p{n}", symbol=f"other-{n}", contracts=D(1)) for n in range(5))},
        "6 with this one",
        "≤ 5",
    ),
    "total_risk": (
        {"positions": (held(symbol="other", contracts=D(45)),)},
        "$621.28 with this one",
        "≤ $600.00 (6 % of equity)",
    ),
    "daily_loss": (
        {"daily_loss_hit": True, "day_start_equity": D(10700)},
        "6.5421 % lost today, halted",
        "< 5 %",
    ),
    "size_zero": ({"equity": D(500)}, "0 from a budget of $10.00 at $11.35 a contract", "≥ 1"),
    "fees": ({"rules": gated(max_fee_share=D("0.05"))}, "6.1707 %", "≤ 5 % of the profit at target"),
    "margin": ({"available": D(100)}, "needs $166.53 for 1", "≤ $100.00 available"),
}
"""Gate → what makes it fail, and the value and threshold it then names."""


def test_an_entry_that_nothing_speaks_against_is_approved_after_every_gate() -> None:
    verdict = judge(context())
    assert verdict.approved
    assert tuple(check.gate for check in verdict.checks) == GATES
    assert {check.outcome for check in verdict.checks} == {"passed"}


def test_the_gates_stand_in_the_order_of_the_specification() -> None:
    assert GATES == (
        "halted", "session_closed", "data_unverified", "already_triggered", "missed", "not_traded", "divergence",
        "price_past_stop", "price_past_target", "magnitude", "reward_risk", "continuity", "position_policy",
        "max_open_positions", "total_risk", "daily_loss", "size_zero", "fees", "margin",
    )  # fmt: skip
    assert tuple(FAILS) == GATES


@pytest.mark.parametrize("gate", GATES)
def test_each_gate_rejects_with_its_name_value_and_threshold(gate: str) -> None:
    changes, value, threshold = FAILS[gate]
    verdict = judge(context(**changes))
    assert verdict.outcome == Rejection(gate, value, threshold)
    assert [check.outcome for check in verdict.checks] == ["passed"] * GATES.index(gate) + ["failed"]


COMBINABLE = [
    ("halted", "session_closed"),
    ("session_closed", "data_unverified"),
    ("data_unverified", "already_triggered"),
    ("already_triggered", "missed"),
    ("missed", "not_traded"),
    ("not_traded", "price_past_stop"),
    ("price_past_target", "continuity"),
    ("magnitude", "continuity"),
    ("reward_risk", "continuity"),
    ("continuity", "daily_loss"),
    ("position_policy", "daily_loss"),
    ("max_open_positions", "daily_loss"),
    ("total_risk", "daily_loss"),
    ("daily_loss", "size_zero"),
    ("size_zero", "fees"),
    ("fees", "margin"),
]


@pytest.mark.parametrize(("first", "second"), COMBINABLE)
def test_of_two_failing_gates_the_earlier_names_the_rejection(first: str, second: str) -> None:
    changes = {**FAILS[second][0], **FAILS[first][0]}
    assert rejection(context(**changes)).gate == first
    assert rejection(context(**FAILS[second][0])).gate == second


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_is_switched_off_only_where_that_is_allowed(gate: str) -> None:
    changes = dict(FAILS[gate][0])
    rules = changes.pop("rules", Rules())
    changes["rules"] = replace(rules, gates=replace(rules.gates, off=(gate,)))
    verdict = judge(context(**changes))
    outcomes = {check.gate: check.outcome for check in verdict.checks}
    if gate in SWITCHABLE:
        assert verdict.approved
        assert outcomes[gate] == "off"
    else:
        assert verdict.outcome == Rejection(gate, *FAILS[gate][1:])


def test_what_keeps_an_entry_safe_cannot_be_switched_off() -> None:
    assert set(SWITCHABLE).isdisjoint(GATES[: GATES.index("magnitude")])
    assert {"size_zero", "margin"}.isdisjoint(SWITCHABLE)


# ── gate by gate ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_daily_loss_halt_is_named_daily_loss_and_not_halted() -> None:
    assert rejection(context(halts={"daily_loss": "5 % lost"})).gate == "daily_loss"
    assert rejection(context(halts={"daily_loss": "5 % lost", "disk": "95 % full"})).gate == "halted"


def test_without_the_lease_of_its_product_nothing_is_entered_whoever_else_halts_it() -> None:
    assert rejection(context(lease="held by shard b")) == Rejection("halted", "lease: held by shard b", "no halt")
    found = rejection(context(lease="held by shard b", halts={"disk": "95 % full"}))
    assert found == Rejection("halted", "disk: 95 % full; lease: held by shard b", "no halt")


def test_after_a_persons_resume_entries_go_on_although_the_loss_stands() -> None:
    assert judge(context(day_start_equity=D(20000), daily_loss_hit=False)).approved


@pytest.mark.parametrize(("before", "gate"), [(timedelta(days=1, seconds=1), None), (timedelta(days=1), "expires")])
def test_no_entry_is_made_on_the_last_day_of_a_contract(before: timedelta, gate: str | None) -> None:
    expiring = replace(BIP, expiry=AT + before)
    if gate is None:
        assert approval(context(product=expiring)).contracts > 0
    else:
        found = rejection(context(product=expiring))
        assert (found.gate, found.value.split()[0]) == ("session_closed", gate)


def test_mode_signals_trades_nothing() -> None:
    assert rejection(context(rules=Rules(mode="signals"))).gate == "not_traded"


def test_a_short_on_spot_is_not_traded_unless_allowed() -> None:
    given = context(
        setup=setup(symbol=SPOT.id, side="short", trigger=D(68000), stop=D(69000), target=D(62000)),
        product=SPOT,
        reference=D(67995),
        continuity=reading(side="short"),
    )
    refused = rejection(given)
    assert (refused.gate, refused.threshold) == ("not_traded", "long only")
    cheap = FeeRules(spot_taker=D("0.0001"), spot_maker=D("0.0001"))
    allowed = replace(given, rules=Rules(sizing=SizingRules(long_only_spot=False), fees=cheap))
    assert judge(allowed).approved


def test_a_family_switched_on_is_traded() -> None:
    rules = Rules(strat=StratRules(families=("rev-strat",)))
    assert judge(context(setup=setup(family="rev-strat"), rules=rules)).approved


def test_lesson_59_an_unknown_ratio_to_the_signal_product_rejects() -> None:
    assert rejection(context(setup=setup(symbol="BTC-USD"), ratio=None)).gate == "divergence"


def test_lesson_59_levels_of_a_signal_product_are_translated_by_the_ratio_and_put_on_the_tick() -> None:
    given = context(setup=setup(symbol="BTC-USD", stop=D("66999.99"), target=D("70000.01")), ratio=D("1.001"))
    found = approval(given)
    assert found.stop == 67065  # 67066.98999 down, away from the entry
    assert found.target == 70070  # 70070.01001 down, towards it
    assert found.ratio == D("1.001")  # by which the broker's bounds are translated too


def test_a_ratio_means_nothing_where_signal_and_execution_are_one_product() -> None:
    found = approval(context(ratio=D("1.5")))
    assert (found.stop, found.ratio) == (67000, None)


@pytest.mark.parametrize(
    ("reference", "gate"),
    [("69000", "price_past_stop"), ("69005", "price_past_stop"), ("66000", "price_past_target")],
)
def test_lesson_90_a_short_past_its_stop_or_target_is_rejected(reference: str, gate: str) -> None:
    short = setup(side="short", trigger=D(68000), stop=D(69000), target=D(66000))
    given = context(setup=short, reference=D(reference), continuity=reading(side="short"))
    assert rejection(given).gate == gate


def test_lesson_90_reward_and_risk_are_measured_from_the_price_of_the_trade() -> None:
    assert judge(context(reference=D(68005))).approved
    gapped = rejection(context(reference=D(69100)))
    assert (gapped.gate, gapped.value) == ("reward_risk", "0.4285")


def test_reward_to_risk_can_be_set_for_a_family() -> None:
    rules = gated(min_reward_risk_by_family={"2-1": D(2)})
    assert rejection(context(rules=rules)).threshold == "≥ 2"
    assert judge(context(rules=gated(min_reward_risk_by_family={"3-1": D(2)}))).approved


def test_exactly_at_a_threshold_passes() -> None:
    exact = setup(stop=D(67800), target=D(68340))
    given = context(setup=exact, reference=D(68000), bid=None, ask=None)
    checks = {check.gate: check for check in judge(given).checks}
    assert (checks["magnitude"].value, checks["magnitude"].outcome) == ("0.5 %", "passed")
    even = setup(stop=D(67000), target=D(68500))
    checks = {check.gate: check for check in judge(context(setup=even, reference=D(68000))).checks}
    assert (checks["reward_risk"].value, checks["reward_risk"].outcome) == ("0.5", "passed")


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("divergence", {"setup": setup(symbol="BTC-USD"), "ratio": D("0.98"), "reference": D(66640)}),
        (
            "max_open_positions",
            {"positions": tuple(held(id=f"p{n}", symbol="other", contracts=D(1)) for n in range(4))},
        ),
        # 428.725 at risk already and 171.275 more are 600, 6 % of 10 000
        ("total_risk", {"positions": (held(symbol="other", entry_price=D("71287.25")),)}),
        # fees of 1.231035 on a profit of 19.95
        ("fees", {"rules": gated(max_fee_share=D("1.231035") / D("19.95"))}),
    ],
)
def test_exactly_at_a_limit_passes(gate: str, changes: dict[str, Any]) -> None:
    checks = {check.gate: check.outcome for check in judge(context(**changes)).checks}
    assert checks[gate] == "passed"


def test_a_value_that_just_fails_is_never_shown_as_the_threshold() -> None:
    rules = gated(min_magnitude=D("0.0293361"))
    found = rejection(context(rules=rules))
    assert (found.value, found.threshold) == ("2.9336 %", "≥ 2.9337 %")


def test_lesson_50_continuity_that_could_not_be_computed_rejects() -> None:
    found = rejection(context(continuity=None))
    assert (found.gate, found.value) == ("continuity", "could not be computed")


def test_lesson_49_continuity_of_the_other_side_rejects() -> None:
    assert rejection(context(continuity=reading(side="short"))).value == "measured for short"


def test_continuity_over_no_frames_is_not_full_agreement() -> None:
    empty = ContinuityReading("long", "open", (), (), (), (), 0)
    assert rejection(context(continuity=empty)).gate == "continuity"


def test_lesson_46_unknown_frames_do_not_agree_and_are_reported() -> None:
    unknown = ContinuityReading("long", "open", FRAMES, ("1d",), ("4h",), ("1w", "1h"), 2)
    assert rejection(context(continuity=unknown)).value == "1/4, unknown 1w 1h"


@pytest.mark.parametrize(("agree", "multiplier", "contracts"), [(4, "1", 17), (3, "0.5", 8), (2, "0.5", 8)])
def test_full_agreement_trades_full_size_and_the_minimum_half(agree: int, multiplier: str, contracts: int) -> None:
    found = approval(context(continuity=reading(agree)))
    assert (found.multiplier, found.contracts) == (D(multiplier), contracts)


def test_with_the_gate_continuity_off_less_than_full_agreement_is_still_half_size() -> None:
    found = approval(context(continuity=None, rules=gated(off=("continuity",))))
    assert found.multiplier == D("0.5")


# ── positions already held ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("policy", "position", "allowed"),
    [
        ("one_per_product", held(), False),
        ("one_per_product", held(side="short", stop=D(69000)), False),
        ("one_per_product", held(symbol="ETP-20DEC30-CDE"), True),
        ("one_per_timeframe", held(timeframe="1d"), True),
        ("one_per_timeframe", held(timeframe="4h"), False),
        ("flip", held(), False),
        ("flip", held(side="short", stop=D(69000)), True),
        ("unlimited", held(timeframe="4h"), True),
    ],
)
def test_lesson_70_the_position_policy_decides_about_a_second_position(
    policy: str, position: Position, allowed: bool
) -> None:
    verdict = judge(context(rules=sized(position_policy=policy), positions=(position,), available=D(8000)))
    assert verdict.approved is allowed
    if not allowed:
        assert isinstance(verdict.outcome, Rejection)
        assert verdict.outcome.gate == "position_policy"


def test_a_flip_closes_the_opposite_position_and_uses_the_margin_it_frees() -> None:
    short = held(side="short", stop=D(69000), contracts=D(55), entry_contracts=D(55), margin=D(9900))
    given = context(rules=sized(position_policy="flip"), positions=(short,), available=D(100))
    found = approval(given)
    assert found.closes == ("held",)
    assert found.margin > 100
    # closing pays 55 × 0.15 + 0.07 % of 55 × 0.01 × 68 007.5, and half the spread of 2.5
    assert given.closing_costs == D("8.25") + D("26.1828875") + D("1.375")
    assert given.usable == 100 + 9900 - given.closing_costs


def test_a_flip_risks_a_share_of_what_is_left_after_closing() -> None:
    short = held(side="short", stop=D(69000), contracts=D(55), entry_contracts=D(55), margin=D(9900))
    given = context(rules=sized(position_policy="flip"), positions=(short,))
    assert approval(given).size.budget == (10000 - given.closing_costs) * D("0.02")


def test_only_the_policy_flip_closes_anything() -> None:
    short = held(side="short", stop=D(69000), symbol=BIP.id)
    assert approval(context(rules=sized(position_policy="unlimited"), positions=(short,))).closes == ()


@pytest.mark.parametrize(
    ("left", "policy", "allowed"),
    [
        (None, "flat_at_close", True),
        (timedelta(microseconds=-1), "flat_at_close", True),
        (timedelta(0), "flat_at_close", False),
        (timedelta(minutes=1, seconds=2), "flat_at_close", False),
        (timedelta(minutes=1), "one_per_product", True),
    ],
)
def test_flat_at_close_wants_no_position_since_the_setup_bar_closed(
    left: timedelta | None, policy: str, *, allowed: bool
) -> None:
    closed = None if left is None else setup().valid_from + left
    verdict = judge(context(rules=sized(position_policy=policy), left=closed))
    assert verdict.approved is allowed
    if closed is not None and not allowed:
        assert verdict.outcome == Rejection("position_policy", f"held until {closed:%Y-%m-%d %H:%M:%S}", policy)


def test_flat_at_close_names_what_is_held_before_what_was() -> None:
    given = context(rules=sized(position_policy="flat_at_close"), positions=(held(),), left=setup().valid_from)
    assert rejection(given).value == "held: held"


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'pyramid' is not known: write one of one_per_product"):
        judge(context(rules=sized(position_policy="pyramid")))


def test_a_stop_past_break_even_frees_its_share_of_the_total_risk() -> None:
    risky = held(symbol="other", contracts=D(45))
    assert rejection(context(positions=(risky,))).gate == "total_risk"
    assert judge(context(positions=(replace(risky, stop=D(68500)),))).approved


def test_lesson_71_an_entry_approved_but_not_filled_counts_as_a_position() -> None:
    first = context()
    waiting = pending_entry(first, approval(first))
    other = replace(first, setup=setup(id="other", timeframe="1h"), pending=(waiting,))
    assert rejection(other).gate == "position_policy"


def test_a_pending_entry_takes_up_a_place_risk_and_cash() -> None:
    first = context()
    waiting = replace(pending_entry(first, approval(first)), symbol="other")
    again = context(pending=(waiting,))
    assert again.usable == 10000 - approval(first).size.cash
    assert rejection(replace(again, rules=sized(max_open_positions=1))).gate == "max_open_positions"
    assert rejection(replace(again, rules=sized(max_total_risk=D("0.03")))).gate == "total_risk"
    assert rejection(replace(again, available=waiting.cash + 100)).gate == "margin"


def test_lesson_73_a_fully_reserved_account_opens_nothing() -> None:
    assert rejection(context(available=D(0))).gate == "margin"


# ── size, costs and margin ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["risk", "leverage"])
def test_lesson_75_a_thousand_dollars_at_ten_times_opens_a_full_size_trade_in_both_modes(mode: str) -> None:
    etp = built_in("ETP-20DEC30-CDE")
    given = context(
        setup=setup(symbol=etp.id, trigger=D(2000), stop=D(1990), target=D(2040)),
        product=etp,
        reference=D(2001),
        bid=None,
        ask=None,
        equity=D(1000),
        available=D(1000),
        day_start_equity=D(1000),
        at=datetime(2026, 3, 4, 15, tzinfo=UTC),
        rules=Rules(sizing=SizingRules(mode=mode, max_total_risk=D(1)), margin=MarginRules(window="guide_2026_07")),
    )
    found = approval(given)
    assert (found.leverage, found.tier, found.multiplier) == (10, "intraday", 1)
    assert found.contracts >= 1
    assert found.size.cash <= 1000


def test_the_tier_in_force_is_stored_with_the_entry() -> None:
    rules = Rules(margin=MarginRules(window="guide_2026_07"))
    inside = approval(context(rules=rules, at=datetime(2026, 3, 4, 15, tzinfo=UTC)))
    outside = approval(context(rules=rules, at=datetime(2026, 3, 4, 22, tzinfo=UTC)))
    assert (inside.tier, inside.leverage) == ("intraday", 10)
    assert (outside.tier, outside.leverage) == ("overnight", D("4.1"))


def test_an_approval_holds_what_the_order_and_the_alert_need() -> None:
    found = approval(context())
    assert (found.entry, found.stop, found.target) == (D("68007.5"), 67000, 70000)
    assert found.risk == D("171.275")  # 17 × 0.01 × 1007.5
    assert found.margin == D("2819.82317073")  # 17 × 680.075 ÷ 4.1
    assert found.liquidation == D("54126.63671374")  # 68 007.5 × (1 − 1/4.1) ÷ 0.95
    assert found.size.by_formula == 17


def test_lesson_81_the_share_of_fees_does_not_depend_on_the_size() -> None:
    def share(**changes: Any) -> str:
        return next(check.value for check in judge(context(**changes)).checks if check.gate == "fees")

    assert share() == share(equity=D(1000)) == share(available=D(100))


def test_the_fees_gate_leaves_slippage_aside() -> None:
    def share(bid: D | None, ask: D | None) -> str:
        return next(check.value for check in judge(context(bid=bid, ask=ask)).checks if check.gate == "fees")

    assert share(None, None) == share(D(67000), D(69000))


def test_spot_fees_eat_up_an_ordinary_target() -> None:
    spot = context(setup=setup(symbol=SPOT.id), product=SPOT)
    assert rejection(spot).gate == "fees"


def test_a_zero_only_because_of_the_margin_cap_is_named_margin() -> None:
    verdict = judge(context(available=D(100)))
    outcomes = {check.gate: check.outcome for check in verdict.checks}
    assert outcomes["size_zero"] == "passed"
    assert outcomes["margin"] == "failed"


def test_units_that_are_no_whole_contract_are_named_with_the_contract() -> None:
    found = rejection(context(rules=sized(mode="units", units=D("0.0099"))))
    assert (found.gate, found.value) == ("size_zero", "0 from 0.0099 units, 0.01 a contract")
    fine = rejection(context(rules=sized(mode="units", units=D("0.000000019"))))
    assert fine.value == "0 from 0.00000001 units, 0.01 a contract"


def test_a_zero_from_halving_is_named_size_zero() -> None:
    given = context(rules=sized(mode="leverage"), available=D(200), continuity=reading(3))
    found = rejection(given)
    assert (found.gate, found.value) == ("size_zero", "0 from 1 × 0.5")


@pytest.mark.parametrize("change", [{}, FAILS["halted"][0], FAILS["margin"][0]])
def test_the_same_context_gives_the_same_verdict(change: dict[str, Any]) -> None:
    encoded: Callable[[Any], bytes] = msgspec.json.Encoder(order="deterministic").encode
    assert encoded(judge(context(**change))) == encoded(judge(context(**change)))
