"""What the market's clock gives rise to, for every connection alike; each takes what it has subscribed to."""

from collections.abc import Callable, Mapping, Sequence

from atlas.exchange.local import frames
from atlas.exchange.local.market import MarketTrade
from atlas.exchange.local.products import ListedProduct

HEARTBEATS = "heartbeats"
CHANNELS = (HEARTBEATS, "ticker", "ticker_batch", "market_trades", "candles", "level2", "status")
"""What may be subscribed to."""
WIRE_NAMES = {"level2": "l2_data"}
"""Channels whose frames go by another name than their subscription."""


class Publication:
    """Events of one channel at one instant. It must be taken before the clock moves on."""

    def __init__(self, channel: str, stamp: int) -> None:
        self.channel = channel
        self.stamp = stamp

    @property
    def wire_name(self) -> str:
        """The channel's name in a frame."""
        return WIRE_NAMES.get(self.channel, self.channel)

    def events(self, held: Mapping[str, None]) -> str | None:
        """Return the events for a connection that holds these products of the channel; None if there are none."""
        raise NotImplementedError  # each channel has its own


class ProductPublication(Publication):
    """Events of one product, written once when the first listener takes them."""

    def __init__(self, channel: str, stamp: int, product_id: str, write: Callable[[], str]) -> None:
        super().__init__(channel, stamp)
        self.product_id = product_id
        self._write = write
        self._written: str | None = None

    def events(self, held: Mapping[str, None]) -> str | None:
        """See Publication."""
        if self.product_id not in held:
            return None
        if self._written is None:
            self._written = self._write()
        return self._written


class TradesPublication(Publication):
    """A batch of trades, oldest first; a connection gets those of its products in one frame."""

    def __init__(self, stamp: int, trades: Sequence[tuple[MarketTrade, ListedProduct]]) -> None:
        super().__init__("market_trades", stamp)
        self.trades = trades
        self._written: dict[tuple[str, ...], str | None] = {}

    def events(self, held: Mapping[str, None]) -> str | None:
        """See Publication."""
        key = tuple(held)
        if key not in self._written:
            wanted = [row for row in self.trades if row[0].product_id in held]
            self._written[key] = frames.market_trades("update", wanted) if wanted else None
        return self._written[key]


class Heartbeat(Publication):
    """A heartbeat, with the exchange's counter."""

    def __init__(self, stamp: int, counter: int) -> None:
        super().__init__(HEARTBEATS, stamp)
        self.counter = counter

    def events(self, held: Mapping[str, None]) -> str | None:
        """See Publication."""
        return frames.heartbeat(self.stamp, self.counter)
