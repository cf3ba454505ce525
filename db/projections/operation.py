"""The outbox and the answers to commands."""

from typing import Any

from sqlalchemy import Text, bindparam, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert

from actors.messages import Alert, CommandDone, Rejected
from atlas.risk import MODE_SIGNALS
from db.models import CommandRow, OutboxRow, TriggerRow
from db.notices import alert_notice, moment
from db.projections import signals
from db.projections.row import Row, here, keys
from db.projections.signals import trigger

# A notice of a trade also names the level that was broken, which is in the trigger's row and not in the position.
_broken = (
    select(cast(TriggerRow.trigger, Text))
    .where(TriggerRow.account == bindparam("account"), TriggerRow.id == bindparam("b_trigger_of"))
    .scalar_subquery()
)
_fields = cast(bindparam("fields", type_=JSONB), JSONB)
_values = {
    "account": bindparam("account"),
    "key": bindparam("key"),
    "kind": bindparam("kind"),
    "critical": bindparam("critical"),
    "created_at": func.now(),
    "next_try_at": func.now(),
}
_plain = insert(OutboxRow).values(**_values, payload=cast(_fields, JSON)).on_conflict_do_nothing()
_of_trade = (
    insert(OutboxRow)
    .values(**_values, payload=cast(_fields.concat(func.jsonb_build_object("trigger", _broken)), JSON))
    .on_conflict_do_nothing()
)
_done = (
    update(CommandRow)
    .where(
        here(CommandRow.account), here(CommandRow.id), or_(CommandRow.status == "pending", CommandRow.status == "taken")
    )
    .values(status=bindparam("status"), result=bindparam("result"), done_at=bindparam("done_at"))
)

NOTICES = (_plain, _of_trade)
"""The statements that give the alerter something to do."""


def alert(account: str, event: Alert) -> list[Row]:
    """An alert is one notice."""
    return [notice(account, event.key, event.kind, alert_notice(event), critical=event.critical)]


def rejected(account: str, event: Rejected) -> list[Row]:
    """A rejection; in mode signals the trigger is a notice, there being no entry to tell of."""
    rows = signals.rejected(account, event)
    if event.value == MODE_SIGNALS:
        text = f"{event.symbol} {event.timeframe} {event.name} {event.side}: triggered"
        fields = {"at": moment(event.at), "text": text}
        rows.append(notice(account, f"signal:{event.setup_id}", "signal", fields, trigger_of=event.setup_id))
    return rows


def command_done(account: str, event: CommandDone) -> list[Row]:
    """The answer goes into the row the command came from."""
    answer = {"status": "failed" if event.failed else "done", "result": event.result, "done_at": event.at}
    return [Row(_done, {**keys(account, id=event.command_id), **answer}, (f"command {event.command_id}",))]


def notice(
    account: str, key: str, kind: str, fields: dict[str, Any], *, critical: bool = False, trigger_of: str | None = None
) -> Row:
    """Return the outbox row of one thing; its times are the database's, the outbox being about wall time."""
    row = {"account": account, "key": key, "kind": kind, "critical": critical, "fields": fields}
    if trigger_of is None:
        return Row(_plain, row, ("outbox",))
    return Row(_of_trade, {**row, "b_trigger_of": trigger_of}, ("outbox", trigger(trigger_of)))
