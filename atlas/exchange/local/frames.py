"""The websocket's frames, in the exchange's key order (spec: coinbase.md 1.3, 1.4; compared with recorded frames).

A frame's `events` are the same for every listener; the envelope around them is each connection's own.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from atlas.exchange.local.book import Level
from atlas.exchange.local.history import Candle
from atlas.exchange.local.instants import go_time, rfc3339
from atlas.exchange.local.market import MarketTrade
from atlas.exchange.local.products import ListedProduct
from atlas.exchange.local.step import decimal_text
from atlas.exchange.local.tape import Tape

_encode = msgspec.json.Encoder().encode


class TickerBatchRow(Struct, frozen=True):
    """A product in `ticker_batch`."""

    type: str
    product_id: str
    price: str
    volume_24_h: str
    low_24_h: str
    high_24_h: str
    low_52_w: str
    high_52_w: str
    price_percent_chg_24_h: str


class TickerRow(TickerBatchRow, frozen=True):
    """A product in `ticker`: the same with its best bid and ask."""

    best_bid: str
    best_ask: str
    best_bid_quantity: str
    best_ask_quantity: str


class TradeRow(Struct, frozen=True):
    """A trade; `side` is the maker's."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _LevelRow(Struct, frozen=True):
    side: str
    event_time: str
    price_level: str
    new_quantity: str


class _CandleRow(Struct, frozen=True):
    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str
    product_id: str


class _StatusRow(Struct, frozen=True):
    product_type: str
    id: str
    base_currency: str
    quote_currency: str
    base_increment: str
    quote_increment: str
    display_name: str
    status: str
    status_message: str
    min_market_funds: str


def envelope(channel: str, stamp: int, sequence: int, events: str, *, client_id: bool) -> str:
    """Return a whole frame. The live feed sends no `client_id` any more; older captures carry an empty one."""
    client = '"client_id":"",' if client_id else ""
    return (
        f'{{"channel":"{channel}",{client}"timestamp":"{rfc3339(stamp)}","sequence_num":{sequence},"events":{events}}}'
    )


def error(message: str) -> str:
    """Return an error frame, which has neither channel nor sequence number."""
    return _text({"type": "error", "message": message})


def subscriptions(held: Mapping[str, Iterable[str]]) -> str:
    """Return the events of an acknowledgement: the connection's whole set of subscriptions, channels sorted."""
    return _text([{"subscriptions": {channel: list(held[channel]) for channel in sorted(held)}}])


def heartbeat(stamp: int, counter: int) -> str:
    """Return a heartbeat's events. The counter is the server's uptime in seconds, as its Go time says too."""
    uptime = counter * 1_000_000_000 + stamp % 1_000_000_000
    return _text([{"current_time": go_time(stamp, uptime), "heartbeat_counter": counter}])


def market_trades(kind: str, trades: Sequence[tuple[MarketTrade, ListedProduct]]) -> str:
    """Return the events of trades given oldest first; the wire has the newest first."""
    return _text([{"type": kind, "trades": [trade_row(trade, product) for trade, product in reversed(trades)]}])


def trade_row(trade: MarketTrade, product: ListedProduct) -> TradeRow:
    """Return a trade as the wire has it."""
    return TradeRow(
        trade.product_id, str(trade.trade_id), product.tick.text(trade.ticks), product.lot.text(trade.lots),
        rfc3339(trade.time), "BUY" if trade.maker_bought else "SELL",
    )  # fmt: skip


def ticker(kind: str, tape: Tape, now: int) -> str:
    """Return a ticker's events; without quotes (the weekly break) the best bid and ask are empty."""
    row = _ticker_batch_row(tape, now)
    if tape.quoted(now):
        price, size = tape.product.tick.text, tape.product.lot.text
        last, (bid_lots, ask_lots) = tape.last, tape.best_lots()
        best = (price(last.bid), price(last.ask), size(bid_lots), size(ask_lots))
    else:
        best = ("", "", "", "")
    whole = TickerRow(
        row.type, row.product_id, row.price, row.volume_24_h, row.low_24_h, row.high_24_h, row.low_52_w,
        row.high_52_w, row.price_percent_chg_24_h, *best,
    )  # fmt: skip
    return _text([{"type": kind, "tickers": [whole]}])


def ticker_batch(kind: str, tapes: Iterable[Tape], now: int) -> str:
    """Return the events of a `ticker_batch`, which may hold several products."""
    return _text([{"type": kind, "tickers": [_ticker_batch_row(tape, now) for tape in tapes]}])


def _ticker_batch_row(tape: Tape, now: int) -> TickerBatchRow:
    price, figures, last = tape.product.tick.text, tape.figures(now), tape.last.ticks
    return TickerBatchRow(
        "ticker", tape.product.product_id, price(last), tape.product.lot.text(figures.volume), price(figures.low),
        price(figures.high), price(figures.low_52_weeks), price(figures.high_52_weeks),
        percent_change(last, figures.ago),
    )  # fmt: skip


def percent_change(last: int, ago: int) -> str:
    """Return the change in percent with 14 decimals, trailing zeros trimmed."""
    change = (last - ago) * 10**16 // ago
    return ("-" if change < 0 else "") + decimal_text(abs(change), 14)


def level2(kind: str, product: ListedProduct, levels: Iterable[Level], event_time: int) -> str:
    """Return the events of `l2_data`."""
    time, price, size = rfc3339(event_time), product.tick.text, product.lot.text
    rows = [_LevelRow(level.side, time, price(level.ticks), size(level.lots)) for level in levels]
    return _text([{"type": kind, "product_id": product.product_id, "updates": rows}])


def candles(kind: str, product: ListedProduct, found: Iterable[Candle]) -> str:
    """Return the events of candles given oldest first; the wire has the newest first."""
    price, size = product.tick.text, product.lot.text
    rows = [
        _CandleRow(
            str(candle.start), price(candle.high), price(candle.low), price(candle.open), price(candle.close),
            size(candle.volume), product.product_id,
        )
        for candle in found
    ]  # fmt: skip
    return _text([{"type": kind, "candles": rows[::-1]}])


def status(kind: str, products: Iterable[ListedProduct]) -> str:
    """Return the events of `status`, which says online throughout: it does not show the derivatives' sessions."""
    rows = [
        _StatusRow(
            product.kind, product.product_id, product.underlying, "USD", product.lot.text(1), product.tick.text(1),
            product.product_id, "online", "", "1",
        )
        for product in products
    ]  # fmt: skip
    return _text([{"type": kind, "products": rows}])


def _text(value: object) -> str:
    return _encode(value).decode()
