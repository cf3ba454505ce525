"""Events of the websocket channels the feed does not subscribe to, typed (coinbase.md 1.4).

Decoded without haste: "" and Go's zero time become None, times become aware UTC datetimes, and msgspec checks the rest.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from atlas.exchange.times import parse_time, parse_unix


class FiveMinuteCandle(msgspec.Struct, frozen=True):
    """A candle of channel candles: always five minutes. Only the product is sure to be there."""

    product_id: str
    start: datetime | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal | None = None


class CandlesEvent(msgspec.Struct, frozen=True):
    """About a hundred candles (snapshot), or the forming one (update)."""

    type: str
    candles: tuple[FiveMinuteCandle, ...]


class ProductStatus(msgspec.Struct, frozen=True):
    """A product's state; of a future it says online also during the break."""

    id: str
    product_type: str
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: Decimal | None = None


class StatusEvent(msgspec.Struct, frozen=True):
    """States of products."""

    type: str
    products: tuple[ProductStatus, ...]


class UserOrder(msgspec.Struct, frozen=True):
    """The cumulative state of one of our orders, not a fill."""

    order_id: str
    product_id: str
    status: str
    order_side: str
    client_order_id: str | None = None
    order_type: str | None = None
    product_type: str | None = None
    time_in_force: str | None = None
    avg_price: Decimal | None = None
    cumulative_quantity: Decimal | None = None
    leaves_quantity: Decimal | None = None
    filled_value: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    number_of_fills: int | None = None
    total_fees: Decimal | None = None
    total_value_after_fees: Decimal | None = None
    cancel_reason: str | None = None
    reject_reason: str | None = None
    creation_time: datetime | None = None
    end_time: datetime | None = None
    start_time: datetime | None = None


class ExpiringPosition(msgspec.Struct, frozen=True):
    """A position in a dated future, CDE's perpetual-style ones included."""

    product_id: str
    side: str
    number_of_contracts: Decimal
    realized_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    entry_price: Decimal | None = None


class UserPositions(msgspec.Struct, frozen=True):
    """Our positions; those of the international exchange are left out, ATLAS cannot trade there."""

    expiring_futures_positions: tuple[ExpiringPosition, ...] = ()


class UserEvent(msgspec.Struct, frozen=True):
    """Our orders, in batches of at most 50, and positions."""

    type: str
    orders: tuple[UserOrder, ...] = ()
    positions: UserPositions | None = None


class MarginWindow(msgspec.Struct, frozen=True):
    """Margin amounts of one window, USD."""

    margin_window_type: str
    margin_level: str
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_buffer_percentage: Decimal
    total_hold: Decimal
    futures_buying_power: Decimal


class FuturesBalance(msgspec.Struct, frozen=True):
    """The futures account, USD."""

    futures_buying_power: Decimal
    total_usd_balance: Decimal
    cbi_usd_balance: Decimal
    cfm_usd_balance: Decimal
    total_open_orders_hold_amount: Decimal
    unrealized_pnl: Decimal
    daily_realized_pnl: Decimal
    initial_margin: Decimal
    available_margin: Decimal
    liquidation_threshold: Decimal
    liquidation_buffer_amount: Decimal
    liquidation_buffer_percentage: Decimal
    intraday_margin_window_measure: MarginWindow | None = None
    overnight_margin_window_measure: MarginWindow | None = None


class FuturesBalanceEvent(msgspec.Struct, frozen=True):
    """The futures account as of now."""

    type: str
    fcm_balance_summary: FuturesBalance


ChannelEvent = CandlesEvent | StatusEvent | UserEvent | FuturesBalanceEvent

_ZERO = "0001-01-01T00:00:00Z"
_TIMES = frozenset({"creation_time", "end_time", "start_time"})


def _cleaned(node: Any, key: str = "") -> Any:
    """Return JSON with "" and Go's zero time as None and times parsed, which msgspec cannot be told to do by itself."""
    if isinstance(node, dict):
        return {name: _cleaned(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [_cleaned(value) for value in node]
    if node in ("", _ZERO):
        return None
    if key in _TIMES and isinstance(node, str):
        return parse_time(node)
    if key == "start" and isinstance(node, str | int):
        return parse_unix(node)
    return node


def _decoder(event: type[ChannelEvent]) -> Callable[[Any], tuple[ChannelEvent, ...]]:
    shape = tuple[event, ...]  # type: ignore[valid-type]  # made from an argument, checked by the caller's table

    def decode(events: Any) -> tuple[ChannelEvent, ...]:
        converted: tuple[ChannelEvent, ...] = msgspec.convert(_cleaned(events), shape, strict=False)
        return converted

    return decode


DECODERS: dict[str, Callable[[Any], tuple[ChannelEvent, ...]]] = {
    "candles": _decoder(CandlesEvent),
    "status": _decoder(StatusEvent),
    "user": _decoder(UserEvent),
    "futures_balance_summary": _decoder(FuturesBalanceEvent),
}
"""Channel name → decoder of its `events`; raises msgspec.ValidationError or DataError."""
