"""The audit recomputes whatever the real core tells, with every option, and finds nothing; a lie it finds."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.messages import (
    DayStarted,
    EntryTriggered,
    Filled,
    FundingPaid,
    HaltChanged,
    Judged,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Rejected,
    Remargined,
    SetupsReplaced,
    TermsSet,
)
from atlas.audit.difference import Difference
from atlas.errors import DataError
from atlas.market.products import built_in
from atlas.rules import ExitRules, FillRules, MarginRules, Rules
from db.audit.story import Story
from tests.actors.random_market import BEFORE, RULES, markets
from tests.actors.scene import BIP, REVERSAL, Scene, at, product, rules_with
from tests.db.audited import LIVELY, events, lively
from tests.db.story import START, order, setup

D = Decimal
WINDOW = replace(
    LIVELY,
    margin=MarginRules(window="long_window"),
    sizing=replace(LIVELY.sizing, position_policy="flip", daily_loss=D("0.5"), max_total_risk=D("0.9")),
    exits=ExitRules(),
)
"""Flips, and positions margined anew at the end of an intraday window."""
LARGE = replace(WINDOW, sizing=replace(WINDOW.sizing, mode="leverage"))
"""Positions that overnight margin does not carry."""
SLOW = replace(WINDOW, fills=FillRules(latency_ms=4000))
DEPTH = replace(LIVELY, fills=FillRules(model="depth"))
SPOKEN = (RULES, LIVELY, WINDOW, LARGE, SLOW, DEPTH)


def differences(told: list[Any]) -> list[Difference]:
    """What the audit finds in these events."""
    story = Story()
    for event in told:
        story.take(event)
    story.end()
    return story.findings.differences


@settings(max_examples=40, deadline=None)
@given(markets(hours=4), st.sampled_from(SPOKEN))
def test_nothing_is_found_in_what_the_core_tells_of_any_market(market: list[Any], rules: Rules) -> None:
    scene = Scene(rules=rules, closed=BEFORE)
    for message in market:
        scene.run(message)
    assert differences(events(scene.kit.batches)) == []


@pytest.mark.parametrize("rules", SPOKEN)
def test_nothing_is_found_in_days_of_a_lively_market(rules: Rules) -> None:
    told = events(lively(rules, steps=500))
    assert sum(isinstance(event, PositionClosed) for event in told) >= 5
    assert any(isinstance(event, Filled) and not event.complete for event in told) == (rules is DEPTH)
    assert differences(told) == []


@pytest.mark.parametrize("traded", [61723.5, 65000], ids=["alike", "divergent"])
def test_nothing_is_found_where_another_product_gives_the_signal(traded: float) -> None:
    rules = replace(rules_with(), signal_products={BIP: "BTC-USD"})
    scene = Scene(REVERSAL, rules, symbols=("BTC-USD", BIP), products=(product("BTC-USD"), built_in(BIP)))
    scene.trade(61000, at(1), symbol="BTC-USD")
    scene.trade(traded, at(2), symbol=BIP)
    scene.trade(61600, at(2, 30), symbol="BTC-USD")
    scene.trade(59000, at(65), symbol=BIP)
    told = events(scene.kit.batches)
    ends = [event for event in told if isinstance(event, PositionClosed | Rejected)]
    assert [type(event) for event in ends] == [PositionClosed if traded < 62000 else Rejected]
    assert differences(told) == []


def test_among_them_are_flips_deadlines_and_positions_margined_anew() -> None:
    large, window = (events(lively(rules, seed=5)) for rules in (LARGE, WINDOW))
    reasons = {event.position.exit_reason for event in large if isinstance(event, PositionClosed)}
    assert {"deadline", "flip"} <= reasons
    assert any(isinstance(event, Remargined) for event in window)
    assert differences(large) == differences(window) == []


@pytest.fixture(scope="module")
def told() -> list[Any]:
    """The events of a lively market."""
    found = events(lively())
    kinds = {PositionOpened, PositionChanged, PositionClosed, FundingPaid, OrderMoved, Rejected, HaltChanged}
    assert {kind for kind in kinds if not any(isinstance(event, kind) for event in found)} == set()
    return found


def first(told: list[Any], kind: type[Any], **wanted: Any) -> int:
    """The place of the first such event."""
    for place, event in enumerate(told):
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items()):
            return place
    raise AssertionError(f"no {kind.__name__} with {wanted}")


def with_field(event: Any, path: str, change: Any) -> Any:
    """The event with one field, maybe of a struct within it, changed; `change` is the value or a function of it."""
    name, _, rest = path.partition(".")
    before = getattr(event, name)
    value = with_field(before, rest, change) if rest else change(before) if callable(change) else change
    return replace(event, **{name: value})


def more(value: Decimal) -> Decimal:
    return value + D("0.01")


@pytest.mark.parametrize(
    ("kind", "path", "change", "field"),
    [
        (Filled, "fill.fee", more, "fee"),
        (Filled, "fill.slippage", more, "slippage"),
        (Filled, "fill.price", more, "price"),
        (Filled, "fill.contracts", lambda contracts: contracts - 1, "margin"),
        (Filled, "margin", more, "margin"),
        (Filled, "liquidation", more, "liquidation"),
        (Filled, "account.cash", more, "cash"),
        (Filled, "account.reserved", more, "reserved"),
        (Filled, "order.contracts", lambda contracts: contracts + 1, "contracts"),
        (Filled, "order.leverage", lambda leverage: leverage + 1, "leverage"),
        (FundingPaid, "amount", more, "amount"),
        (FundingPaid, "rate", lambda rate: rate * 2, "rate"),
        (FundingPaid, "at", lambda at: at.replace(hour=(at.hour + 1) % 24), "hour"),
        (Judged, "equity", more, "equity"),
        (Judged, "available", more, "available"),
        (Judged, "base", more, "base"),
        (Judged, "reference", more, "reference"),
        (Rejected, "gate", "fees", "gate"),
        (Rejected, "value", "much", "value"),
        (Rejected, "threshold", "more", "threshold"),
        (EntryTriggered, "rules", "000000000000", "rules"),
        (PositionOpened, "position.stop", more, "stop"),
        (PositionOpened, "position.target", more, "target"),
        (PositionOpened, "position.risk_at_entry", more, "risk_at_entry"),
        (PositionOpened, "position.tier", "intraday", "tier"),
        (PositionChanged, "position.funding", more, "funding"),
        (PositionChanged, "change", 9, "change"),
        (PositionClosed, "position.gross", more, "gross"),
        (PositionClosed, "position.exit_price", more, "exit_price"),
        (PositionClosed, "position.exit_reason", "flatten", "exit_reason"),
        (OrderMoved, "count", 7, "count"),
        (DayStarted, "equity", more, "equity"),
        (HaltChanged, "halts", {"moon": "full"}, "halts"),
        (HaltChanged, "count", 40, "count"),
    ],
)
def test_one_changed_value_is_named(told: list[Any], kind: type[Any], path: str, change: Any, field: str) -> None:
    place = first(told, kind)
    lied = [*told[:place], with_field(told[place], path, change), *told[place + 1 :]]
    found = differences(lied)
    names = {(each.id, each.field) for each in found}
    assert (lied[place].key, field) in names, found[:5]


def altered(told: list[Any], wanted: Any, change: Any) -> tuple[str, set[tuple[str, str]]]:
    """The first fill that is as wanted, changed: its key, and what is found then."""
    place = next(at for at, event in enumerate(told) if isinstance(event, Filled) and wanted(event))
    lied = change(told[place])
    found = differences([*told[:place], lied, *told[place + 1 :]])
    return lied.key, {(each.id, each.field) for each in found}


def moved(event: Filled, way: int) -> Filled:
    """The same fill, of a trade so far from its own that no stop is near."""
    off = way * (D(5000) if event.fill.side == "sell" else D(-5000))
    fill = replace(event.fill, reference=event.fill.reference + off, price=event.fill.price + off)
    return replace(event, fill=fill)


def test_a_stop_is_not_filled_by_a_trade_that_had_not_reached_it(told: list[Any]) -> None:
    key, found = altered(told, lambda event: event.order.kind == "stop", lambda event: moved(event, 1))
    assert (key, "reference") in found
    key, found = altered(told, lambda event: event.order.kind == "stop", lambda event: moved(event, -1))
    assert (key, "reference") not in found, "a gap fills at the first price"


def test_nothing_is_filled_better_than_its_trade(told: list[Any]) -> None:
    def better(event: Filled) -> Filled:
        step = D(5) if event.fill.side == "sell" else D(-5)
        return replace(event, fill=replace(event.fill, price=event.fill.reference + step))

    for purpose in ("entry", "stop"):
        key, found = altered(told, lambda event, of=purpose: event.order.purpose == of, better)
        assert (key, "price") in found, purpose


def test_a_liquidation_is_at_or_beyond_its_price() -> None:
    scene = Scene(REVERSAL, rules_with())
    for price, minute in ((61000, 1), (61600, 2), (40000, 65)):
        scene.trade(price, at(minute))
    told = events(scene.kit.batches)
    assert differences(told) == []
    key, found = altered(told, lambda event: event.order.purpose == "liquidated", lambda event: moved(event, 4))
    assert (key, "reference") in found


@pytest.mark.parametrize(
    ("kind", "field"),
    [(Filled, "entry"), (PositionOpened, "position"), (OrderAccepted, "order"), (Judged, "gate"), (Rejected, "outcome"),
     (PositionChanged, "change"), (EntryTriggered, "trigger")],
)  # fmt: skip
def test_one_missing_event_is_noticed(told: list[Any], kind: type[Any], field: str) -> None:
    rejected = {event.setup_id for event in told if isinstance(event, Rejected)}
    places = [place for place, event in enumerate(told) if isinstance(event, kind)]
    if kind is Judged:
        places = [place for place in places if told[place].setup_id in rejected]
    if kind is PositionChanged:
        places = [place for place in places if isinstance(told[place - 1], FundingPaid)]
    found = differences([*told[: places[0]], *told[places[0] + 1 :]])
    assert field in {each.field for each in found}, found[:5]


def test_a_trigger_that_is_traded_and_rejected_is_noticed(told: list[Any]) -> None:
    opened = told[first(told, PositionOpened)].position
    place = first(told, PositionClosed)
    setup = next(event.setup for event in told if isinstance(event, EntryTriggered) and event.setup.id == opened.id)
    late = Rejected(
        setup.id, setup.symbol, setup.timeframe, setup.family, opened.setup, setup.side, opened.entry_time, "halted",
        "x", "y",
    )  # fmt: skip
    found = differences([*told[:place], late, *told[place:]])
    assert ("rejected", "trade") in {(each.stored, each.recomputed) for each in found if each.field == "outcome"}


def again(told: list[Any], setup_id: str) -> Rejected:
    """A rejection that says that this setup asked once more."""
    place = first(told, EntryTriggered)
    of = told[place].setup
    return Rejected(
        setup_id, of.symbol, of.timeframe, of.family, of.name, of.side, told[place].tick.time, "already_triggered",
        "x", "y",
    )  # fmt: skip


def test_a_setup_that_asks_once_more_is_no_second_outcome_and_its_entry_is_still_on_its_way(told: list[Any]) -> None:
    approved = told[first(told, PositionOpened)].position.id
    place = first(told, Judged, setup_id=approved) + 1
    story = Story()
    for event in (*told[:place], again(told, approved)):
        story.take(event)
    assert list(story.bench.pending) == [approved]
    assert approved not in story.signals.rejections
    assert differences([*told[:place], again(told, approved), *told[place:]]) == []


def test_a_setup_that_never_triggered_cannot_ask_once_more(told: list[Any]) -> None:
    lied = again(told, "never")
    (found,) = differences([*told, lied])
    assert (found.id, found.field, found.recomputed) == (lied.key, "gate", "a setup that has triggered")


def test_a_trigger_whose_setup_was_never_told_is_judged_and_no_setup_is_made_of_it(told: list[Any]) -> None:
    alone = [event for event in told if not isinstance(event, SetupsReplaced)]
    story = Story()
    for event in alone:
        story.take(event)
    assert story.signals.setups == {}
    assert len(story.signals.triggers) == sum(isinstance(event, EntryTriggered) for event in told)
    assert differences(alone) == []


@pytest.mark.parametrize(
    "event",
    [OrderCancelled("ghost", START, "x"), OrderExpired("ghost", START, "x"), OrderMoved("ghost", "x", START, D(1), 1)],
    ids=["cancelled", "expired", "moved"],
)
def test_what_happens_to_an_order_that_was_never_placed_is_noticed(event: Any) -> None:
    story = Story()
    story.take(event)
    (found,) = story.findings.differences
    assert (found.id, found.field, found.stored, found.recomputed) == (event.key, "order", "ghost", None)
    assert (story.orders.rows, story.orders.ended) == ({}, {}), "nothing is made of it"


def test_an_order_that_is_filled_is_not_cancelled_after_that(told: list[Any]) -> None:
    place = first(told, Filled, complete=True)
    filled = told[place].order.id
    late = OrderCancelled(filled, told[place].fill.time, "x")
    found = differences([*told[: place + 1], late, *told[place + 1 :]])
    assert [(each.id, each.stored, each.recomputed) for each in found] == [(late.key, "filled", "working")]
    story = Story()
    for event in (*told[: place + 1], late):
        story.take(event)
    assert story.orders.rows[filled]["status"] == "filled"


@pytest.mark.parametrize("purpose", ["entry", "stop"])
def test_a_refused_order_ends_its_trigger_only_if_it_is_the_entry(purpose: str) -> None:
    refused = OrderRejected(order(setup(), purpose), START, "margin", "1", "2")
    story = Story()
    for event in (OrderAccepted(refused.order, START), refused):
        story.take(event)
    assert story.findings.differences == []
    assert story.orders.rows[refused.order.id]["status"] == "rejected"
    assert story.orders.ended == ({setup().id: refused} if purpose == "entry" else {})


def test_the_best_price_of_a_position_never_comes_back(told: list[Any]) -> None:
    place = first(told, PositionClosed)
    before = told[place].position
    nearer = before.entry_price
    lied = replace(told[place], position=replace(before, best=nearer, worst=nearer))
    found = differences([*told[:place], lied, *told[place + 1 :]])
    assert "worst and best" in {each.field for each in found}


def test_events_without_their_terms_cannot_be_recomputed(told: list[Any]) -> None:
    with pytest.raises(DataError, match="rules and products"):
        differences([event for event in told if not isinstance(event, TermsSet)])


def test_a_product_that_no_listing_told_of_cannot_be_recomputed(told: list[Any]) -> None:
    bare = [replace(event, products=()) if isinstance(event, TermsSet) else event for event in told]
    with pytest.raises(DataError, match=f"is about {BIP}, which no listing among the events has"):
        differences(bare)


def test_a_restart_keeps_the_halts_of_a_person_only(told: list[Any]) -> None:
    terms = told[first(told, TermsSet)]
    halted = HaltChanged(terms.at, {"feed": "down", "person": "lunch"}, 1, "person", "lunch")
    story = Story()
    for event in (replace(terms), halted, replace(terms, started=True)):
        story.take(event)
    assert story.bench.halts == {"person": "lunch"}


def test_rules_an_older_version_knew_keep_the_fingerprint_they_had(told: list[Any]) -> None:
    """A later version knows more settings: the same rules would have another fingerprint now."""
    older = [replace(event, fingerprint="older") if isinstance(event, TermsSet) else event for event in told]
    assert {each.field for each in differences(older)} == {"rules"}
    older = [replace(event, rules="older") if isinstance(event, EntryTriggered) else event for event in older]
    assert differences(older) == []


def test_a_decision_under_other_rules_is_judged_by_those(told: list[Any]) -> None:
    """The terms are those in force: with the old ones the same events would not come out."""
    place = first(told, TermsSet)
    dearer = replace(told[place].rules.fees, taker=D("0.0008"))
    rules = replace(told[place].rules, fees=dearer)
    other = replace(told[place], rules=rules, fingerprint=rules.fingerprint(), digest="other")
    found = differences([*told[:place], other, *told[place + 1 :]])
    assert {"fee", "rules", "cash"} <= {each.field for each in found}
