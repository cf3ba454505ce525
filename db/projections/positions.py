"""Positions, and the notices of entry and exit."""

import msgspec
from sqlalchemy import and_, update
from sqlalchemy.dialects.postgresql import Insert, insert

from actors.messages import PositionChanged, PositionClosed, PositionDoubted, PositionOpened
from atlas.money.book import Position
from db.models import PositionRow
from db.notices import entry_notice, exit_notice, moment, r_of
from db.projections.operation import notice
from db.projections.row import Row, columns, here, keys, replaced
from db.projections.signals import became

_COLUMNS = (
    "id", "symbol", "timeframe", "setup", "family", "side", "contracts", "entry_contracts", "contract_size",
    "entry_price", "entry_time", "stop", "first_stop", "target", "leverage", "tier", "margin", "liquidation", "worst",
    "best", "fees", "funding", "slippage", "gross", "net", "risk_at_entry", "exit_price", "exit_time", "exit_reason",
    "filled_while_down", "ambiguous", "rest", "after_hole",
)  # fmt: skip

_insert = insert(PositionRow)
_opened = _insert.on_conflict_do_nothing()
_changed = _insert.on_conflict_do_update(
    index_elements=["account", "id"],
    set_=replaced(_insert, "contradicted"),
    # Closed is final, and an older change never undoes a newer one.
    where=and_(PositionRow.status == "open", PositionRow.change < _insert.excluded.change),
)
_closed = _insert.on_conflict_do_update(
    index_elements=["account", "id"],
    set_=replaced(_insert, "change", "contradicted"),
    where=PositionRow.status == "open",
)
_doubted = update(PositionRow).where(here(PositionRow.account), here(PositionRow.id)).values(contradicted=True)


def opened(account: str, event: PositionOpened) -> list[Row]:
    """A position is what its trigger became, and one notice."""
    position = event.position
    return [
        _row(_opened, account, position),
        became(account, position.id, "trade"),
        notice(account, f"entry:{position.id}", "entry", entry_notice(position), trigger_of=position.id),
    ]


def changed(account: str, event: PositionChanged) -> list[Row]:
    """The position as it is now."""
    return [_row(_changed, account, event.position, event.change)]


def closed(account: str, event: PositionClosed) -> list[Row]:
    """The position as it ended, and one notice."""
    position = event.position
    exit_ = notice(account, f"exit:{position.id}", "exit", exit_notice(position), trigger_of=position.id)
    return [_row(_closed, account, position), exit_]


def doubted(account: str, event: PositionDoubted) -> list[Row]:
    """The position is flagged, and the owner is told."""
    fields = {"at": moment(event.at), "text": event.text}
    return [
        Row(_doubted, keys(account, id=event.position_id), (f"position {event.position_id}",)),
        notice(account, event.key, "contradicted", fields, critical=True),
    ]


def _row(statement: Insert, account: str, position: Position, change: int = 0) -> Row:
    row = {
        "account": account,
        **columns(position, *_COLUMNS),
        "r": r_of(position),
        "signal_product": position.signal.symbol if position.signal is not None else None,
        "signal_ratio": position.signal.ratio if position.signal is not None else None,
        "status": "open" if position.is_open else "closed",
        "change": change,
        "payload": encode_position(position),
    }
    return Row(statement, row, (f"position {position.id}",))


def encode_position(position: Position) -> str:
    """Return the whole position as JSON: Decimals as strings, as in the events."""
    return _encoder.encode(position).decode()


_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
