"""The overview: what ATLAS holds, risks and did today. Definitions: trading.md "Account" and "Metrics"."""

from decimal import Decimal
from typing import Any, TypedDict

from sqlalchemy import Connection, Row

from web import queries
from web.market import Waiting, waiting_setup
from web.pages import Arguments, Page, Shown
from web.position import LivePosition, PositionShown, live_position, shown_position
from web.values import iso, rounded, text
from web.verdict import DaemonShown, Verdict, look

TRADES = 12
SETUPS = 8


class Halt(TypedDict):
    """Why entries are halted."""

    source: str
    reason: str


class Account(TypedDict):
    """The account, USD. `open_risk` is what the open positions lose from their entries on if all stops are hit,
    `margin_use` the share of equity that is reserved; null where a price or a deposit is missing.
    """

    starting_equity: str | None
    equity: str | None
    cash: str | None
    unrealised: str | None
    reserved: str | None
    available: str | None
    today: str | None
    today_share: str | None
    day: str | None
    open_risk: str
    open_risk_share: str | None
    margin_use: str | None
    unpriced: list[str]
    halts: list[Halt]
    updated_at: str | None


class Trade(TypedDict):
    """One closed trade; `duration` is seconds, `net_share` of the notional at entry, `today`: closed in this day."""

    id: str
    symbol: str
    side: str
    timeframe: str
    setup: str
    entry_price: str | None
    exit_price: str | None
    entry_time: str | None
    exit_time: str | None
    duration: int
    exit_reason: str | None
    net: str | None
    net_share: str | None
    r: str | None
    today: bool | None


class Day(TypedDict):
    """What was closed this trading day; `since` is when it began."""

    since: str | None
    trades: int
    won: int
    net: str | None


class Overview(TypedDict):
    """The overview; times are ISO 8601 UTC."""

    at: str | None
    name: str | None
    account: Account | None
    system: Verdict
    daemon: DaemonShown | None
    positions: list[PositionShown]
    closed_today: Day | None
    trades: list[Trade]
    setups: list[Waiting]
    setups_waiting: int


def overview(connection: Connection, shown: Shown, _: Arguments) -> Overview:
    """Return the whole overview."""
    seen = look(connection, shown.account, shown.now)
    name, row = shown.account, seen.account
    if name is None or row is None:
        return {
            "at": iso(shown.now), "name": name, "account": None, "system": seen.system, "daemon": None, "positions": [],
            "closed_today": None, "trades": [], "setups": [], "setups_waiting": 0,
        }  # fmt: skip
    positions = [live_position(position) for position in queries.open_positions(connection, name)]
    market_time = seen.daemon.market_time if seen.daemon else None
    setups, waiting = queries.waiting_setups(connection, name, market_time, SETUPS)
    since = queries.day_start(connection, name)
    closed = None if since is None else queries.closed_since(connection, name, since)
    return {
        "at": iso(shown.now),
        "name": name,
        "account": _account(row, positions),
        "system": seen.system,
        "daemon": seen.daemon_shown,
        "positions": [shown_position(position) for position in positions],
        "closed_today": None
        if closed is None
        else {"since": iso(since), "trades": closed.trades, "won": closed.won, "net": rounded(closed.net, 2)},
        "trades": [
            _trade(trade, None if since is None else trade.exit_time >= since)
            for trade in queries.closed_positions(connection, name, TRADES)
        ],
        "setups": [waiting_setup(setup) for setup in setups],
        "setups_waiting": waiting,
    }


def _account(row: Row[Any], positions: list[LivePosition]) -> Account:
    marks = [position.unrealised for position in positions]
    unpriced = sorted({position.row.symbol for position in positions if position.unrealised is None})
    unrealised = None if unpriced else sum((mark for mark in marks if mark is not None), Decimal(0))
    equity = None if unrealised is None or row.cash is None else row.cash + unrealised
    today = None if equity is None or row.day_start_equity is None else equity - row.day_start_equity
    share = None if today is None or not row.day_start_equity else today / row.day_start_equity
    open_risk = sum((position.at_risk for position in positions), Decimal(0))
    return {
        "starting_equity": text(row.starting_equity),
        "equity": rounded(equity, 2),
        "cash": rounded(row.cash, 2),
        "unrealised": rounded(unrealised, 2),
        "reserved": rounded(row.reserved, 2),
        "available": None if equity is None else rounded(equity - row.reserved, 2),
        "today": rounded(today, 2),
        "today_share": rounded(share, 6),
        "day": row.day,
        "open_risk": f"{open_risk:z.2f}",
        "open_risk_share": rounded(open_risk / equity, 6) if equity else None,
        "margin_use": rounded(row.reserved / equity, 6) if equity else None,
        "unpriced": unpriced,
        "halts": [{"source": source, "reason": reason} for source, reason in sorted(row.halts.items())],
        "updated_at": iso(row.updated_at),
    }


def _trade(row: Row[Any], today: bool | None) -> Trade:
    notional = row.entry_price * row.entry_contracts * row.contract_size
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "setup": row.setup,
        "entry_price": text(row.entry_price),
        "exit_price": text(row.exit_price),
        "entry_time": iso(row.entry_time),
        "exit_time": iso(row.exit_time),
        "duration": int((row.exit_time - row.entry_time).total_seconds()),
        "exit_reason": row.exit_reason,
        "net": rounded(row.net, 2),
        "net_share": rounded(row.net / notional, 6) if notional else None,
        "r": rounded(row.r, 2),
        "today": today,
    }


PAGE = Page(name="overview", title="Overview", path="/", section=overview, answer=Overview)
