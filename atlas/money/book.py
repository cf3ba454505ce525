"""What the account, its positions, orders and ledger look like. Pure values; the rules stand in the modules beside."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from atlas.strat.setup import ContinuityReading, Side

Kind = Literal["market", "stop", "limit"]
Purpose = Literal["entry", "stop", "target", "invalidated", "deadline", "liquidated", "flatten"]


class Order(msgspec.Struct, frozen=True):
    """One order. `id` is derived from its position and purpose, so that the same order is never placed twice.

    `kind` market (now), stop (at or beyond `price`), limit (strictly beyond `price`). `side` is what is done: buy or
    sell. `purpose` is entry or the exit reason it stands for.
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


class Fill(msgspec.Struct, frozen=True):
    """One fill of an order. `reference` is the price before slippage; fee and slippage are USD for all of it."""

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


class Position(msgspec.Struct, frozen=True):
    """A position from entry to exit; every event about it carries the whole of it.

    `id` is the setup's id. `contracts` is what is open now, 0 when closed; `entry_contracts` what was opened.
    `stop` and `target` are the levels in force, on the tick; `first_stop` the first. `invalidation` is the price whose
    break before `entry_bar_end` invalidates it. `worst` and `best` are the extreme prices while open (MAE, MFE).
    `gross`, `fees`, `funding`, `slippage` are USD so far; `net` = gross − fees − funding.
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
    exit_price: Decimal | None = None
    exit_time: datetime | None = None
    exit_reason: str | None = None

    @property
    def net(self) -> Decimal:
        """Profit or loss after costs, USD (trading.md, Metrics)."""
        return self.gross - self.fees - self.funding

    @property
    def is_open(self) -> bool:
        """Whether contracts are open."""
        return self.contracts > 0
