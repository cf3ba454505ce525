"""What the REST side answers, without its socket (spec: coinbase.md 2). All replies are as of the market's clock."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from atlas.exchange.local import frames, listing
from atlas.exchange.local.book import BID, Level
from atlas.exchange.local.instants import NS, rfc3339
from atlas.exchange.local.products import ListedProduct, canonical
from atlas.exchange.local.step import decimal_text
from atlas.exchange.local.tape import RECENT, Tape
from atlas.exchange.local.timeline import Timeline

PREFIX = "/api/v3/brokerage"
GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
MOST_CANDLES = 350
MOST_ASKED_TRADES = 1000
MOST_LEVELS = 1000
TOO_MANY_CANDLES = "start and end argument is invalid - number of candles requested should be less than 350"

Query = Mapping[str, Sequence[str]]


class Answer(Struct, frozen=True):
    """A reply: its status and its JSON, or its plain text."""

    status: int
    body: Any


class _Refusal(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def answer(timeline: Timeline, path: str, query: Query, *, authorized: bool) -> Answer:
    """Answer a GET request. The caller holds the timeline's lock.

    `/products…` are the private twins of `/market/products…`: the same for whoever sends an Authorization header.
    """
    place = path.removeprefix(PREFIX)
    try:
        if place == path:
            return _not_found(f"{path} not found")
        if place == "/time":
            return _time(timeline)
        if place.startswith("/market/"):
            place = place.removeprefix("/market")
        elif not authorized:
            return Answer(HTTPStatus.UNAUTHORIZED, "Unauthorized\n")
        return _market(timeline, place, query)
    except _Refusal as refusal:
        return refusal.answer


def _market(timeline: Timeline, place: str, query: Query) -> Answer:
    match place.strip("/").split("/"):
        case ["products"]:
            return _products(timeline, query)
        case ["products", product_id]:
            return Answer(HTTPStatus.OK, listing.product(_tape(timeline, product_id), timeline.now))
        case ["products", product_id, "candles"]:
            return _candles(timeline, _tape(timeline, product_id), query)
        case ["products", product_id, "ticker"]:
            return _trades(timeline, _tape(timeline, product_id), query)
        case ["product_book"]:
            return _book(timeline, _tape(timeline, _one(query, "product_id") or ""), query)
    return _not_found(f"{place} not found")


def _time(timeline: Timeline) -> Answer:
    now = timeline.now
    whole = now // NS
    return Answer(
        HTTPStatus.OK,
        {"iso": rfc3339(whole * NS), "epochSeconds": str(whole), "epochMillis": str(now // 1_000_000)},
    )


def _products(timeline: Timeline, query: Query) -> Answer:
    wanted, kind = {canonical(name) for name in query.get("product_ids", ())}, _one(query, "product_type")
    everything = (_one(query, "get_all_products") or "").lower() == "true"
    tapes = [tape for tape in timeline.tapes.values() if tape.halt != "delisted"]
    if wanted:
        tapes = [tape for tape in tapes if tape.product.product_id in wanted]
    if kind or not (wanted or everything):
        tapes = [tape for tape in tapes if tape.product.kind == (kind or "SPOT")]  # without a type: spot only
    if _one(query, "contract_expiry_type") == "PERPETUAL":
        tapes = []  # the derivatives here are EXPIRING, as the venue's are
    first = _number(query, "offset") or 0
    limit = _number(query, "limit")
    tapes = tapes[first:] if not limit else tapes[first : first + limit]
    found = [listing.product(tape, timeline.now) for tape in tapes]
    return Answer(HTTPStatus.OK, {"products": found, "num_products": len(found), "pagination": None})


def _candles(timeline: Timeline, tape: Tape, query: Query) -> Answer:
    name = _one(query, "granularity") or ""
    seconds = GRANULARITIES.get(name)
    if seconds is None:
        raise _invalid(f"granularity '{name}' is not one of {', '.join(GRANULARITIES)}")
    limit = min(_number(query, "limit") or MOST_CANDLES, MOST_CANDLES)
    end = _number(query, "end")
    end = timeline.now // NS if end is None else end
    start = _number(query, "start")
    start = (end // seconds - limit + 1) * seconds if start is None else start
    if start > end:
        raise _invalid("start and end argument is invalid - start is after end")
    if (end - start) // seconds + 1 > MOST_CANDLES:
        raise _invalid(TOO_MANY_CANDLES)
    price, size = tape.product.tick.text, tape.product.lot.text
    rows = [
        {
            "start": str(candle.start),
            "low": price(candle.low),
            "high": price(candle.high),
            "open": price(candle.open),
            "close": price(candle.close),
            "volume": size(candle.volume),
        }
        for candle in reversed(tape.history.candles(seconds, start, end))
    ]
    return Answer(HTTPStatus.OK, {"candles": rows[:limit]})


def _trades(timeline: Timeline, tape: Tape, query: Query) -> Answer:
    limit = _number(query, "limit") or RECENT
    if limit > MOST_ASKED_TRADES:
        return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "INTERNAL", "error_details": "", "message": ""})
    rows = []
    for trade in reversed(timeline.printed(tape.product.product_id, min(limit, RECENT))):
        row = frames.trade_row(trade, tape.product)
        rows.append({
            "trade_id": row.trade_id, "product_id": row.product_id, "price": row.price, "size": row.size,
            "time": row.time, "side": row.side, "bid": "", "ask": "", "exchange": "coinbase",
        })  # fmt: skip
    price, quoted = tape.product.tick.text, tape.quoted(timeline.now)
    best = (price(tape.last.bid), price(tape.last.ask)) if quoted else ("", "")
    return Answer(HTTPStatus.OK, {"trades": rows, "best_bid": best[0], "best_ask": best[1]})


def _book(timeline: Timeline, tape: Tape, query: Query) -> Answer:
    levels = tape.book().levels() if tape.quoted(timeline.now) else []
    most = min(_number(query, "limit") or MOST_LEVELS, MOST_LEVELS)
    bids = [level for level in levels if level.side == BID][:most]
    asks = [level for level in levels if level.side != BID][:most]
    product, last = tape.product, tape.last
    book = {
        "product_id": product.product_id,
        "bids": [_level(product, level) for level in bids],
        "asks": [_level(product, level) for level in asks],
        "time": rfc3339(timeline.now),
    }
    twice, spread = last.bid + last.ask, last.ask - last.bid
    middle = decimal_text(twice * product.tick.units * 5, product.tick.scale + 1)
    return Answer(
        HTTPStatus.OK,
        {
            "pricebook": book,
            "last": product.tick.text(last.ticks),
            "mid_market": middle,
            "spread_bps": decimal_text(spread * 2 * 10**16 // twice, 12),
            "spread_absolute": product.tick.text(spread),
        },
    )


def _level(product: ListedProduct, level: Level) -> dict[str, str]:
    return {"price": product.tick.text(level.ticks), "size": product.lot.text(level.lots)}


def _tape(timeline: Timeline, product_id: str) -> Tape:
    tape = timeline.tapes.get(canonical(product_id))
    if tape is None or tape.halt == "delisted":
        raise _Refusal(_not_found(f"Product {product_id} not supported"))
    return tape


def _one(query: Query, name: str) -> str | None:
    values = query.get(name)
    return values[0] if values else None


def _number(query: Query, name: str) -> int | None:
    text = _one(query, name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        raise _invalid(f"{name} argument is invalid") from None
    if number < 0:
        raise _invalid(f"{name} argument is invalid")
    return number


def _invalid(details: str) -> _Refusal:
    return _Refusal(
        Answer(HTTPStatus.BAD_REQUEST, {"error": "INVALID_ARGUMENT", "error_details": details, "message": details})
    )


def _not_found(message: str) -> Answer:
    return Answer(HTTPStatus.NOT_FOUND, {"error": "NOT_FOUND", "error_details": message, "message": message})
