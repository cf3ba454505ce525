"""Prices that concern somebody: between them a market may be handed over as one stretch."""

from decimal import Decimal

import msgspec


class Levels(msgspec.Struct):
    """What a product's next trade has to reach to matter: a price of `up` or above it, one of `down` or below it.

    `resting` are those of them, up and down, at which a position's own orders rest: where a candle's path is a guess,
    they concern the candle's first point already.

    `breaking` are levels, up and down and not among the others, that end a setup: they concern the entry monitor alone.
    `every`: each trade matters. `held`: a position of the product is open. A level too many costs time and nothing
    else, so levels may be told that are never acted on; one too few would be a wrong result.
    """

    up: list[Decimal] = []
    down: list[Decimal] = []
    breaking_up: list[Decimal] = []
    breaking_down: list[Decimal] = []
    resting_up: list[Decimal] = []
    resting_down: list[Decimal] = []
    every: bool = False
    held: bool = False

    def rest(self) -> None:
        """Say that all levels told so far are those of orders."""
        self.resting_up, self.resting_down = list(self.up), list(self.down)

    def against(self, side: str, price: Decimal) -> None:
        """Add a price that counts when the market goes against a position of that side."""
        (self.down if side == "long" else self.up).append(price)

    def breaks(self, side: str, price: Decimal) -> None:
        """Add a price that ends a setup of that side."""
        (self.breaking_down if side == "long" else self.breaking_up).append(price)

    def in_favour(self, side: str, price: Decimal) -> None:
        """Add a price that counts when the market goes a position's way."""
        (self.up if side == "long" else self.down).append(price)
