"""Chart: one product on one timeframe, each bar with its Strat number, the levels in force, entries and exits."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import msgspec
from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, Row, Text, and_, exists, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from atlas.market.product import Product
from atlas.market.timeframes import TIMEFRAMES, period
from db.models import CandleRow, FormingRow, PositionRow, ProductRow, QuoteRow, SetupRow
from db.terms import rules
from web import queries
from web.bars import NumberedBar, numbered_bars
from web.pages import Arguments, Page, Shown
from web.problems import Refused
from web.standing import standings
from web.values import iso, text

FIRST_SHOWN = "1h"
MARKS = 200
"""Trades shown in one chart, the newest."""


class Asked(Arguments):
    """Which bars: of `symbol` (the first product), `timeframe` (1h), `bars` at most, none that opened before `since`.

    `since` is for what is to be added to a chart that is there already.
    """

    symbol: Annotated[str, Field(max_length=60, pattern=r"^[\x20-\x7e]*$")] | None = None
    timeframe: Annotated[str, Field(pattern="^(1m|5m|15m|30m|1h|2h|4h|6h|12h|1d|1w|1M)$")] | None = None
    bars: Annotated[int, Field(ge=2, le=1000)] = 300
    since: AwareDatetime | None = None


class ChartBar(TypedDict):
    """One bar. `number` is 1, 2U, 2D, 3 or null; `failed` marks a failed 2 as `strat.failed` has it."""

    opens: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    number: str | None
    failed: bool
    color: str
    verified: bool
    forming: bool


class Levels(TypedDict):
    """One side of a setup in force: its levels, and the ladder of further targets, nearest first."""

    id: str
    name: str
    side: str
    trigger: str
    stop: str
    target: str
    ladder: list[str]
    valid_until: str | None


class Mark(TypedDict):
    """A trade of this product, by a setup of any timeframe; exit fields are null while it is open."""

    id: str
    side: str
    setup: str
    timeframe: str
    entry_bar: str
    entry_price: str
    stop: str
    target: str
    exit_bar: str | None
    exit_price: str | None
    exit_reason: str | None
    net: str | None


class Chart(TypedDict):
    """The chart; times are ISO 8601 UTC, `entry_bar` and `exit_bar` those of the bars' opens."""

    at: str
    account: str | None
    market_time: str | None
    symbol: str | None
    timeframe: str | None
    symbols: list[str]
    timeframes: list[str]
    tick: str | None
    price: str | None
    price_at: str | None
    bars: list[ChartBar]
    setups: list[Levels]
    trades: list[Mark]


def chart(connection: Connection, shown: Shown, asked: Asked) -> Chart:
    """Return the chart. Raises Refused, 404, for a product or a timeframe that has no bars here."""
    shelf = _shelf(connection)
    symbol = _one_of("product", asked.symbol, list(shelf), None)
    timeframes = shelf.get(symbol or "", [])
    timeframe = _one_of("timeframe", asked.timeframe, timeframes, FIRST_SHOWN)
    daemon = None if shown.account is None else queries.daemon(connection, shown.account)
    market_time = None if daemon is None else daemon.market_time
    found: Chart = {
        "at": iso(shown.now) or "",
        "account": shown.account,
        "market_time": iso(market_time),
        "symbol": symbol,
        "timeframe": timeframe,
        "symbols": list(shelf),
        "timeframes": timeframes,
        "tick": None,
        "price": None,
        "price_at": None,
        "bars": [],
        "setups": [],
        "trades": [],
    }
    if symbol is None or timeframe is None:
        return found
    forming = standings(connection, market_time, [symbol]).get(symbol, {}).get(timeframe)
    strat = rules(connection, shown.account or "").strat
    bars = numbered_bars(connection, symbol, timeframe, asked.bars, forming, strat)
    quote = connection.execute(select(QuoteRow.__table__).where(QuoteRow.symbol == symbol)).one_or_none()
    found["bars"] = [_bar(bar) for bar in bars if asked.since is None or bar.bar.open_time >= asked.since]
    found["tick"] = text(_tick(connection, symbol))
    if quote is not None:
        found["price"], found["price_at"] = text(quote.price), iso(quote.at)
    if shown.account is not None:
        found["setups"] = _setups(connection, shown.account, symbol, timeframe, market_time)
        if bars:
            since = bars[0].bar.open_time
            found["trades"] = _trades(connection, shown.account, symbol, timeframe, since)
    return found


