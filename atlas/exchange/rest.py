"""Coinbase's REST interface as ATLAS uses it: the clock, products, candles, recent trades. No key is needed."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from time import sleep
from typing import Any

import msgspec
from pyrate_limiter import Limiter

from atlas.errors import ConfigurationError, DataError, UnknownProduct
from atlas.exchange.listing_reader import read_product
from atlas.exchange.rest_transport import Refused, Transport
from atlas.exchange.times import parse_time, parse_unix
from atlas.exchange.wire_values import number_or_none, sane, whole
from atlas.market.bar import Bar, Tick
from atlas.market.product import Product
from atlas.market.timeframes import period

GRANULARITY = {
    "1m": "ONE_MINUTE",
    "5m": "FIVE_MINUTE",
    "15m": "FIFTEEN_MINUTE",
    "30m": "THIRTY_MINUTE",
    "1h": "ONE_HOUR",
    "2h": "TWO_HOUR",
    "4h": "FOUR_HOUR",
    "6h": "SIX_HOUR",
    "1d": "ONE_DAY",
}
"""Timeframe → the exchange's name for it; the others are aggregated from these."""

PAGE = 300
"""Candles asked for at once. The exchange gives 350 at most, some saw 349 (coinbase.md 2)."""


class _Candle(msgspec.Struct):
    start: str | int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class _Candles(msgspec.Struct):
    candles: tuple[_Candle, ...]


class _Trade(msgspec.Struct):
    trade_id: str | int
    price: Decimal
    size: Decimal
    time: str
    bid: str = ""
    ask: str = ""


class _RecentTrades(msgspec.Struct):
    trades: tuple[_Trade, ...]


class Rest:
    """The interface at `base_url` (https://host, or http://host:port for the local exchange). For one thread only.

    `timeout` is in seconds for each wait on the socket, `rate` in requests a second. Each method makes at most three
    attempts a request and begins none later than 15 s after the first. `limit` is a limit shared with other clients.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 10.0,
        rate: float = 5.0,
        key: str = "",
        secret: str = "",
        wait: Callable[[float], None] = sleep,
        limit: Limiter | None = None,
    ) -> None:
        """Raises ConfigurationError if address, key or numbers cannot be right."""
        self._transport = Transport(
            base_url, timeout=timeout, rate=rate, key=key, secret=secret, wait=wait, limit=limit
        )

    def close(self) -> None:
        """Close the connection to the exchange."""
        self._transport.close()

    def time(self) -> datetime:
        """Return the exchange's clock.

        Raises:
            ExchangeError, CredentialError: as all methods here; see `Transport.get`.
            DataError: the answer does not have its shape; as all methods here.
        """
        return parse_time(_text(self._transport.get("/time"), "iso"))

    def product(self, product_id: str) -> Product:
        """Return one product of the listing.

        Raises:
            UnknownProduct: the exchange does not list it, or without a field ATLAS needs.
        """
        try:
            return read_product(self._transport.get(f"/market/products/{product_id}"))
        except Refused as error:
            if error.status in (400, 404):
                raise self._unknown(product_id, error) from error
            raise

    def products(self, product_ids: Iterable[str]) -> tuple[Product, ...]:
        """Return these products, in order; one request each. Raises as `product`."""
        return tuple(self.product(product_id) for product_id in product_ids)

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        """Return the bars of `timeframe` that open in [start, end], oldest first, the forming one included.

        A period without a trade has no bar. One request for each 300 periods.

        Raises:
            ConfigurationError: the exchange has no candles of that timeframe.
            UnknownProduct: the exchange does not know the symbol.
        """
        bars: dict[datetime, Bar] = {}
        for first, last in pages(timeframe, start, end):
            for bar in self._page(symbol, timeframe, first, last):
                if start <= bar.open_time <= end:
                    bars[bar.open_time] = bar
        return [bars[opened] for opened in sorted(bars)]

    def recent_trades(self, symbol: str, limit: int = 100) -> list[Tick]:
        """Return up to 100 of the newest trades, oldest first. The aggressor is not known from here.

        Raises:
            UnknownProduct: the exchange does not know the symbol.
        """
        answer = self._of_product(symbol, "ticker", limit=min(limit, 100))
        try:
            recent = msgspec.convert(answer, _RecentTrades, strict=False)
        except msgspec.ValidationError as error:
            raise DataError(f"the exchange sent trades of {symbol} without their shape: {error}") from error
        ticks = [
            Tick(
                whole(trade.trade_id, "trade_id"), parse_time(trade.time), sane(trade.price, "price"),
                sane(trade.size, "size", zero=True), number_or_none(trade.bid, "bid"), number_or_none(trade.ask, "ask"),
            )
            for trade in recent.trades
        ]  # fmt: skip
        return sorted(ticks, key=lambda tick: (tick.time, tick.trade_id))

    def _page(self, symbol: str, timeframe: str, first: datetime, last: datetime) -> list[Bar]:
        answer = self._of_product(
            symbol,
            "candles",
            start=str(int(first.timestamp())),
            end=str(int(last.timestamp())),
            granularity=GRANULARITY[timeframe],
        )
        return read_candles(symbol, timeframe, answer)

    def _of_product(self, symbol: str, what: str, **params: Any) -> dict[str, Any]:
        try:
            return self._transport.get(f"/market/products/{symbol}/{what}", **params)
        except Refused as error:
            if error.status == 404 or "productid" in str(error).lower():
                raise self._unknown(symbol, error) from error
            raise

    def _unknown(self, product_id: str, error: Refused) -> UnknownProduct:
        return UnknownProduct(
            f"{self._transport.host} does not list the product {product_id!r}: correct exchange.products ({error})"
        )


def pages(timeframe: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the opens of the first and last period of each request that together cover [start, end], oldest first.

    Raises:
        ConfigurationError: the exchange has no candles of that timeframe.
    """
    if timeframe not in GRANULARITY:
        raise ConfigurationError(
            f"the exchange has no candles of {timeframe!r}: ask for one of {' '.join(GRANULARITY)} and aggregate"
        )
    opened, closes = period(timeframe, start)
    step = closes - opened
    first = opened if opened == start else closes
    asked: list[tuple[datetime, datetime]] = []
    while first <= end:
        last = min(first + (PAGE - 1) * step, period(timeframe, end)[0])
        asked.append((first, last))
        first = last + step
    return asked


