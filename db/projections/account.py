"""The account's row, its ledger and its funding."""

from collections.abc import Iterable

from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from actors.messages import AccountOpened, DayStarted, FundingPaid, HaltChanged
from atlas.money.book import AccountState, Leg
from db.models import AccountRow, FundingRow, LedgerRow
from db.notices import halt_notice
from db.projections.operation import digests, notice
from db.projections.row import Row, columns, here

_mine = update(AccountRow).where(here(AccountRow.name)).values(updated_at=func.now())
_open = _mine.values(starting_equity=func.coalesce(AccountRow.starting_equity, bindparam("starting_equity")))
_state = _mine.values(cash=bindparam("cash"), reserved=bindparam("reserved"))
_day = _mine.values(day=bindparam("day"), day_start_equity=bindparam("day_start_equity"))
_base = bindparam("base", type_=AccountRow.day_start_equity.type)
_halts = _mine.where(AccountRow.halt_count < bindparam("b_count")).values(
    halts=bindparam("halts"),
    halt_count=bindparam("halt_count"),
    day_start_equity=func.coalesce(_base, AccountRow.day_start_equity),
)
# No ON CONFLICT: a movement that comes twice under another event's id is a fault to be seen, not swallowed.
_leg = insert(LedgerRow)
_funding = insert(FundingRow)


def opened(account: str, event: AccountOpened) -> list[Row]:
    """The first deposit is the starting equity."""
    starting = Row(_open, {"b_name": account, "starting_equity": event.account.cash}, ("account",))
    return [starting, *moved(account, event.legs, event.account)]


def funding_paid(account: str, event: FundingPaid) -> list[Row]:
    """One row of funding, and the money moved."""
    fields = columns(event, "position_id", "symbol", "at", "rate", "mark", "amount")
    return [Row(_funding, {"account": account, **fields}, ("funding",)), *moved(account, event.legs, event.account)]


def day_started(account: str, event: DayStarted) -> list[Row]:
    """The day and the base of its loss limit; and what is told of the day before."""
    day = {"b_name": account, "day": event.day, "day_start_equity": event.equity}
    return [Row(_day, day, ("account",)), *digests(account, event)]


def halts_changed(account: str, event: HaltChanged) -> list[Row]:
    """The halts in force and the base of the day's loss, unless a later change is stored already; and a notice."""
    change = {"b_count": event.count, "halts": dict(event.halts), "halt_count": event.count, "base": event.base}
    rows = [Row(_halts, {"b_name": account, **change}, ("account",))]
    told = halt_notice(event)
    if told is not None:
        kind, fields, critical = told
        rows.append(notice(account, event.key, kind, fields, critical=critical))
    return rows


def moved(account: str, legs: Iterable[Leg], after: AccountState) -> list[Row]:
    """Return the ledger rows of a movement and the account after it."""
    return [
        *(Row(_leg, _columns(account, leg), ("ledger",)) for leg in legs),
        Row(_state, {"b_name": account, "cash": after.cash, "reserved": after.reserved}, ("account",)),
    ]


def _columns(account: str, leg: Leg) -> dict[str, object]:
    fields = columns(leg, "movement_id", "kind", "amount", "position_id")
    return {"account": account, "book": leg.account, "at": leg.time, **fields}
