"""Trades: every closed trade, filtered, sorted, page by page, and as CSV."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from sqlalchemy import Connection, Row

from atlas.market.timeframes import TIMEFRAMES
from web import trades_queries as queries
from web.pages import Page, Shown
from web.trades_queries import Asked
from web.values import iso, rounded, text

ROWS = 50
"""Trades of one page."""

CSV_COLUMNS = (
    "id", "symbol", "side", "timeframe", "setup", "family", "contracts", "contract_size", "leverage", "tier",
    "entry_time", "entry_price", "first_stop", "stop", "target", "exit_time", "exit_price", "exit_reason", "gross",
    "fees", "funding", "slippage", "net", "risk_at_entry", "r", "worst", "best", "filled_while_down", "ambiguous",
    "contradicted", "rest", "after_hole",
)  # fmt: skip
"""Columns of the file; each is that of the table `positions`, `contracts` being those entered with."""

_FROM = {"contracts": "entry_contracts"}

class Trade(TypedDict):
    """One closed trade. `net_share` is of its notional at entry, `duration` seconds."""

    id: str
    symbol: str
    side: str
    timeframe: str
    setup: str
    family: str
    contracts: str
    entry_time: str | None
    entry_price: str
    exit_time: str | None
    exit_price: str | None
    exit_reason: str | None
    duration: int
    net: str | None
    net_share: str | None
    r: str | None
    marks: list[str]


class Totals(TypedDict):
    """Of all trades the filters let through."""

    trades: int
    won: int
    net: str | None
    mean_r: str | None


class Trades(TypedDict):
    """The trades page. `asked` are the arguments, `next` is the `after` of the next page, null on the last one."""

    at: str
    account: str | None
    asked: dict[str, str]
    choices: dict[str, list[str]]
    totals: Totals
    trades: list[Trade]
    next: str | None


def trades(connection: Connection, shown: Shown, asked: Asked) -> Trades:
    """Return one page of the account's closed trades."""
    given = {name: str(value) for name, value in asked.model_dump().items()}
    found: Trades = {
        "at": iso(shown.now) or "",
        "account": shown.account,
        "asked": given,
        "choices": {"symbol": [], "timeframe": [], "family": [], "exit_reason": []},
        "totals": {"trades": 0, "won": 0, "net": None, "mean_r": None},
        "trades": [],
        "next": None,
    }
    if shown.account is None:
        return found
    rows = queries.one_page(connection, shown.account, asked, ROWS + 1)
    totals = queries.totals(connection, shown.account, asked)
    found["choices"] = queries.choices(connection, shown.account)
    found["choices"]["timeframe"].sort(key=TIMEFRAMES.index)
    found["totals"] = {
        "trades": totals.trades,
        "won": totals.won,
        "net": rounded(Decimal(totals.net), 2),
        "mean_r": rounded(totals.mean_r, 2),
    }
    found["trades"] = [trade(row) for row in rows[:ROWS]]
    found["next"] = rows[ROWS - 1].id if len(rows) > ROWS else None
    return found


def trade(row: Row[Any]) -> Trade:
    """Return one closed trade as JSON values."""
    notional = row.entry_price * row.entry_contracts * row.contract_size
    marks = ("filled_while_down", "ambiguous", "contradicted", "rest", "after_hole")
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "setup": row.setup,
        "family": row.family,
        "contracts": f"{row.entry_contracts:f}",
        "entry_time": iso(row.entry_time),
        "entry_price": f"{row.entry_price:f}",
        "exit_time": iso(row.exit_time),
        "exit_price": text(row.exit_price),
        "exit_reason": row.exit_reason,
        "duration": int((row.exit_time - row.entry_time).total_seconds()),
        "net": rounded(row.net, 2),
        "net_share": rounded(row.net / notional, 6) if notional else None,
        "r": rounded(row.r, 2),
        "marks": [mark.replace("_", " ") for mark in marks if getattr(row, mark)],
    }


def table(connection: Connection, shown: Shown, asked: Asked) -> Iterator[tuple[str | None, ...]]:
    """Yield the head and every trade the filters let through: exact Decimals, times ISO 8601 UTC to the microsecond."""
    yield CSV_COLUMNS
    if shown.account is not None:
        for row in queries.every_one(connection, shown.account, asked):
            yield tuple(_cell(getattr(row, _FROM.get(name, name))) for name in CSV_COLUMNS)


def _cell(value: Any) -> str | None:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return None if value is None else str(value)


PAGE = Page(
    name="trades",
    title="Trades",
    path="/trades",
    section=trades,
    answer=Trades,
    arguments=Asked,
    styles=("trades.css",),
    table=table,
)
