"""A disturbed run against the undisturbed one of the same market: what differs, and which mark says why.

Every position is as large as the exchange takes and none is in another's way (tests/soak/whole.py), so that what one
trigger becomes depends on no other. So each trigger is compared by itself, with its position, fills, funding, ledger
and alerts. Only in the time ATLAS was away may something differ: a trigger of then is `missed`, an exit of then is
`filled_while_down`, and a setup that came and went within it was never seen. A position of which some trades were not
seen, or told again without quotes, leaves `after_hole`. Anything else is a fault.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine, select

from actors.messages import HaltChanged, Rejected, decode
from actors.scanner_full import AGAIN
from db.models import Base, EventRow, FillRow, FundingRow, LedgerRow, OutboxRow, PositionRow, RejectionRow, TriggerRow

_TRIGGER = ("symbol", "timeframe", "family", "setup", "name", "side", "at", "price", "trigger", "stop", "target",
            "verified", "outcome", "rules", "version")  # fmt: skip
"""Of a trigger. Not what is told of its setup (detection, labels, 50 % rule): a start finds the setups of the bar it is
in anew, later than the run before did, and with sixty bars before them."""
_NOT_OF_POSITION = ("payload", "change", "updated_at")
_TOLD_OF_SETUP = ("continuity_at_detection", "labels")
ABOUT_TRADES = ("entry", "exit")
ABOUT_ITSELF = ("start", "stop", "recovered", "feed", "feed_up", "feed_down", "halt", "resume", "database_down",
                "database_up", "history", "stale_price")  # fmt: skip
"""Alerts of what happens to ATLAS, not to the market."""
HELD = AGAIN + timedelta(minutes=2)
"""Full continuity is told once it has held for a minute, and the same side not again for an hour."""

Row = Mapping[str, Any]


class Away(msgspec.Struct, frozen=True):
    """When ATLAS saw nothing, in market time: from the last input that is in the database to the first it took again.

    `gates` are those by which a trigger may be refused then; `unseen`: a setup may have come and gone unseen.
    """

    since: datetime
    until: datetime
    gates: tuple[str, ...] = ("missed",)
    unseen: bool = True


REPAIRED = timedelta(hours=1)
"""Market time from the end of a halt until every product is whole again: some requests, at the speed of the run."""
REFUSED = ("missed", "halted", "data_unverified")
"""The gates that may refuse a trigger while ATLAS is halted."""


class Told(msgspec.Struct, frozen=True):
    """What a run left: rows by trigger (and its position, which has the same id), and alerts by key."""

    triggers: dict[str, Row]
    rejections: dict[str, Row]
    positions: dict[str, Row]
    fills: dict[str, list[Row]]
    funding: dict[str, list[Row]]
    ledger: dict[str, list[Row]]
    alerts: dict[str, Row]


class Compared(msgspec.Struct):
    """How the triggers of the undisturbed run came out, and every difference no mark explains, in words."""

    same: int = 0
    missed: int = 0
    filled_while_down: int = 0
    unseen: int = 0
    after_hole: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    unexplained: list[str] = msgspec.field(default_factory=list)


def told(engine: Engine) -> Told:
    """Read what a run left."""
    with engine.connect() as connection:

        def rows(table: type[Base], *order: str) -> list[Row]:
            columns = table.__table__
            found = connection.execute(select(columns).order_by(*(columns.c[name] for name in order))).mappings()
            return [dict(row) for row in found]

        return Told(
            triggers={row["id"]: row for row in rows(TriggerRow, "id")},
            rejections={row["id"]: row for row in rows(RejectionRow, "id")},
            positions={row["id"]: row for row in rows(PositionRow, "id")},
            fills=_by_position(rows(FillRow, "at", "order_id", "number")),
            funding=_by_position(rows(FundingRow, "position_id", "at")),
            ledger=_by_position(rows(LedgerRow, "movement_id", "book")),
            alerts={row["key"]: row for row in rows(OutboxRow, "key")},
        )


def halted(engine: Engine) -> list[Away]:
    """Return when the run was halted, by its own account: from the halt of a source to its end and the repair."""
    table = EventRow.__table__
    kinds = (HaltChanged.__name__, Rejected.__name__)
    query = select(table.c.payload).where(table.c.kind.in_(kinds)).order_by(table.c.seq)
    with engine.connect() as connection:
        return halts(decode(payload) for payload in connection.execute(query).scalars())


def halts(events: Iterable[Any]) -> list[Away]:
    """Return the halts that events tell of, in the order of their writing.

    What counts is that order: after a halt a trade may still come that is stamped a moment before it, since market time
    is that of the newest trade of any product. So a halt begins with the first trigger that was refused for it.
    """
    begun: dict[str, datetime] = {}
    found = []
    for told in events:
        if isinstance(told, Rejected):
            if told.gate == "halted":
                begun = {source: min(since, told.at) for source, since in begun.items()}
        elif not told.lifted:
            begun.setdefault(told.source, told.at)
        elif (since := begun.pop(told.source, None)) is not None:
            found.append(Away(since, told.at + REPAIRED, REFUSED, unseen=told.source == "feed"))
    return found


def compared(wanted: Told, stored: Told, away: Sequence[Away]) -> Compared:
    """Compare a disturbed run with the undisturbed one."""
    found = Compared()
    for id_ in sorted(wanted.triggers.keys() | stored.triggers.keys()):
        _trigger(id_, wanted, stored, away, found)
    if wanted.ledger.get("") != stored.ledger.get(""):
        found.unexplained.append("the ledger differs in what belongs to no position")
    for id_ in stored.positions.keys() - stored.triggers.keys():
        found.unexplained.append(f"{id_}: a position without a trigger")
    _alerts(wanted, stored, away, found)
    return found


def _trigger(id_: str, wanted: Told, stored: Told, away: Sequence[Away], found: Compared) -> None:
    ours, theirs = stored.triggers.get(id_), wanted.triggers.get(id_)
    gate = _gate(stored, id_)
    if ours is not None and gate is not None and gate != _gate(wanted, id_):
        # Refused here only: by a gate of a time ATLAS was away, and nothing has come of it.
        at = ours["at"] if theirs is None else theirs["at"]
        allowed = any(each.since <= at <= each.until and gate in each.gates for each in away)
        if not allowed or id_ in stored.positions or id_ in stored.ledger:
            found.unexplained.append(f"{id_} at {at}: {gate}, undisturbed {_outcome(wanted, id_)}")
        elif gate == "missed":
            found.missed += 1
        else:
            found.refused[gate] += 1
    elif ours is None and theirs is not None:
        if not _within(theirs["at"], [each for each in away if each.unseen]) or id_ in stored.ledger:
            found.unexplained.append(f"{id_} at {theirs['at']}: never triggered, undisturbed {_outcome(wanted, id_)}")
        else:
            found.unseen += 1
    elif theirs is None and ours is not None:
        found.unexplained.append(f"{id_} at {ours['at']}: {_outcome(stored, id_)}, undisturbed it never triggered")
    elif ours is not None and theirs is not None:
        wrong = [name for name in _TRIGGER if ours[name] != theirs[name]]
        if wrong or gate != _gate(wanted, id_):
            found.unexplained.append(f"{id_}: its trigger differs in {', '.join(wrong) or 'its gate'}")
        elif id_ in wanted.positions:
            _position(id_, wanted, stored, away, found)
        else:
            found.same += 1


def _position(id_: str, wanted: Told, stored: Told, away: Sequence[Away], found: Compared) -> None:
    """Compare one trade, and all that was booked and told of it."""
    ours, theirs = stored.positions[id_], wanted.positions[id_]
    entries = [[row for row in each.fills[id_] if row["purpose"] == "entry"] for each in (stored, wanted)]
    if entries[0] != entries[1]:
        found.unexplained.append(f"{id_}: its entry differs")
        return
    down = [fill for fill in stored.fills[id_] if fill["filled_while_down"]]
    if down:
        if not all(_within(fill["at"], away) for fill in down):
            found.unexplained.append(f"{id_}: filled while down at {down[0]['at']}, and ATLAS was not away then")
        found.filled_while_down += 1
        return
    wrong = [name for name in theirs if name not in _NOT_OF_POSITION and ours[name] != theirs[name]]
    for name in ("fills", "funding", "ledger"):
        if getattr(stored, name).get(id_) != getattr(wanted, name).get(id_):
            wrong.append(name)
    for kind in ABOUT_TRADES:
        key = f"{kind}:{id_}"
        if _notice(stored.alerts.get(key)) != _notice(wanted.alerts.get(key)):
            wrong.append(f"alert {kind}")
    holed = any(fill["after_hole"] for fill in stored.fills[id_])
    if wrong and holed and any(_overlaps(each, ours) for each in away):
        found.after_hole += 1
    elif wrong:
        first = wrong[0]
        values = f": {ours[first]}, undisturbed {theirs[first]}" if first in theirs else ""
        found.unexplained.append(f"{id_}: its trade differs in {', '.join(wrong)}{values}")
    else:
        found.same += 1


def _alerts(wanted: Told, stored: Told, away: Sequence[Away], found: Compared) -> None:
    """Compare the alerts that are about no trade and not about ATLAS itself; those of trades belong to their trade.

    Full continuity is told again only an hour after it was: one told otherwise may shift those of the hour after it.
    """
    differing = []
    for each, other, what in ((wanted, stored, "never told"), (stored, wanted, "told here only")):
        for key in each.alerts.keys() - other.alerts.keys():
            row = each.alerts[key]
            if row["kind"] in ABOUT_TRADES:
                if each is stored and key.partition(":")[2] not in stored.positions:
                    found.unexplained.append(f"alert {key}: told of no trade")
            elif row["kind"] not in ABOUT_ITSELF:
                symbol = row["payload"].get("symbol", "")
                differing.append((datetime.fromisoformat(row["payload"]["at"]), symbol, key, what))
    shifted: dict[str, list[Away]] = {}
    for at, symbol, key, what in sorted(differing):
        if _within(at, [*away, *shifted.get(symbol, ())], HELD):
            shifted.setdefault(symbol, []).append(Away(at, at))
        else:
            found.unexplained.append(f"alert {key} at {at}: {what}")


def _within(at: datetime, away: Iterable[Away], after: timedelta = timedelta(0)) -> bool:
    return any(each.since - timedelta(minutes=1) <= at <= each.until + after for each in away)


def _overlaps(away: Away, position: Row) -> bool:
    """Whether ATLAS was away while the position was open."""
    left = position["exit_time"]
    return away.until >= position["entry_time"] and (left is None or away.since <= left)


def _gate(run: Told, id_: str) -> str | None:
    row = run.rejections.get(id_)
    return None if row is None else str(row["gate"])


def _outcome(run: Told, id_: str) -> str:
    if id_ not in run.triggers:
        return "nothing"
    return _gate(run, id_) or str(run.triggers[id_]["outcome"])


def _notice(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {name: value for name, value in row["payload"].items() if name not in _TOLD_OF_SETUP}


def _by_position(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each position, "" for those of none, without the numbers of their writing."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["position_id"] or "", []).append({name: row[name] for name in row if name != "seq"})
    return found
