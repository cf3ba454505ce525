"""What the risk monitor keeps: approved entries, open positions, the account as it last heard of it, halts."""

from decimal import Decimal

import msgspec

from actors.messages import EntryTriggered
from atlas.market.product import Product
from atlas.money.book import AccountState, Position, Purpose
from atlas.money.entry import Approval, PendingEntry
from atlas.money.ledger import EMPTY


class Entering(msgspec.Struct):
    """An approved trigger whose order is with the broker, and what is reserved for it."""

    trigger: EntryTriggered
    approval: Approval
    pending: PendingEntry


class Managed(msgspec.Struct):
    """An open position; `changes` counts its events, `leaving` is the reason of an exit already ordered."""

    position: Position
    changes: int = 0
    leaving: Purpose | None = None


class RiskState(msgspec.Struct):
    """`halts` source → reason; `day` is the trading day and `day_equity` what it began with.

    `undecided` are triggers that an earlier process left without trade or rejection.
    """

    account: AccountState = EMPTY
    positions: dict[str, Managed] = {}
    entering: dict[str, Entering] = {}
    products: dict[str, Product] = {}
    last: dict[str, Decimal] = {}
    halts: dict[str, str] = {}
    halt_count: int = 0
    day: str = ""
    day_equity: Decimal | None = None
    undecided: list[EntryTriggered] = []