def _shelf(connection: Connection) -> dict[str, list[str]]:
    """Return product → timeframes there are bars of: those a daemon has told of, else those of stored candles."""
    pairs = connection.execute(select(FormingRow.symbol, FormingRow.timeframe)).all()
    if not pairs:
        # One look into the primary key for each pair: what is distinct in a column is known after all of it is read.
        all_of_them = func.unnest(literal(list(TIMEFRAMES), ARRAY(Text))).table_valued("timeframe").render_derived()
        of_pair = CandleRow.symbol == ProductRow.id, CandleRow.timeframe == all_of_them.c.timeframe
        there = select(ProductRow.id, all_of_them.c.timeframe).join(all_of_them, true()).where(exists().where(*of_pair))
        pairs = connection.execute(there).all()
    found: dict[str, list[str]] = {}
    for symbol, timeframe in sorted(pairs, key=lambda pair: (pair[0], TIMEFRAMES.index(pair[1]))):
        found.setdefault(symbol, []).append(timeframe)
    return found


def _one_of(what: str, asked: str | None, known: list[str], first: str | None) -> str | None:
    if asked is None or not known:
        return first if first in known else next(iter(known), None)
    if asked not in known:
        raise Refused(404, f"There are no bars of {what} {asked!r}.", f"There are: {', '.join(known)}.")
    return asked


def _tick(connection: Connection, symbol: str) -> Decimal | None:
    payload = connection.execute(select(ProductRow.payload).where(ProductRow.id == symbol)).scalar_one_or_none()
    return None if payload is None else _product.decode(payload).tick


def _bar(numbered: NumberedBar) -> ChartBar:
    bar = numbered.bar
    return {
        "opens": iso(bar.open_time) or "",
        "open": f"{bar.open:f}",
        "high": f"{bar.high:f}",
        "low": f"{bar.low:f}",
        "close": f"{bar.close:f}",
        "volume": f"{bar.volume:f}",
        "number": numbered.type,
        "failed": numbered.failed,
        "color": numbered.color,
        "verified": numbered.verified,
        "forming": numbered.forming,
    }


def _setups(
    connection: Connection, account: str, symbol: str, timeframe: str, market_time: datetime | None
) -> list[Levels]:
    query = select(SetupRow.__table__).where(
        SetupRow.account == account,
        SetupRow.symbol == symbol,
        SetupRow.timeframe == timeframe,
        SetupRow.status == "waiting",
    )
    if market_time is not None:
        query = query.where(SetupRow.valid_until > market_time)
    return [
        {
            "id": row.id,
            "name": row.name,
            "side": row.side,
            "trigger": f"{row.trigger:f}",
            "stop": f"{row.stop:f}",
            "target": f"{row.target:f}",
            "ladder": [str(level) for level in row.context["ladder"]] if row.context else [],
            "valid_until": iso(row.valid_until),
        }
        for row in connection.execute(query.order_by(SetupRow.side, SetupRow.id))
    ]


def _trades(connection: Connection, account: str, symbol: str, timeframe: str, since: datetime) -> list[Mark]:
    """Return the trades that were open at some time since the first bar shown, oldest first."""
    lasted = or_(PositionRow.status == "open", PositionRow.exit_time >= since)
    query = (
        select(PositionRow.__table__)
        .where(and_(PositionRow.account == account, PositionRow.symbol == symbol, lasted))
        .order_by(PositionRow.entry_time.desc(), PositionRow.id)
        .limit(MARKS)
    )
    return [_mark(row, timeframe) for row in reversed(connection.execute(query).all())]


def _mark(row: Row[Any], timeframe: str) -> Mark:
    return {
        "id": row.id,
        "side": row.side,
        "setup": row.setup,
        "timeframe": row.timeframe,
        "entry_bar": iso(period(timeframe, row.entry_time)[0]) or "",
        "entry_price": f"{row.entry_price:f}",
        "stop": f"{row.stop:f}",
        "target": f"{row.target:f}",
        "exit_bar": None if row.exit_time is None else iso(period(timeframe, row.exit_time)[0]),
        "exit_price": text(row.exit_price),
        "exit_reason": row.exit_reason,
        "net": None if row.exit_time is None else f"{row.net:.2f}",
    }


_product = msgspec.json.Decoder(Product)

PAGE = Page(
    name="chart",
    title="Chart",
    path="/chart",
    section=chart,
    answer=Chart,
    arguments=Asked,
    scripts=("vendor/lightweight-charts.js", "chart.js"),
    styles=("chart.css",),
)
