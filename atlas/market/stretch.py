"""Trades of a candle file between which nothing happens, handed over as one; only a replay of files has them."""

from datetime import datetime
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from atlas.market.bar import Tick
from atlas.market.guess import Guess


class Stretch(msgspec.Struct, frozen=True):
    """Consecutive trades of one product, none of them at a level that concerns anybody.

    `tick` is the last of them; `high`, `low` and `volume` are of them all. `units` are their prices in the order they
    traded, counted in 10 ** -scale.
    """

    symbol: str
    tick: Tick
    high: Decimal
    low: Decimal
    volume: Decimal
    units: NDArray[np.int64]
    scale: int


class Quiet(msgspec.Struct, frozen=True):
    """An input: what a product traded since each was told last, `scanned` for its scanner, `booked` for the books."""

    symbol: str
    scanned: Stretch | None
    booked: Stretch | None


class Turn(msgspec.Struct, frozen=True):
    """An input: the first trade of a bar, for the scanner alone, behind what it has not been told of before it.

    `until` is when the next bar of any timeframe begins; None where that is not known, or no bar begins here.
    """

    symbol: str
    before: Stretch | None
    tick: Tick
    until: datetime | None = None


class Reached(msgspec.Struct, frozen=True):
    """An input: a trade that somebody acts on, for all, behind what the scanner has not been told of before it.

    `booked` is what the books have not been told of; None where that does not matter.
    """

    symbol: str
    before: Stretch | None
    tick: Tick
    guess: Guess | None
    booked: Stretch | None = None


class Broken(msgspec.Struct, frozen=True):
    """An input: a trade that can end a setup and no more, for the entry monitor; the others are told of it later."""

    symbol: str
    tick: Tick
    guess: Guess | None


class Onward(msgspec.Struct, frozen=True):
    """An input: the trade of a Turn, which concerns the others too, behind what the books have not been told of."""

    symbol: str
    tick: Tick
    guess: Guess | None
    booked: Stretch | None = None
