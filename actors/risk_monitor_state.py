"""What the risk monitor keeps: approved entries, open positions, the account as it last heard of it, halts."""

from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import EntryTriggered
from actors.risk_monitor_away import Away
from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.market.retold import Told
from atlas.money.book import AccountState, Order, Position, Purpose
from atlas.money.entry import Approval, PendingEntry
from atlas.money.ledger import EMPTY
from atlas.money.unsettled import Unsettled


class Entering(msgspec.Struct):
    """An approved trigger and what is reserved for it. Its order is with the broker, unless `after` names positions
    that a flip closes first."""

    trigger: EntryTriggered
    approval: Approval
    pending: PendingEntry
    order: Order
    after: list[str] = []


class Worth(msgspec.Struct, frozen=True):
    """What so many contracts of a position would bring at a price, USD."""

    mark: Decimal
    contracts: Decimal
    profit: Decimal


class Managed(msgspec.Struct):
    """An open position; `changes` counts its events, `leaving` is the reason of an exit already ordered.

    `fresh` until a trade of its product has been seen since the entry's fill. `told_at` is when an event last told the
    whole of it, `untold` whether its worst or best price has moved since. `refusals` counts exits the broker refused.
    `worth` is what was found when the account was looked at last.
    """

    position: Position
    changes: int = 0
    leaving: Purpose | None = None
    fresh: bool = False
    told_at: datetime | None = None
    untold: bool = False
    refusals: int = 0
    worth: Worth | None = None


class Closing(msgspec.Struct):
    """A person's command under way: what it still waits for, by position, and how the others ended, in words."""

    waiting: list[str]
    told: list[str] = []


class RiskState(msgspec.Struct):
    """`halts` source → reason; `day` is the trading day and `day_equity` what it began with.

    `undecided` are triggers that an earlier process left without trade or rejection. `closing` are commands under way,
    by their number. `last` is each product's last price and `last_at` its time; `ticks` are the last trades of products
    that another one gives the signals for. `feed_up` says whether prices come, all but those of `without`; `overdue`
    that a deadline passed while none did. `seen` is when a product held was last heard of, `silent` are those of which
    the owner was told. `decided` are the setups that have triggered → the end of their entry bar. `away` gathers what
    happened while ATLAS was down as long as that is being settled, `settled` is how far it has come. `left` is when the
    last position of each product was closed. `told` are the trades REST has told of while the feed was down,
    `watching` says that it is asked to. `unsettled` is what was held over a restart until that time is settled.
    `leased` are the products this shard may enter, None where there are no shards.
    """

    account: AccountState = EMPTY
    positions: dict[str, Managed] = {}
    entering: dict[str, Entering] = {}
    products: dict[str, Product] = {}
    last: dict[str, Decimal] = {}
    last_at: dict[str, datetime] = {}
    ticks: dict[str, Tick] = {}
    halts: dict[str, str] = {}
    halt_count: int = 0
    day: str = ""
    day_equity: Decimal | None = None
    undecided: list[EntryTriggered] = []
    closing: dict[int, Closing] = {}
    feed_up: bool = False
    without: tuple[str, ...] = ()
    overdue: bool = False
    seen: dict[str, datetime] = {}
    silent: list[str] = []
    decided: dict[str, datetime] = {}
    away: Away | None = None
    settled: datetime | None = None
    told: Told = {}
    unsettled: Unsettled | None = None
    watching: bool = False
    left: dict[str, datetime] = {}
    leased: tuple[str, ...] | None = None

    def not_leased(self, product: str) -> str | None:
        """Return why this shard may not enter a product, None where it may."""
        if self.leased is None or product in self.leased:
            return None
        return f"{product} is another shard's, or nobody's yet"

    @property
    def priced(self) -> bool:
        """Whether prices come: from the feed, from REST, or from the candles of a time in which ATLAS was down."""
        return self.feed_up or bool(self.told) or self.away is not None
