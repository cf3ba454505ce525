"""Positions held over a restart, as long as what happened to them while ATLAS was down is not settled.

Usually candles tell of it before anything else. While REST cannot be reached the feed goes on without them, and the
candles come late: then they settle only what live trades have left as it was. A position whose stop, size or margin has
changed since is left out; and of the others only what lies at the venue counts (liquidation, stop, targets), up to the
minute in which the first live trade came. In that minute what the candle reached and no live trade did came before.
"""

from datetime import datetime

import msgspec

from atlas.market.timeframes import period

FINEST = "1m"
"""The timeframe of the candles that tell of it."""


class Unsettled(msgspec.Struct):
    """`positions` are as they were at the start; `heard` is the time of the first trade told of each product since."""

    positions: list[str]
    heard: dict[str, datetime] = {}

    def hear(self, symbol: str, at: datetime) -> None:
        """A trade that is no candle's has been told."""
        if symbol not in self.heard:
            self.heard[symbol] = at

    def late(self, symbol: str) -> bool:
        """Whether the candles of a product come after trades of later."""
        return symbol in self.heard

    def concerns(self, position_id: str, symbol: str, at: datetime) -> bool:
        """Whether a point of a candle at this time may change this position."""
        heard = self.heard.get(symbol)
        return position_id in self.positions and (heard is None or at < period(FINEST, heard)[1])

    def touch(self, position_id: str) -> None:
        """A live trade has changed a position: it is not settled any more."""
        if position_id in self.positions:
            self.positions.remove(position_id)
