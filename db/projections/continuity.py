"""Full timeframe continuity as it is, and the notice of a side that has held."""

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from actors.messages import ContinuityFlipped, ContinuityHeld
from db.models import FullContinuityRow
from db.notices import full_continuity_notice
from db.projections.operation import notice
from db.projections.row import Row, columns, here, keys

_turn = insert(FullContinuityRow)
_turn = _turn.on_conflict_do_update(
    index_elements=["account", "symbol"],
    set_={name: _turn.excluded[name] for name in ("side", "last", "since", "turns")},
    where=FullContinuityRow.turns < _turn.excluded.turns,
)
_told = update(FullContinuityRow).where(here(FullContinuityRow.account), here(FullContinuityRow.symbol))
_told_of = {
    "long": _told.values(told="long", told_long_at=bindparam("at")),
    "short": _told.values(told="short", told_short_at=bindparam("at")),
}


def flipped(account: str, event: ContinuityFlipped) -> list[Row]:
    """The side now. The one the market was found on counts as told."""
    found = event.after if event.first else None
    row = {
        "account": account,
        **columns(event, "symbol"),
        "side": event.after,
        "last": event.after or event.before,
        "since": event.at,
        "turns": event.count,
        "told": found,
        "told_long_at": event.at if found == "long" else None,
        "told_short_at": event.at if found == "short" else None,
    }
    return [Row(_turn, row, (_full(event.symbol),))]


def held(account: str, event: ContinuityHeld) -> list[Row]:
    """The owner is told of the side, once."""
    row = {**keys(account, symbol=event.symbol), "at": event.at}
    return [
        Row(_told_of[event.side], row, (_full(event.symbol),)),
        notice(account, event.key, "full_continuity", full_continuity_notice(event)),
    ]


def _full(symbol: str) -> str:
    return f"full continuity {symbol}"
