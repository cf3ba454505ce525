"""Market: the continuity grid, turns of full timeframe continuity, and the setups that wait for their trigger."""

from datetime import datetime
from typing import Any, TypedDict

import msgspec
from sqlalchemy import Connection, Row, select

from atlas.market.timeframes import TIMEFRAMES
from db.models import EventRow, FullContinuityRow, QuoteRow
from web import queries
from web.pages import Arguments, Page, Shown
from web.standing import Standing, standings
from web.values import iso, rounded, text

TURNS = 20
"""Turns of full continuity shown."""
SETUPS = 200
"""Waiting setups shown, the nearest."""


class Frame(TypedDict):
    """The current period of one timeframe. `state`: known, empty (no trade yet) or unknown."""

    timeframe: str
    state: str
    opens: str | None
    closes: str | None
    open: str | None
    price: str | None
    type: str | None
    color: str | None
    side: str


class Full(TypedDict):
    """Full timeframe continuity: the side all of 1M 1w 1d 1h agree with, null without one; `last` was before that."""

    side: str | None
    last: str | None
    since: str | None


class Product(TypedDict):
    """One line of the grid; a frame for each of the grid's timeframes."""

    symbol: str
    price: str | None
    price_at: str | None
    full: Full | None
    frames: list[Frame]


class Turned(TypedDict):
    """A turn of full continuity: gained, lost or flipped, at a price."""

    symbol: str
    at: str
    before: str | None
    after: str | None
    turn: str
    price: str


class Waiting(TypedDict):
    """One side of a setup in force. `distance` of the price to the trigger and `magnitude` are shares; 0.01 = 1 %."""

    id: str
    symbol: str
    side: str
    timeframe: str
    name: str
    family: str
    two_sided: bool
    measured: bool
    trigger: str
    stop: str
    target: str
    price: str | None
    distance: str | None
    magnitude: str | None
    reward_risk: str | None
    continuity: str
    labels: list[str]
    verified: bool
    valid_until: str | None


class Market(TypedDict):
    """The market page; times are ISO 8601 UTC."""

    at: str
    account: str | None
    market_time: str | None
    timeframes: list[str]
    products: list[Product]
    turns: list[Turned]
    setups: list[Waiting]
    setups_waiting: int


class _Turn(msgspec.Struct):
    symbol: str
    at: datetime
    turn: str
    price: str
    before: str | None = None
    after: str | None = None
    first: bool = False


_turn = msgspec.json.Decoder(_Turn)


def market(connection: Connection, shown: Shown, _: Arguments) -> Market:
    """Return the market as the account's daemon sees it."""
    name = shown.account
    daemon = None if name is None else queries.daemon(connection, name)
    market_time = None if daemon is None else daemon.market_time
    grid = standings(connection, market_time)
    present = {timeframe for frames in grid.values() for timeframe in frames}
    timeframes: list[str] = [timeframe for timeframe in TIMEFRAMES if timeframe in present]
    setups, waiting = ([], 0) if name is None else queries.waiting_setups(connection, name, market_time, SETUPS)
    return {
        "at": iso(shown.now) or "",
        "account": name,
        "market_time": iso(market_time),
        "timeframes": timeframes,
        "products": _products(connection, name, grid, timeframes),
        "turns": [] if name is None else _turns(connection, name),
        "setups": [waiting_setup(row) for row in setups],
        "setups_waiting": waiting,
    }


def _products(
    connection: Connection, name: str | None, grid: dict[str, dict[str, Standing]], timeframes: list[str]
) -> list[Product]:
    prices = {row.symbol: row for row in connection.execute(select(QuoteRow.__table__))}
    query = select(FullContinuityRow.__table__).where(FullContinuityRow.account == name)
    full = {row.symbol: row for row in connection.execute(query)}
    found: list[Product] = []
    for symbol, frames in grid.items():
        quote = prices.get(symbol)
        found.append(
            {
                "symbol": symbol,
                "price": None if quote is None else text(quote.price),
                "price_at": None if quote is None else iso(quote.at),
                "full": _full(full.get(symbol)),
                "frames": [_frame(timeframe, frames.get(timeframe)) for timeframe in timeframes],
            }
        )
    return found


def _full(row: Row[Any] | None) -> Full | None:
    return None if row is None else {"side": row.side, "last": row.last, "since": iso(row.since)}


def _frame(timeframe: str, frame: Standing | None) -> Frame:
    bar = None if frame is None else frame.bar
    return {
        "timeframe": timeframe,
        "state": "unknown" if frame is None else frame.state,
        "opens": None if frame is None else iso(frame.opens),
        "closes": None if frame is None else iso(frame.closes),
        "open": None if bar is None else text(bar.open),
        "price": None if bar is None else text(bar.close),
        "type": None if frame is None else frame.type,
        "color": None if frame is None else frame.color,
        "side": "unknown" if frame is None else frame.side,
    }


def _turns(connection: Connection, name: str) -> list[Turned]:
    """The newest first; what was found when a product was first looked at is no turn."""
    query = select(EventRow.payload).where(EventRow.account == name, EventRow.kind == "ContinuityFlipped")
    told = connection.execute(query.order_by(EventRow.seq.desc()).limit(TURNS)).scalars()
    return [
        {
            "symbol": turn.symbol,
            "at": iso(turn.at) or "",
            "before": turn.before,
            "after": turn.after,
            "turn": turn.turn,
            "price": turn.price,
        }
        for turn in map(_turn.decode, told)
        if not turn.first
    ]


def waiting_setup(row: Row[Any]) -> Waiting:
    """Return one waiting setup as JSON values; the row has its product's `price` too."""
    up = 1 if row.side == "long" else -1
    risk = abs(row.trigger - row.stop)
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "name": row.name,
        "family": row.family,
        "two_sided": row.two_sided,
        "measured": row.measured,
        "trigger": f"{row.trigger:f}",
        "stop": f"{row.stop:f}",
        "target": f"{row.target:f}",
        "price": text(row.price),
        "distance": rounded(up * (row.trigger - row.price) / row.price, 6) if row.price else None,
        "magnitude": rounded(abs(row.target - row.trigger) / row.trigger, 6) if row.trigger else None,
        "reward_risk": rounded(abs(row.target - row.trigger) / risk, 2) if risk else None,
        "continuity": f"{row.agree}/{row.frames}",
        "labels": list(row.context["names"]) if row.context else [],
        "verified": row.verified,
        "valid_until": iso(row.valid_until),
    }


PAGE = Page(name="market", title="Market", path="/market", section=market, answer=Market, styles=("market.css",))
