"""The double-entry ledger."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import InternalError
from atlas.money import ledger
from atlas.money.book import AccountState, Leg

AT = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
SIGNED = st.decimals("-5000", "5000", places=10)
POSITIVE = st.decimals("0", "5000", places=10)
MOVEMENTS = st.lists(
    st.one_of(
        st.tuples(st.just(ledger.fee_paid), POSITIVE),
        st.tuples(st.just(ledger.funding_paid), SIGNED),
        st.tuples(st.just(ledger.realised), SIGNED),
        st.tuples(st.just(ledger.margin_reserved), POSITIVE),
    ),
    max_size=20,
)


@given(MOVEMENTS)
def test_every_movement_sums_to_zero_and_cash_is_the_sum_of_its_legs(
    movements: list[tuple[Callable[[str, datetime, D, str], tuple[Leg, ...]], D]],
) -> None:
    state = ledger.apply(ledger.EMPTY, ledger.deposit("start", AT, D(10000)))
    legs = list(ledger.deposit("start", AT, D(10000)))
    for number, (build, amount) in enumerate(movements):
        made = build(f"m{number}", AT, amount, "p1")
        assert sum(leg.amount for leg in made) == 0
        legs += made
        state = ledger.apply(state, made)
    assert state == ledger.apply(ledger.EMPTY, legs)
    assert state.cash == ledger.balance(legs, "cash")
    assert state.reserved == ledger.balance(legs, "margin_reserved")
    assert sum(leg.amount for leg in legs) == 0


@pytest.mark.parametrize(
    ("build", "to", "source"),
    [
        (ledger.fee_paid, "fees", "cash"),
        (ledger.funding_paid, "funding", "cash"),
        (ledger.realised, "cash", "realised"),
        (ledger.margin_reserved, "margin_reserved", "margin_free"),
        (ledger.margin_released, "margin_free", "margin_reserved"),
    ],
)
def test_each_movement_goes_from_one_account_to_another(
    build: Callable[[str, datetime, D, str], tuple[Leg, ...]], to: str, source: str
) -> None:
    assert [(leg.account, leg.amount) for leg in build("m", AT, D(7), "p1")] == [(to, 7), (source, -7)]


def test_legs_may_be_given_one_by_one() -> None:
    state = ledger.apply(ledger.EMPTY, iter(ledger.deposit("start", AT, D(10000))))
    assert state == AccountState(cash=D(10000), reserved=D(0))


def test_a_whole_trade_changes_cash_by_its_net_and_leaves_no_margin() -> None:
    legs = [
        *ledger.deposit("start", AT, D(10000)),
        *ledger.margin_reserved("open:margin", AT, D(680), "p1"),
        *ledger.fee_paid("open:fee", AT, D("6.26"), "p1"),
        *ledger.funding_paid("11:00", AT, D("0.0884"), "p1"),
        *ledger.realised("close:gross", AT, D(200), "p1"),
        *ledger.fee_paid("close:fee", AT, D("6.05"), "p1"),
        *ledger.margin_released("close:margin", AT, D(680), "p1"),
    ]
    state = ledger.apply(ledger.EMPTY, legs)
    assert state == AccountState(cash=D("10187.6016"), reserved=D(0))
    assert ledger.balance(legs, "fees") == D("12.31")
    assert ledger.balance(legs, "realised") == -200
    assert ledger.balance(legs, "capital") == -10000


def test_reserving_margin_moves_no_cash() -> None:
    state = ledger.apply(AccountState(D(10000), D(0)), ledger.margin_reserved("m", AT, D(680), "p1"))
    assert state == AccountState(cash=D(10000), reserved=D(680))


def test_funding_received_adds_to_cash() -> None:
    state = ledger.apply(AccountState(D(100), D(0)), ledger.funding_paid("m", AT, D(-3), "p1"))
    assert state.cash == 103


def test_legs_that_do_not_sum_to_zero_are_refused() -> None:
    one, other = ledger.fee_paid("m", AT, D(1), "p1")
    with pytest.raises(InternalError, match="the legs of movement m sum to 1"):
        ledger.apply(ledger.EMPTY, [one, msgspec.structs.replace(other, amount=D(0))])


def test_two_movements_that_only_balance_together_are_refused() -> None:
    one, other = ledger.fee_paid("m", AT, D(1), "p1")
    with pytest.raises(InternalError, match="movement"):
        ledger.apply(ledger.EMPTY, [one, msgspec.structs.replace(other, movement_id="n")])


def test_more_margin_than_reserved_cannot_be_released() -> None:
    with pytest.raises(InternalError, match="reserved would become -1"):
        ledger.apply(AccountState(D(100), D(5)), ledger.margin_released("m", AT, D(6), "p1"))


@pytest.mark.parametrize("build", [ledger.fee_paid, ledger.margin_reserved, ledger.margin_released])
def test_a_negative_fee_or_margin_is_refused(build: Callable[[str, datetime, D, str], tuple[Leg, ...]]) -> None:
    with pytest.raises(InternalError, match="cannot be negative"):
        build("m", AT, D(-1), "p1")


def test_a_negative_deposit_is_refused() -> None:
    with pytest.raises(InternalError, match="cannot be negative"):
        ledger.deposit("m", AT, D(-1))
