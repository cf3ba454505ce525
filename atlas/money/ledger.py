"""The double-entry ledger: each movement is legs that sum to zero, and cash is the sum of all legs on `cash`.

Reserving margin moves nothing out of cash: it shifts an amount from `margin_free` to `margin_reserved`, so that the
margin reserved is a sum over the ledger too (architecture.md, invariant 7).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from atlas.errors import InternalError
from atlas.money.book import AccountState, Leg
from atlas.money.rounding import fixed

EMPTY = AccountState(cash=Decimal("0E-8"), reserved=Decimal("0E-8"))
"""The account before its first deposit."""

COUNTER_ACCOUNT = {
    "deposit": ("cash", "capital"),
    "fee": ("fees", "cash"),
    "funding": ("funding", "cash"),
    "realised": ("cash", "realised"),
    "margin_reserve": ("margin_reserved", "margin_free"),
    "margin_release": ("margin_free", "margin_reserved"),
}
"""Kind of movement → (account the amount is added to, account it is taken from)."""

_NEVER_NEGATIVE = ("deposit", "fee", "margin_reserve", "margin_release")


def _movement(movement_id: str, time: datetime, kind: str, amount: Decimal, position_id: str | None) -> tuple[Leg, Leg]:
    if amount < 0 and kind in _NEVER_NEGATIVE:
        raise InternalError(f"a {kind} of {amount} USD (movement {movement_id}) cannot be negative: report this")
    to, source = COUNTER_ACCOUNT[kind]
    amount = fixed(amount)
    return (
        Leg(movement_id, time, kind, to, amount, position_id),
        Leg(movement_id, time, kind, source, fixed(-amount), position_id),
    )


def deposit(movement_id: str, time: datetime, amount: Decimal) -> tuple[Leg, ...]:
    """Return the legs of money put into the account, USD."""
    return _movement(movement_id, time, "deposit", amount, None)


def fee_paid(movement_id: str, time: datetime, amount: Decimal, position_id: str) -> tuple[Leg, ...]:
    """Return the legs of a fee, USD, at least 0."""
    return _movement(movement_id, time, "fee", amount, position_id)


def funding_paid(movement_id: str, time: datetime, amount: Decimal, position_id: str) -> tuple[Leg, ...]:
    """Return the legs of one hour's funding: above 0 was paid, below 0 received, USD."""
    return _movement(movement_id, time, "funding", amount, position_id)


def realised(movement_id: str, time: datetime, amount: Decimal, position_id: str) -> tuple[Leg, ...]:
    """Return the legs of a realised gross profit (above 0) or loss (below 0), USD."""
    return _movement(movement_id, time, "realised", amount, position_id)


def margin_reserved(movement_id: str, time: datetime, amount: Decimal, position_id: str) -> tuple[Leg, ...]:
    """Return the legs of margin set aside for a position, USD, at least 0."""
    return _movement(movement_id, time, "margin_reserve", amount, position_id)


def margin_released(movement_id: str, time: datetime, amount: Decimal, position_id: str) -> tuple[Leg, ...]:
    """Return the legs of margin given back, USD, at least 0."""
    return _movement(movement_id, time, "margin_release", amount, position_id)


def balance(legs: Iterable[Leg], account: str) -> Decimal:
    """Return the sum of the legs on one account, USD."""
    return sum((leg.amount for leg in legs if leg.account == account), Decimal("0E-8"))


def apply(state: AccountState, legs: Iterable[Leg]) -> AccountState:
    """Return the account after the movements.

    Raises InternalError when the legs of a movement do not sum to zero, or more margin is released than is reserved:
    such a ledger must not be written.
    """
    legs = tuple(legs)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for leg in legs:
        sums[leg.movement_id] += leg.amount
    for movement_id, total in sums.items():
        if total != 0:
            raise InternalError(f"the legs of movement {movement_id} sum to {total} USD, not 0: report this")
    after = AccountState(
        cash=state.cash + balance(legs, "cash"), reserved=state.reserved + balance(legs, "margin_reserved")
    )
    if after.reserved < 0:
        raise InternalError(f"the margin reserved would become {after.reserved} USD: it cannot be below 0, report this")
    return after
