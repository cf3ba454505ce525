"""Signals: the funnel from setup to trade, and every trigger with what it became: why not?"""

from typing import Any, TypedDict

from sqlalchemy import Connection, Row

from atlas.market.timeframes import TIMEFRAMES
from atlas.risk import GATES
from db.funnel import funnel
from web import signals_queries as queries
from web.kept import Kept
from web.pages import Page, Shown
from web.signals_queries import OUTCOMES, Asked
from web.values import iso, rounded

ROWS = 50
"""Triggers of one page."""


class Signal(TypedDict):
    """One trigger. `outcome` is trade, rejected, or null while it is on its way; the rest of what it became follows.

    `continuity` is the score at the trigger; `net` and `r` are those of its trade, so far while it is open.
    """

    id: str
    at: str | None
    symbol: str
    timeframe: str
    side: str
    name: str
    setup: str
    family: str
    price: str
    trigger: str
    continuity: str | None
    outcome: str | None
    gate: str | None
    value: str | None
    threshold: str | None
    status: str | None
    exit_reason: str | None
    net: str | None
    r: str | None


class Step(TypedDict):
    """The funnel of one timeframe and family: triggers = trades + the sum of `rejections`, by gate."""

    timeframe: str
    family: str
    triggers: int
    trades: int
    rejections: dict[str, int]
    invalidated: int


class Totals(TypedDict):
    """Of all triggers the filters let through: triggers = trades + rejected + undecided (at most one, for a moment)."""

    triggers: int
    trades: int
    rejected: int
    undecided: int


class Signals(TypedDict):
    """The signals page. `setups`, `gates` and `funnel` are of the days asked for, whatever else is filtered.

    `next` is the `after` of the next page, null on the last one.
    """

    at: str
    account: str | None
    asked: dict[str, str]
    choices: dict[str, list[str]]
    setups: dict[str, int]
    gates: dict[str, int]
    funnel: list[Step]
    totals: Totals
    signals: list[Signal]
    next: str | None


def signals(connection: Connection, shown: Shown, asked: Asked) -> Signals:
    """Return the funnel, and one page of the account's triggers. All of it is from events: it stays until the next."""
    if shown.account is None:
        return _signals(connection, shown, asked)
    newest = queries.newest_event(connection, shown.account)
    of = connection.engine.url, shown.account, asked, *newest
    return {**_kept.get(of, lambda: _signals(connection, shown, asked)), "at": iso(shown.now) or ""}


def _signals(connection: Connection, shown: Shown, asked: Asked) -> Signals:
    found: Signals = {
        "at": iso(shown.now) or "",
        "account": shown.account,
        "asked": {name: str(value) for name, value in asked.model_dump().items()},
        "choices": {"symbol": [], "timeframe": [], "family": [], "outcome": list(OUTCOMES)},
        "setups": {},
        "gates": {},
        "funnel": [],
        "totals": {"triggers": 0, "trades": 0, "rejected": 0, "undecided": 0},
        "signals": [],
        "next": None,
    }
    if shown.account is None:
        return found
    totals = queries.totals(connection, shown.account, asked)
    rows = queries.one_page(connection, shown.account, asked, ROWS + 1)
    choices = queries.choices(connection, shown.account)
    choices["timeframe"].sort(key=TIMEFRAMES.index)
    steps = funnel(connection, shown.account, asked.period)
    found["choices"] |= choices
    found["setups"] = queries.setups(connection, shown.account, asked.period)
    found["funnel"] = [
        {
            "timeframe": step.timeframe,
            "family": step.family,
            "triggers": step.triggers,
            "trades": step.trades,
            "rejections": step.rejections,
            "invalidated": step.invalidated,
        }
        for step in steps
    ]
    counts = {gate: sum(step.rejections.get(gate, 0) for step in steps) for gate in GATES}
    found["gates"] = {gate: count for gate, count in counts.items() if count}
    found["totals"] = {
        "triggers": totals.triggers,
        "trades": totals.trades,
        "rejected": totals.rejected,
        "undecided": totals.undecided,
    }
    found["signals"] = [_signal(row) for row in rows[:ROWS]]
    found["next"] = rows[ROWS - 1].id if len(rows) > ROWS else None
    return found


def _signal(row: Row[Any]) -> Signal:
    return {
        "id": row.id,
        "at": iso(row.at),
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "side": row.side,
        "name": row.name,
        "setup": row.setup,
        "family": row.family,
        "price": f"{row.price:f}",
        "trigger": f"{row.trigger:f}",
        "continuity": _score(row.at_trigger),
        "outcome": row.outcome,
        "gate": row.gate,
        "value": row.value,
        "threshold": row.threshold,
        "status": row.status,
        "exit_reason": row.exit_reason,
        "net": rounded(row.net, 2),
        "r": rounded(row.r, 2),
    }


_kept = Kept[Signals]()


def _score(reading: dict[str, Any] | None) -> str | None:
    return None if reading is None else f"{len(reading['agree'])}/{len(reading['frames'])}"


PAGE = Page(
    name="signals",
    title="Signals",
    path="/signals",
    section=signals,
    answer=Signals,
    arguments=Asked,
    styles=("trades.css", "signals.css"),
)