def read_candles(symbol: str, timeframe: str, answer: dict[str, Any]) -> list[Bar]:
    """Return the bars of one answer, in its order (newest first).

    Raises:
        DataError: it does not have its shape, or a value in it cannot be.
    """
    try:
        page = msgspec.convert(answer, _Candles, strict=False)
    except msgspec.ValidationError as error:
        what = f"candles of {symbol} {timeframe}"
        raise DataError(f"the exchange sent {what} without their shape: {error}") from error
    return [_bar(symbol, timeframe, candle) for candle in page.candles]


def _bar(symbol: str, timeframe: str, candle: _Candle) -> Bar:
    """Return the candle as a bar. An open or close outside [low, high] is the exchange's business (strat.md 1)."""
    opened, closes = period(timeframe, parse_unix(candle.start))
    where = f"the exchange's candle of {symbol} {timeframe} at {opened:%Y-%m-%d %H:%M}"
    if parse_unix(candle.start) != opened:
        raise DataError(f"{where} starts at {candle.start}, off its timeframe's boundary")
    for field in ("open", "high", "low", "close"):
        sane(getattr(candle, field), f"the {field} of {where}")
    if candle.high < candle.low:
        raise DataError(f"{where} has high {candle.high} below low {candle.low}")
    volume = sane(candle.volume, f"the volume of {where}", zero=True)
    return Bar(timeframe, opened, closes, candle.open, candle.high, candle.low, candle.close, volume)


def _text(answer: dict[str, Any], field: str) -> str:
    value = answer.get(field)
    if not isinstance(value, str):
        raise DataError(f"the exchange answered with {field} = {value!r}: a text was expected")
    return value
