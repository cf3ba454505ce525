"""What is known when a trigger asks for an entry, and what it is answered."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from atlas.market.product import Product
from atlas.money.book import Position
from atlas.money.fees import exit_deed, fee, notional, slipped
from atlas.money.profit import profit
from atlas.money.sizing import Size
from atlas.money.windows import Tier
from atlas.rules import Rules
from atlas.strat.setup import ContinuityReading, Setup, Side


class PendingEntry(msgspec.Struct, frozen=True):
    """An entry approved but not yet filled: it counts as a position already.

    `risk` is the loss to its stop, `cash` what it will take out of available: both USD.
    """

    id: str
    symbol: str
    timeframe: str
    side: Side
    risk: Decimal
    cash: Decimal


class EntryContext(msgspec.Struct, frozen=True):
    """All that the gates of strat.md 5 look at. Nothing here has a default that would let an entry through.

    `setup` holds raw levels, in the prices of `setup.symbol`; `product` is the one executed. `ratio` is executed ÷
    signal price when the two differ (levels are multiplied by it), None when unknown or the same product. `reference`
    is the price of the triggering trade of the executed product, with bid and ask as of it. `continuity` is the
    reading at the trigger for the side that broke, None when it could not be computed. `halts` is source → reason.
    `equity` and `available` are USD now, `day_start_equity` the base of the daily loss limit; `daily_loss_hit` says
    that its halt is in force (a person's resume lifts it while the loss stands). `left` is when the last position of
    the executed product was closed. `lease` tells why this shard may not enter the product, None where it may.
    """

    setup: Setup
    name: str
    at: datetime
    reference: Decimal
    bid: Decimal | None
    ask: Decimal | None
    product: Product
    rules: Rules
    verified: bool
    missed: bool
    already_triggered: bool
    halts: dict[str, str]
    continuity: ContinuityReading | None
    equity: Decimal
    available: Decimal
    day_start_equity: Decimal
    daily_loss_hit: bool
    positions: tuple[Position, ...] = ()
    pending: tuple[PendingEntry, ...] = ()
    ratio: Decimal | None = None
    left: datetime | None = None
    lease: str | None = None

    @property
    def flipped(self) -> tuple[Position, ...]:
        """The open positions that the policy `flip` closes for this entry: opposite ones of the same product."""
        if self.rules.sizing.position_policy != "flip":
            return ()
        return tuple(p for p in self.positions if p.symbol == self.product.id and p.side != self.setup.side)

    @property
    def relisted(self) -> str | None:
        """How the product is listed otherwise than when a position open in it was entered; None if it is not.

        Two positions of one product would else have different contracts; the old one has to be closed first.
        """
        product = self.product
        for held in self.positions:
            if held.symbol != product.id:
                continue
            if held.contract_size != product.contract_size:
                return f"contract size {product.contract_size:f}, that of {held.id} {held.contract_size:f}"
            if held.tick is not None and held.tick != product.tick:
                return f"tick {product.tick:f}, that of {held.id} {held.tick:f}"
        return None

    @property
    def kept(self) -> tuple[Position, ...]:
        """The open positions that stay."""
        closing = {position.id for position in self.flipped}
        return tuple(position for position in self.positions if position.id not in closing)

    @property
    def closing_costs(self) -> Decimal:
        """The expected fee and slippage of closing what a flip closes, USD."""
        costs = Decimal(0)
        for position in self.flipped:
            fill = slipped(self.reference, exit_deed(position.side), self.bid, self.ask, self.rules.fees)
            value = notional(fill, position.contracts, position.contract_size)
            costs += fee(value, position.contracts, self.product, self.rules.fees, "taker")
            costs -= profit(position.side, self.reference, fill, position.contracts, position.contract_size)
        return costs

    @property
    def usable(self) -> Decimal:
        """What this entry may use: available, less pending entries, plus what a flip sets free, USD."""
        freed = sum((position.margin for position in self.flipped), -self.closing_costs)
        return self.available - sum((pending.cash for pending in self.pending), Decimal(0)) + freed


class Check(msgspec.Struct, frozen=True):
    """One gate's measurement, for people: what was found, and what it is held against.

    `off` means that the gate is switched off in the settings: its value is shown and decides nothing.
    """

    gate: str
    outcome: Literal["passed", "failed", "off"]
    value: str
    threshold: str


class Rejection(msgspec.Struct, frozen=True):
    """The first gate that failed, with its value and threshold."""

    gate: str
    value: str
    threshold: str


class Approval(msgspec.Struct, frozen=True):
    """An entry to be made. Levels are on the executed product's tick; `margin` and `risk` are USD.

    `entry` is the expected fill; `risk` the loss from it to the stop, costs aside. `closes` are the ids of positions to
    close before (position policy `flip`). `size` holds every step of the sizing. `ratio` is what the levels were
    translated by, None where signal and execution are one product.
    """

    contracts: Decimal
    multiplier: Decimal
    leverage: Decimal
    tier: Tier
    entry: Decimal
    stop: Decimal
    target: Decimal
    liquidation: Decimal | None
    margin: Decimal
    risk: Decimal
    size: Size
    closes: tuple[str, ...] = ()
    ratio: Decimal | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The answer to one trigger: the checks made, in order, and what came of them.

    `size` is None where a gate of the market failed, before any size was computed.
    """

    outcome: Approval | Rejection
    checks: tuple[Check, ...]
    size: Size | None = None

    @property
    def approved(self) -> bool:
        """Whether the entry is to be made."""
        return isinstance(self.outcome, Approval)


def pending_entry(context: EntryContext, approval: Approval) -> PendingEntry:
    """Return the approved entry as what the next trigger has to count, until it is filled or refused."""
    return PendingEntry(
        id=context.setup.id,
        symbol=context.product.id,
        timeframe=context.setup.timeframe,
        side=context.setup.side,
        risk=approval.risk,
        cash=approval.size.cash,
    )
