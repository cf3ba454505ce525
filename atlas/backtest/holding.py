"""One position while it is held, as light as it can be: what it was entered with, and how it was left.

The whole `Position` is made of it where a rule asks for one; how it is listed in the end, by `listing.py`.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from atlas.backtest.candidate import Candidate
from atlas.backtest.exits import Barriers, Exit, barriers
from atlas.backtest.foreseen import Foreseen
from atlas.backtest.track import Track, instant
from atlas.market.sessions import is_open
from atlas.money.book import Position, Purpose
from atlas.money.margin import is_liquidated
from atlas.money.profit import loss_at, profit
from atlas.money.windows import Tier
from atlas.rules import Rules
from atlas.strat.naming import resolved

Key = tuple[int, int, int, int]
"""Where an event stands: microseconds; BY_CLOCK and the order of arming, or BY_TRADE and the product; of a product
twice the point, and one more for what comes when that has been seen."""
BY_CLOCK: Final = 0
BY_TRADE: Final = 1
NEVER: Final[Key] = (2**62, BY_TRADE, 2**62, 0)
Clock = tuple[int, int, Purpose]
"""When an exit by the clock is due, its place in the order of arming, and its reason."""
ZERO: Final = Decimal(0)


class Approved(msgspec.Struct, frozen=True, gc=False):
    """The terms of an entry: how much, at what margin, and its levels on the product's tick."""

    contracts: Decimal
    leverage: Decimal
    tier: Tier
    stop: Decimal
    target: Decimal


class Left(msgspec.Struct, frozen=True, gc=False):
    """How a position was left, by `found`: `until` is the first point it did not see; amounts are USD."""

    found: Exit
    at: int
    until: int
    reference: Decimal
    price: Decimal
    gross: Decimal
    fee: Decimal
    slippage: Decimal


class Holding(msgspec.Struct, gc=False):
    """A position: what triggered it, in which product and past, on what terms, its fill, its margin now.

    `entered` is the point of its track it was filled at, `settled` the place of the next of `hours`, which are the
    funding due until its exit, as (microseconds, USD); `funded` is until when that is settled. `exit` is what its
    levels come to, None if nothing until the end, and comes at `due`. `least` is about what it brings at the worst
    price of all, None until somebody asks. `leaving`: a market exit has been ordered and waits for a trade.
    """

    candidate: Candidate
    number: int
    track: Track
    terms: Approved
    entered: int
    price: Decimal
    fee: Decimal
    slippage: Decimal
    margin: Decimal
    leverage: Decimal
    tier: Tier
    liquidation: Decimal | None
    funded: int
    funding: Decimal = ZERO
    carried: bool = False
    exit: Exit | None = None
    due: Key = NEVER
    hours: Sequence[tuple[int, Decimal]] = ()
    settled: int = 0
    clocks: list[Clock] = []
    least: float | None = None
    leaving: Purpose | None = None
    left: Left | None = None

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return what it would bring at a price, before costs."""
        size = self.track.product.contract_size
        return profit(self.candidate.side, self.price, mark, self.terms.contracts, size)

    def profit_about(self, units: int) -> float:
        """Return about what it would bring at a price in units, before costs: by float64, USD."""
        track, sign = self.track, 1 if self.candidate.side == "long" else -1
        size = float(self.terms.contracts * track.product.contract_size)
        return sign * (units * 10.0**-track.scale - float(self.price)) * size

    def risk(self) -> Decimal:
        """Return what it loses from its entry to its stop."""
        size = self.track.product.contract_size
        return loss_at(self.candidate.side, self.price, self.terms.stop, self.terms.contracts, size)

    def barriers(self, rules: Rules) -> Barriers:
        """Return its levels as a search for its exit needs them."""
        candidate, terms = self.candidate, self.terms
        opposite = candidate.opposite if rules.exits.invalidated else None
        return barriers(
            self.track, candidate.side, terms.stop, self.liquidation, terms.target, opposite, candidate.last_row,
            touch=rules.fills.touch,
        )  # fmt: skip

    def foreseen(self) -> Foreseen | None:
        """Return what was foreseen for its candidate; None where this liquidation price or the session forbids it."""
        found, side, stop, liquidation = self.candidate.foreseen, self.candidate.side, self.terms.stop, self.liquidation
        if liquidation is not None and (liquidation > stop if side == "long" else liquidation < stop):
            return None
        left, track = found.exit, self.track
        if left is not None and left.reason == "stop" and is_liquidated(side, track.price(left.price), liquidation):
            return None
        if left is not None and left.reason == "invalidated":
            return found if is_open(track.product, instant(track.time(left.point))) else None
        return found

    def funding_until(self, at: int, *, inclusive: bool) -> Iterator[tuple[int, Decimal]]:
        """Settle the hours before an instant, or at it too, and yield them."""
        before = at + inclusive
        while self.settled < len(self.hours) and self.hours[self.settled][0] < before:
            self.funded = self.hours[self.settled][0]
            self.settled += 1
            yield self.hours[self.settled - 1]

    def position(self, rules: Rules) -> Position:
        """Return the whole of it while it is open, its worst and best price those of its fill alone."""
        candidate, terms = self.candidate, self.terms
        product, reading, reference = self.track.product, candidate.reading(rules), candidate.reference
        setup_time = instant(candidate.opened)
        return Position(
            id=candidate.id(setup_time),
            symbol=product.id,
            timeframe=candidate.timeframe,
            setup=resolved(candidate.name, candidate.side),
            family=candidate.family,
            side=candidate.side,
            contract_size=product.contract_size,
            tick=product.tick,
            contracts=terms.contracts,
            entry_contracts=terms.contracts,
            entry_price=self.price,
            entry_reference=reference,
            entry_time=instant(candidate.time),
            stop=terms.stop,
            first_stop=terms.stop,
            target=terms.target,
            invalidation=candidate.opposite,
            entry_bar_end=candidate.entry_bar_end,
            leverage=self.leverage,
            tier=self.tier,
            margin=self.margin,
            liquidation=self.liquidation,
            worst=reference,
            best=reference,
            fees=self.fee,
            detection=reading,
            at_trigger=reading,
            setup_time=setup_time,
            risk_at_entry=self.risk(),
            funding=self.funding,
            slippage=self.slippage,
            carried=self.carried,
        )
