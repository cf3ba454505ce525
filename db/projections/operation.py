"""The outbox and the answers to commands."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Text, bindparam, cast, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert

from actors.messages import Alert, CommandBegun, CommandDone, DayStarted, NightAudited, Rejected
from atlas.risk import MODE_SIGNALS
from db.models import CommandRow, EventRow, NightAuditRow, OutboxRow, TriggerRow
from db.notices import alert_notice, moment
from db.projections import signals
from db.projections.row import Row, columns, here, keys
from db.projections.signals import trigger

# A notice of a trade also names the level that was broken and the labels, which are in the trigger's row and not in the
# position.
_of_trigger = (TriggerRow.account == bindparam("account"), TriggerRow.id == bindparam("b_trigger_of"))
_broken = select(cast(TriggerRow.trigger, Text)).where(*_of_trigger).scalar_subquery()
_names = select(TriggerRow.context["names"]).where(*_of_trigger).scalar_subquery()
_told_besides = func.jsonb_build_object("trigger", _broken, "labels", _names)
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
    .values(**_values, payload=cast(_fields.concat(_told_besides), JSON))
    .on_conflict_do_nothing()
)
# The account's first day ends nothing. Ids of days sort as the days do.
_days = (EventRow.account == bindparam("account"), EventRow.kind == DayStarted.__name__)
_after_a_day = select(EventRow.seq).where(*_days, EventRow.id < bindparam("b_before")).exists()
_past_day = select(
    cast(bindparam("account"), Text),
    cast(bindparam("key"), Text),
    cast(bindparam("kind"), Text),
    false(),
    func.now(),
    func.now(),
    cast(_fields, JSON),
).where(_after_a_day)
_of_past_day = insert(OutboxRow).from_select([*_values, "payload"], _past_day).on_conflict_do_nothing()
_unanswered = update(CommandRow).where(
    here(CommandRow.account), here(CommandRow.id), or_(CommandRow.status == "pending", CommandRow.status == "taken")
)
_begun = _unanswered.values(result=bindparam("result"))
# When a person was answered is wall time, as when they asked; the market's time is in the event.
_done = _unanswered.values(status=bindparam("status"), result=bindparam("result"), done_at=func.now())
_audit = insert(NightAuditRow).on_conflict_do_nothing()

NOTICES = (_plain, _of_trade, _of_past_day)
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


def command_begun(account: str, event: CommandBegun) -> list[Row]:
    """What a command that takes its time is doing, in the row it came from."""
    row = {**keys(account, id=event.command_id), "result": event.result}
    return [Row(_begun, row, (f"command {event.command_id}",))]


def command_done(account: str, event: CommandDone) -> list[Row]:
    """The answer goes into the row the command came from."""
    answer = {"status": "failed" if event.failed else "done", "result": event.result}
    return [Row(_done, {**keys(account, id=event.command_id), **answer}, (f"command {event.command_id}",))]


def night_audited(account: str, event: NightAudited) -> list[Row]:
    """What a night's audit found; a difference is a notice, and a critical one: the program is not what it was."""
    row = {"account": account, **columns(event, *NightAuditRow.__table__.columns.keys()[1:])}
    rows = [Row(_audit, row, ("night audits",))]
    if event.differences:
        text = (
            f"{event.day:%Y-%m-%d} replayed from its recording differs from what was decided in {event.differences} of "
            f"{event.events} events; the first: {event.first}"
        )
        rows.append(notice(account, event.key, "night_audit", {"at": moment(event.at), "text": text}, critical=True))
    return rows


def digests(account: str, event: DayStarted) -> list[Row]:
    """The day before is over, and with the first day of a week the week before: each is one notice (db/digest.py)."""
    day = date.fromisoformat(event.day)
    monday = day - timedelta(days=day.weekday())
    fields = {"at": moment(event.at), "day": event.day}
    told = (("daily_digest", f"digest:until:{day}", day), ("weekly_digest", f"digest:week-until:{monday}", monday))
    return [
        Row(
            _of_past_day,
            {"account": account, "key": key, "kind": kind, "fields": fields, "b_before": f"day:{began}"},
            ("outbox",),
        )
        for kind, key, began in told
    ]


def notice(
    account: str, key: str, kind: str, fields: dict[str, Any], *, critical: bool = False, trigger_of: str | None = None
) -> Row:
    """Return the outbox row of one thing; its times are the database's, the outbox being about wall time."""
    row = {"account": account, "key": key, "kind": kind, "critical": critical, "fields": fields}
    if trigger_of is None:
        return Row(_plain, row, ("outbox",))
    return Row(_of_trade, {**row, "b_trigger_of": trigger_of}, ("outbox", trigger(trigger_of)))
