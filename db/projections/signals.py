"""Candles, setups, triggers, rejections and full timeframe continuity."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Text, all_, bindparam, literal_column, or_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from actors.messages import BarClosed, EntryTriggered, Invalidated, Rejected, SetupsReplaced
from atlas.strat.context import Context
from atlas.strat.label_names import label_names
from atlas.strat.setup import ContinuityReading, Setup
from db.models import CandleRow, RejectionRow, SetupRow, TriggerRow
from db.projections.row import Row, columns, here, keys, replaced

_candle = insert(CandleRow)
_candle = _candle.on_conflict_do_update(
    index_elements=["symbol", "timeframe", "open_time"],
    # Replaced by the exchange's it is a bar to be confirmed anew; that it was contradicted stays.
    set_=replaced(_candle, "contradicted_at"),
    # What was verified is not replaced by what is not.
    where=or_(_candle.excluded.verified, ~CandleRow.verified),
)

_setup = insert(SetupRow)
_setup = _setup.on_conflict_do_update(
    index_elements=["account", "id"],
    set_=replaced(_setup, "status", "resolved_at"),
    # A final setup never waits again (lesson 32).
    where=SetupRow.status == "waiting",
)
_lapse = (
    update(SetupRow)
    .where(
        here(SetupRow.account),
        here(SetupRow.symbol),
        here(SetupRow.timeframe),
        # As a literal: the planner cannot use the partial index for a parameter.
        SetupRow.status == literal_column("'waiting'"),
        SetupRow.id != all_(bindparam("b_kept", type_=ARRAY(Text))),
    )
    .values(status="lapsed", resolved_at=bindparam("resolved_at"))
)
_resolve = (
    update(SetupRow)
    # Lapsed is no obstacle: the trade that breaks a setup may be handled after the close that ends it was stored.
    .where(here(SetupRow.account), here(SetupRow.id), or_(SetupRow.status == "waiting", SetupRow.status == "lapsed"))
    .values(status=bindparam("status"), resolved_at=bindparam("resolved_at"))
)
_trigger = insert(TriggerRow).on_conflict_do_nothing()
_rejection = insert(RejectionRow).on_conflict_do_nothing()
_outcome = (
    update(TriggerRow)
    .where(here(TriggerRow.account), here(TriggerRow.id), TriggerRow.outcome.is_(None))
    .values(outcome=bindparam("outcome"))
)


def bar_closed(account: str, event: BarClosed) -> list[Row]:
    """A closed bar is one candle, the last revision of it."""
    bar = event.bar
    fields = columns(bar, "timeframe", "open_time", "close_time", "open", "high", "low", "close", "volume")
    marks = columns(event, "verified", "in_break", "first_side", "repaired")
    row = {"symbol": event.symbol, "type": event.type, **marks, **fields}
    return [Row(_candle, row, (f"candles {event.symbol} {bar.timeframe}",))]


def setups_replaced(account: str, event: SetupsReplaced) -> list[Row]:
    """The new setups wait; those of the same symbol and timeframe that waited and are not among them have lapsed."""
    kept = [setup.id for setup in event.setups]
    lapse = {
        **keys(account, symbol=event.symbol, timeframe=event.timeframe, kept=kept),
        "resolved_at": event.closed_at,
    }
    touches = (_setups(event.symbol, event.timeframe),)
    return [
        Row(_lapse, lapse, touches),
        *(Row(_setup, _waiting(account, setup, event), touches) for setup in event.setups),
    ]


def triggered(account: str, event: EntryTriggered) -> list[Row]:
    """A trigger is a row of its own and ends its setup."""
    setup, tick = event.setup, event.tick
    row = {
        "account": account,
        **columns(setup, "id", "symbol", "timeframe", "family", "side", "trigger", "stop", "target"),
        "setup": setup.name,
        "name": event.name,
        "at": tick.time,
        "price": tick.price,
        "detection": _reading(event.detection),
        "at_trigger": _reading(event.at_trigger),
        **columns(event, "verified", "missed", "rules", "version", "fifty"),
        "context": _context(event.context),
        "outcome": None,
    }
    status = "missed" if event.missed else "triggered"
    return [
        Row(_trigger, row, (trigger(setup.id),)),
        _resolved(account, setup.id, status, tick.time, _setups(setup.symbol, setup.timeframe)),
    ]


def rejected(account: str, event: Rejected) -> list[Row]:
    """A rejection names the gate, and is what its trigger became; one that repeats changes nothing of that."""
    if event.repeats:
        return []
    fields = columns(event, "symbol", "timeframe", "family", "name", "side", "at", "gate", "value", "threshold")
    return [
        Row(_rejection, {"account": account, "id": event.setup_id, **fields}, ("rejections",)),
        became(account, event.setup_id, "rejected"),
    ]


def invalidated(account: str, event: Invalidated) -> list[Row]:
    """An invalidated setup is final, and so is the side of a two-sided one that the other has used up."""
    status = "cancelled" if event.reason == "sibling_triggered" else "invalidated"
    return [_resolved(account, event.setup_id, status, event.at, _setups(event.symbol, event.timeframe))]


def became(account: str, setup_id: str, outcome: str) -> Row:
    """Return the row that says what a trigger became, once."""
    return Row(_outcome, {**keys(account, id=setup_id), "outcome": outcome}, (trigger(setup_id),))


def trigger(setup_id: str) -> str:
    """Return the name of a trigger among the things rows touch."""
    return f"trigger {setup_id}"


def _setups(symbol: str, timeframe: str) -> str:
    return f"setups {symbol} {timeframe}"


def _resolved(account: str, setup_id: str, status: str, at: datetime, setups: str) -> Row:
    return Row(_resolve, {**keys(account, id=setup_id), "status": status, "resolved_at": at}, (setups,))


def _waiting(account: str, setup: Setup, event: SetupsReplaced) -> dict[str, Any]:
    reading = event.continuity.get(setup.side)
    return {
        "account": account,
        **msgspec.structs.asdict(setup),
        "verified": event.verified,
        "agree": 0 if reading is None else len(reading.agree),
        "frames": 0 if reading is None else len(reading.frames),
        "continuity": _reading(reading),
        "context": _context(event.contexts.get(setup.side)),
        "status": "waiting",
        "resolved_at": None,
    }


def _context(context: Context | None) -> dict[str, Any] | None:
    """The labels as they are, and the names of those that hold."""
    if context is None:
        return None
    return {"names": list(label_names(context)), **msgspec.to_builtins(context)}


def _reading(reading: ContinuityReading | None) -> dict[str, Any] | None:
    return None if reading is None else msgspec.to_builtins(reading)
