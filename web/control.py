"""Control: halt, resume, flatten, close one. Each is confirmed, asked of the daemon as a row, and kept with who asked.

The daemon does it and answers in the row (`db.asking`); the panel itself changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic, sleep
from typing import Annotated, Literal, TypedDict

from flask import Blueprint, redirect, request, url_for
from pydantic import Field
from sqlalchemy import Connection, Engine
from werkzeug.wrappers import Response

from db.asking import PATIENCE, ask
from db.repositories import commands
from db.verdict import runs
from web import queries
from web.limits import COMMANDS, Limits
from web.pages import Arguments, Page, Shown
from web.position import live_position
from web.problems import Refused
from web.values import iso, rounded
from web.verdict import Verdict, look

SHOWN = 20
"""Commands shown, the newest."""
LONGEST_REASON = 200

Kind = Literal["halt", "resume", "flatten", "close"]
KINDS: tuple[Kind, ...] = ("halt", "resume", "flatten", "close")


class ControlArguments(Arguments):
    """`kind` (and `position` for close) is what is to be confirmed, `done` the command whose answer is shown."""

    kind: Kind | None = None
    position: Annotated[str, Field(max_length=200, pattern=r"^[\x20-\x7e]*$")] | None = None
    done: Annotated[int, Field(ge=1, le=2**62)] | None = None


class Halted(TypedDict):
    """Why entries are halted; only a person's halt and the daily loss's are lifted by resume."""

    source: str
    reason: str


class Closable(TypedDict):
    """An open position, with its profit so far, USD and R."""

    id: str
    symbol: str
    side: str
    timeframe: str
    setup: str
    net: str | None
    r: str | None


class Told(TypedDict):
    """One command and what became of it: who asked, when, the answer; `status` pending, taken, done or failed."""

    id: int
    kind: str
    position: str | None
    reason: str | None
    by: str
    at: str | None
    status: str
    result: str | None
    done_at: str | None


class Asked(TypedDict):
    """What is to be confirmed; `closed` is the id of a position that has been closed before it could be asked for."""

    kind: str
    position: Closable | None
    closed: str | None


class Control(TypedDict):
    """The control page."""

    at: str | None
    name: str | None
    system: Verdict
    runs: bool
    halts: list[Halted]
    positions: list[Closable]
    asked: Asked | None
    done: Told | None
    commands: list[Told]


def control(connection: Connection, shown: Shown, asked: ControlArguments) -> Control:
    """Return what can be asked for and what was. Raises Refused, 404, for a position or a command that never was."""
    name = shown.account
    seen = look(connection, name, shown.now)
    positions = [] if name is None else _closable(connection, name)
    return {
        "at": iso(shown.now),
        "name": name,
        "system": seen.system,
        "runs": runs(seen.daemon, shown.now),
        "halts": []
        if seen.account is None
        else [{"source": source, "reason": reason} for source, reason in sorted(seen.account.halts.items())],
        "positions": positions,
        "asked": _asked(connection, name, asked, positions),
        "done": _done(connection, name, asked.done),
        "commands": [] if name is None else [_told(one) for one in commands.recent(connection, name, SHOWN)],
    }


def _closable(connection: Connection, name: str) -> list[Closable]:
    found = [live_position(row) for row in queries.open_positions(connection, name)]
    return [
        {
            "id": one.row.id,
            "symbol": one.row.symbol,
            "side": one.row.side,
            "timeframe": one.row.timeframe,
            "setup": one.row.setup,
            "net": rounded(one.net, 2),
            "r": rounded(one.r, 2),
        }
        for one in found
    ]


def _asked(
    connection: Connection, name: str | None, asked: ControlArguments, positions: list[Closable]
) -> Asked | None:
    if asked.kind is None:
        return None
    position = _position(connection, name, asked.position, positions) if asked.kind == "close" else None
    return {
        "kind": asked.kind,
        "position": position,
        "closed": asked.position if asked.kind == "close" and position is None else None,
    }


def _position(
    connection: Connection, name: str | None, wanted: str | None, positions: list[Closable]
) -> Closable | None:
    """Return the open position, or None for one that has been closed. Raises Refused for one that never was."""
    for one in positions:
        if one["id"] == wanted:
            return one
    if name is not None and wanted is not None and queries.was_position(connection, name, wanted):
        return None
    raise Refused(404, f"There is no position {wanted!r}.", "The page Trades lists every one.")


def _done(connection: Connection, name: str | None, wanted: int | None) -> Told | None:
    if wanted is None:
        return None
    found = None if name is None else commands.get(connection, wanted, name)
    if found is None:
        raise Refused(404, f"There is no command {wanted}.", "See Control.")
    return _told(found)


def _told(command: commands.Command) -> Told:
    return {
        "id": command.id,
        "kind": command.kind,
        "position": command.args.get("position"),
        "reason": command.args.get("reason"),
        "by": command.by,
        "at": iso(command.created_at),
        "status": command.status,
        "result": command.result,
        "done_at": iso(command.done_at),
    }


def blueprint(engine: Engine, account: str | None, clock: Callable[[], datetime], limits: Limits) -> Blueprint:
    """Return the route that takes a confirmed command: POST `/control/ask`."""
    routes = Blueprint("control", __name__)

    @limits.limit(COMMANDS)
    def take() -> Response:
        kind, position = request.form.get("kind", ""), request.form.get("position") or None
        if kind not in KINDS:
            raise Refused(400, f"{kind!r} is no command.", f"There are: {', '.join(KINDS)}.")
        reason = " ".join(request.form.get("reason", "").split())[:LONGEST_REASON] or "asked on the panel"
        with engine.connect() as connection:
            name = account or queries.account_shown(connection)
            daemon = queries.daemon(connection, name) if name else None
            if name is None or not runs(daemon, clock()):
                raise Refused(409, "No daemon runs that could do it, so nothing was asked.", "See System.")
            args = {"reason": reason}
            if kind == "close":
                found = _position(connection, name, position, _closable(connection, name))
                if found is None:  # The page says so; nothing is asked.
                    return redirect(url_for("pages.control", kind=kind, position=position))
                args["position"] = found["id"]
        by = f"panel, {request.remote_addr}"
        answered = ask(engine, name, kind, args, by, monotonic=monotonic, sleep=sleep)
        if answered is None:
            raise Refused(503, f"No daemon answered within {PATIENCE:.0f} s; it will not be done later.", "See System.")
        return redirect(url_for("pages.control", done=answered.id))

    routes.add_url_rule("/control/ask", "ask", take, methods=["POST"])
    return routes


PAGE = Page(
    name="control",
    title="Control",
    path="/control",
    section=control,
    answer=Control,
    arguments=ControlArguments,
    of_session=True,
)
