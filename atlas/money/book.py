"""What the account, its positions, orders and ledger look like. Pure values; the rules stand in the modules beside."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from atlas.money.bounds import EntryBounds
from atlas.strat.setup import ContinuityReading, Side

Kind = Literal["market", "stop", "limit"]
Purpose = Literal[
    "entry", "stop", "target", "invalidated", "deadline", "liquidated", "flatten", "flip", "max_bars", "expired",
    "scale_out",
]  # fmt: skip
"""What an order is for: entry, or the reason of an exit. `scale_out` only ever closes a part."""


class Order(msgspec.Struct, frozen=True):
    """One order. `id` is derived from its position and purpose, so that the same order is never placed twice.

    `kind` market (now), stop (at or beyond `price`), limit (strictly beyond `price`). `side` is what is done: buy or
    sell. `purpose` is entry or the exit reason it stands for. An entry not filled before `good_until` expires, and one
    that would fill outside its `bounds` is refused. `due` is set by the broker: the first instant at which a market
    order, or a stop that was reached, can fill.
    """

    id: str
    position_id: str
    symbol: str
    side: Literal["buy", "sell"]
    kind: Kind
    purpose: Purpose
    contracts: Decimal
    price: Decimal | None = None
    leverage: Decimal = Decimal(1)
    good_until: datetime | None = None
    due: datetime | None = None
    bounds: EntryBounds | None = None


class Fill(msgspec.Struct, frozen=True):
    """One fill of an order. `reference` is the price before slippage; fee and slippage are USD for all of it.

    `filled_while_down`: ATLAS was not running then, candles told later. `ambiguous`: a stop taken in a candle
    that does not tell whether the target came first (strat.md 6). `rest`: the feed was down, REST told the trade.
    `after_hole`: the feed had a hole, and the trade was told again without its quotes, or not all that traded since the
    entry is known: undisturbed the fill might have been another.
    """

    order_id: str
    position_id: str
    symbol: str
    side: Literal["buy", "sell"]
    purpose: str
    contracts: Decimal
    price: Decimal
    reference: Decimal
    fee: Decimal
    slippage: Decimal
    time: datetime
    filled_while_down: bool = False
    ambiguous: bool = False
    rest: bool = False
    after_hole: bool = False


class Leg(msgspec.Struct, frozen=True):
    """One leg of a double-entry movement: legs of one movement sum to zero; cash is the sum of all legs on `cash`.

    `account` is cash, capital, fees, funding, realised, margin_free or margin_reserved. `kind` is deposit, fee,
    funding, realised, margin_reserve or margin_release.
    """

    movement_id: str
    time: datetime
    kind: str
    account: str
    amount: Decimal
    position_id: str | None = None


class AccountState(msgspec.Struct, frozen=True):
    """The account after a movement, in USD: cash and margin reserved over all open positions."""

    cash: Decimal
    reserved: Decimal


class SignalSource(msgspec.Struct, frozen=True):
    """Where a position's signal came from, if from another product: the raw levels there, and how they came here.

    `price` is the signal product's trade that took the trigger, `ratio` executed ÷ signal price at that instant. The
    position holds the translated levels, on the executed product's tick; `translated_trigger` is the trigger's.
    """

    symbol: str
    price: Decimal
    ratio: Decimal
    trigger: Decimal
    stop: Decimal
    target: Decimal
    invalidation: Decimal
    translated_trigger: Decimal


class Position(msgspec.Struct, frozen=True, gc=False):
    """A position from entry to exit; every event about it carries the whole of it.

    `id` is the setup's id. `contracts` is what is open now, 0 when closed; `entry_contracts` what was opened.
    `tick` and `contract_size` are the product's as of the entry, and stay. `signal` is None where signal and execution
    are one product. `stop` and `target` are the levels in force, on the tick; `first_stop` the first. `invalidation` is
    the price whose break before `entry_bar_end` invalidates it. `worst` and `best` are the extreme prices while open
    (MAE, MFE).
    `carried`: found at the deadline of its intraday window to fit overnight margin. `gross`, `fees`, `funding`,
    `slippage` are USD so far; `net` = gross − fees − funding. `exit_price` is the mean of all exit fills by contracts,
    `exit_reason` that of the last; both, and `exit_time`, are None while contracts are open. `filled_while_down`,
    `ambiguous`, `rest` and `after_hole`: one of its exits was (see Fill).
    """

    id: str
    symbol: str
    timeframe: str
    setup: str
    family: str
    side: Side
    contract_size: Decimal
    contracts: Decimal
    entry_contracts: Decimal
    entry_price: Decimal
    entry_reference: Decimal
    entry_time: datetime
    stop: Decimal
    first_stop: Decimal
    target: Decimal
    invalidation: Decimal
    entry_bar_end: datetime
    leverage: Decimal
    tier: str
    margin: Decimal
    liquidation: Decimal | None
    worst: Decimal
    best: Decimal
    fees: Decimal
    detection: ContinuityReading
    at_trigger: ContinuityReading
    setup_time: datetime
    risk_at_entry: Decimal
    funding: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    carried: bool = False
    tick: Decimal | None = None
    signal: SignalSource | None = None
    exit_price: Decimal | None = None
    exit_time: datetime | None = None
    exit_reason: str | None = None
    filled_while_down: bool = False
    ambiguous: bool = False
    rest: bool = False
    after_hole: bool = False

    @property
    def net(self) -> Decimal:
        """Profit or loss after costs, USD (trading.md, Metrics)."""
        return self.gross - self.fees - self.funding

    @property
    def is_open(self) -> bool:
        """Whether contracts are open."""
        return self.contracts > 0
