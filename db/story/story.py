"""What the story of a trigger consists of. Prices and USD are Decimals, times aware UTC; None is not known."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from atlas.money.entry import Check
from atlas.strat.setup import Side

Unit = Literal["usd", "price", "contracts", "times", "share"]


class StoryBar(msgspec.Struct, frozen=True):
    """One bar of the setup's timeframe. `role` is C1 (the setup bar), C2, a bar of the run before it, `entry` or none.

    `decided` says that the setup was read from it as it stands here, `skipped` how many bars before it are left out.
    """

    open_time: datetime
    close_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    type: str | None
    role: str | None
    decided: bool
    verified: bool
    skipped: int = 0


class FrameAnswer(msgspec.Struct, frozen=True):
    """One frame at that instant: the open of its period where it is known, and whether it agreed with the side."""

    frame: str
    answer: Literal["agrees", "disagrees", "unknown"]
    open: Decimal | None


class Executed(msgspec.Struct, frozen=True):
    """The product a trade was made on where its signal came from another: its own bars, of the setup's timeframe.

    Fills and levels of the trade are in its prices; `trigger` is the trigger's price translated by `ratio`, executed ÷
    signal price at that instant.
    """

    symbol: str
    trigger: Decimal
    ratio: Decimal
    bars: tuple[StoryBar, ...]


class Continuity(msgspec.Struct, frozen=True):
    """Timeframe continuity at one instant (strat.md 4); `price` is the one it was measured at, None if not recorded."""

    moment: Literal["detection", "trigger"]
    at: datetime
    side: Side
    mode: str
    price: Decimal | None
    score: str
    needed: int
    full: bool
    frames: tuple[FrameAnswer, ...]


class SizingStep(msgspec.Struct, frozen=True):
    """One step of the sizing, in order. `how` is the formula with its numbers; `bound`: this one set the size."""

    name: str
    value: Decimal
    unit: Unit
    how: str
    bound: bool = False


class Deed(msgspec.Struct, frozen=True):
    """One thing that happened, in the order of time. `amount` is USD into (> 0) or out of the account's cash."""

    at: datetime
    kind: str
    text: str
    price: Decimal | None = None
    contracts: Decimal | None = None
    amount: Decimal | None = None


class Money(msgspec.Struct, frozen=True):
    """What came of it, USD: net = gross − fees − funding, slippage is inside the prices. So far while it is open.

    `booked` is the sum of the ledger's legs on cash for this trade: it equals net, or something is wrong. The
    excursions are in R.
    """

    gross: Decimal
    fees: Decimal
    funding: Decimal
    slippage: Decimal
    net: Decimal
    booked: Decimal
    risk_at_entry: Decimal
    r: Decimal | None
    mae_r: Decimal | None
    mfe_r: Decimal | None


class StoryTrade(msgspec.Struct, frozen=True):
    """The position that the trigger became; `exit_…` are None while it is open, `seconds` is how long it was held."""

    symbol: str
    status: Literal["open", "closed"]
    entry_time: datetime
    entry_price: Decimal
    contracts: Decimal
    contract_size: Decimal
    stop: Decimal
    first_stop: Decimal
    target: Decimal
    leverage: Decimal
    tier: str
    margin: Decimal
    liquidation: Decimal | None
    exit_time: datetime | None
    exit_price: Decimal | None
    exit_reason: str | None
    seconds: int | None
    marks: tuple[str, ...]
    money: Money


class Story(msgspec.Struct, frozen=True):
    """Everything about one trigger. `outcome` is None while it is on its way.

    `setup` is the unresolved name, `name` the one resolved by the break. `price` is that of the triggering trade.
    `gates` are those it went through, in order; `gates_told` is False where only the one that rejected it is known.
    `why` says which rule gave the setup, `why_not` the gate that rejected it. `labels` are those of the setup bar.
    `executed` is None where the trade was made on the signal's own product, or there is none.
    """

    id: str
    account: str
    symbol: str
    timeframe: str
    setup: str
    name: str
    family: str
    side: Side
    outcome: Literal["trade", "rejected"] | None
    setup_time: datetime
    valid_from: datetime
    valid_until: datetime
    trigger: Decimal
    stop: Decimal
    target: Decimal
    at: datetime
    price: Decimal
    verified: bool
    missed: bool
    rules: str
    version: str
    why: tuple[str, ...]
    labels: tuple[str, ...]
    fifty: str | None
    bars: tuple[StoryBar, ...]
    executed: Executed | None
    continuity: tuple[Continuity, ...]
    gates: tuple[Check, ...]
    gates_told: bool
    why_not: Check | None
    sizing: tuple[SizingStep, ...]
    deeds: tuple[Deed, ...]
    trade: StoryTrade | None
