"""Every message between actors. Commands are imperative, events past tense, state is a noun (architecture.md).

Inputs of the core: Trades, MarketTime, History, HistoryFailed, Gap, FeedUp, FeedDown, ProductsListed, Halt, Resume,
Flatten, ClosePosition. Everything else is caused by them. An event that goes to the journal has a `key`: unique within
an account, derived, never a clock or a chance number, so that the same event twice is one row.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Union

import msgspec

from atlas.market.bar import Bar, Tick
from atlas.market.product import Product
from atlas.money.book import AccountState, Fill, Leg, Order, Position
from atlas.strat.setup import ContinuityReading, Setup, Side


class Message(msgspec.Struct, frozen=True, tag=True, tag_field="message", omit_defaults=True):
    """The base of all messages: immutable, tagged with their own name on disk."""


class Event(Message, frozen=True):
    """A message the journal keeps."""

    @property
    def key(self) -> str:
        """The event's derived id, unique within an account."""
        raise NotImplementedError


# ── market ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Trades(Message, frozen=True):
    """The new trades of one product in one frame, oldest first.

    `source` is feed (seen live), snapshot (already printed before we were subscribed) or rest.
    """

    symbol: str
    ticks: tuple[Tick, ...]
    source: Literal["feed", "snapshot", "rest"] = "feed"


class Traded(Message, frozen=True):
    """One trade, as the core hands it to scanner, broker, risk monitor and entry monitor, in that order."""

    symbol: str
    tick: Tick
    source: Literal["feed", "snapshot", "rest"] = "feed"


class MarketTime(Message, frozen=True):
    """The exchange's clock has reached `at`: from a heartbeat."""

    at: datetime


class FrameBars(msgspec.Struct, frozen=True, array_like=True):
    """Closed bars of one timeframe, oldest first, and the forming one as of the load (None if nothing traded yet).

    `whole` is False where the source begins after the current period opened (a file): that period's bar is partial, so
    it is neither listed nor a neighbour, and its open is not known (strat.md 1).
    """

    timeframe: str
    closed: tuple[Bar, ...]
    forming: Bar | None
    whole: bool = True


class History(Message, frozen=True):
    """Candles of one product from REST. Every trade up to `as_of` (exchange time) is in them."""

    symbol: str
    as_of: datetime
    frames: tuple[FrameBars, ...]
    reason: str = "start"


class HistoryFailed(Message, frozen=True):
    """The candles of one product could not be had; the product stays unverified. History tries again by itself."""

    symbol: str
    reason: str


class LoadHistory(Message, frozen=True):
    """Ask `history` for the candles of one product."""

    symbol: str
    reason: str


class Snapshot(Message, frozen=True):
    """The recent trades the exchange replays on subscription have been handed over (maybe none).

    `at` is the frame's timestamp, `oldest` the oldest trade's time. The scanner tells from it whether anything was
    lost between its history and the subscription.
    """

    symbol: str
    at: datetime
    oldest: datetime | None


class Gap(Message, frozen=True):
    """Trades of one product may have been lost after `since` (None: unknown).

    `reconnect`: the connection is gone and the hole stays open until the Snapshot of the next one; else it has ended
    by now.
    """

    symbol: str
    since: datetime | None
    reason: str
    reconnect: bool = False


class FeedUp(Message, frozen=True):
    """The socket is subscribed and its acknowledgement equals the request."""

    at: datetime | None = None


class FeedDown(Message, frozen=True):
    """The socket is gone or not to be trusted; entries are halted until it is up and repaired."""

    reason: str


class ProductsListed(Message, frozen=True):
    """The products traded, as the exchange lists them now."""

    products: tuple[Product, ...]


class Quote(Message, frozen=True):
    """Display only, latest wins: last price, bid and ask."""

    symbol: str
    at: datetime
    price: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class BarClosed(Event, frozen=True):
    """A bar of a watched timeframe closed. `type` is null, 1, 2U, 2D or 3; `revision` counts replacements by REST."""

    symbol: str
    bar: Bar
    type: str | None
    verified: bool
    revision: int = 0

    @property
    def key(self) -> str:
        """symbol:timeframe:open time, and the revision if replaced."""
        return f"bar:{self.symbol}:{self.bar.timeframe}:{self.bar.open_time:%Y%m%dT%H%M}:{self.revision}"


class LateTrade(Event, frozen=True):
    """A trade older than a closed bar: it changes no type, setup or trigger, on any timeframe.

    The scanner tells the journal, and the entry monitor before that gets the trade itself.
    """

    symbol: str
    tick: Tick

    @property
    def key(self) -> str:
        """symbol and trade id."""
        return f"late:{self.symbol}:{self.tick.trade_id}"


class Unseen(msgspec.Struct, frozen=True, array_like=True):
    """The part of an entry bar that ATLAS did not see live: its extremes and which came first, long or short."""

    high: Decimal
    low: Decimal
    first: Side | None


class SetupsReplaced(Event, frozen=True):
    """The setups of one symbol and timeframe, from the bar that just closed; they replace all earlier ones.

    `continuity` holds the reading at detection for each side. `verified` is False while a hole is not repaired.
    `unseen` is the part of the entry bar that passed before ATLAS could see it.
    """

    symbol: str
    timeframe: str
    closed_at: datetime
    setups: tuple[Setup, ...]
    continuity: dict[str, ContinuityReading]
    verified: bool
    unseen: Unseen | None = None
    revision: int = 0

    @property
    def key(self) -> str:
        """symbol:timeframe:close of the setup bar, and the revision if re-derived."""
        return f"setups:{self.symbol}:{self.timeframe}:{self.closed_at:%Y%m%dT%H%M}:{self.revision}"


class DataVerified(Message, frozen=True):
    """Whether one product's bars are whole: False from a gap until REST has replaced what it touched."""

    symbol: str
    verified: bool


class PeriodEnded(Message, frozen=True):
    """A scanner's own timer: market time is past the end of a period by the grace, whether or not a trade came."""

    timeframe: str
    close_time: datetime


class FundingDue(Message, frozen=True):
    """The broker's own timer: market time has passed an hour boundary."""

    at: datetime


class DayDue(Message, frozen=True):
    """The risk monitor's own timer: a trading day begins."""

    at: datetime


class MeasureContinuity(Message, frozen=True):
    """Ask a scanner for the continuity at the trigger."""

    symbol: str
    setup_id: str
    timeframe: str
    side: Side
    price: Decimal


class ContinuityMeasured(Message, frozen=True):
    """A scanner's answer. `reading` None: it could not be computed, which rejects the entry."""

    setup_id: str
    reading: ContinuityReading | None


class EntryTriggered(Event, frozen=True):
    """A trade went strictly beyond a setup's trigger (or had, before ATLAS could see it: `missed`).

    Ends as a PositionOpened or as exactly one Rejected. `name` is resolved by the side that broke.
    """

    setup: Setup
    name: str
    tick: Tick
    detection: ContinuityReading
    at_trigger: ContinuityReading | None
    verified: bool
    missed: bool
    rules: str
    version: str

    @property
    def key(self) -> str:
        """The setup's id: each setup triggers at most once, for ever."""
        return f"triggered:{self.setup.id}"


class Rejected(Event, frozen=True):
    """A trigger that is no trade: the first gate that failed, its value and threshold."""

    setup_id: str
    symbol: str
    timeframe: str
    family: str
    name: str
    side: Side
    at: datetime
    gate: str
    value: str
    threshold: str

    @property
    def key(self) -> str:
        """The setup's id."""
        return f"rejected:{self.setup_id}"


class Invalidated(Event, frozen=True):
    """The opposite side of a one-sided setup broke first, or the sibling of a two-sided one: no trigger."""

    setup_id: str
    symbol: str
    timeframe: str
    at: datetime
    reason: Literal["opposite_broke", "sibling_triggered"]

    @property
    def key(self) -> str:
        """The setup's id."""
        return f"invalidated:{self.setup_id}"


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class PlaceOrder(Message, frozen=True):
    """Ask the broker to place an order. The same order id twice is one order."""

    order: Order


class CancelOrder(Message, frozen=True):
    """Ask the broker to cancel a resting order."""

    order_id: str


class OrderAccepted(Event, frozen=True):
    """The broker holds the order."""

    order: Order
    at: datetime

    @property
    def key(self) -> str:
        """The order's id."""
        return f"accepted:{self.order.id}"


class OrderRejected(Event, frozen=True):
    """The broker refused the order, e.g. `margin`; nothing was reserved."""

    order: Order
    at: datetime
    reason: str
    value: str
    threshold: str

    @property
    def key(self) -> str:
        """The order's id."""
        return f"order_rejected:{self.order.id}"


class OrderCancelled(Event, frozen=True):
    """A resting order is gone without a fill."""

    order_id: str
    at: datetime
    reason: str

    @property
    def key(self) -> str:
        """The order's id."""
        return f"cancelled:{self.order_id}"


class Filled(Event, frozen=True):
    """An order was filled; with the ledger movements it made and the account after it.

    `margin` is what is reserved for the position after the fill, `gross` the realised profit of an exit in USD.
    """

    order: Order
    fill: Fill
    legs: tuple[Leg, ...]
    account: AccountState
    margin: Decimal
    gross: Decimal = Decimal(0)
    liquidation: Decimal | None = None

    @property
    def key(self) -> str:
        """The order's id."""
        return f"filled:{self.order.id}"


class FundingPaid(Event, frozen=True):
    """Funding of one hour boundary for one open position; `amount` > 0 was paid, < 0 received, USD."""

    position_id: str
    symbol: str
    at: datetime
    rate: Decimal
    mark: Decimal
    amount: Decimal
    legs: tuple[Leg, ...]
    account: AccountState

    @property
    def key(self) -> str:
        """Position and hour."""
        return f"funding:{self.position_id}:{self.at:%Y%m%dT%H%M}"


class AccountOpened(Event, frozen=True):
    """The first deposit of a new account."""

    at: datetime
    legs: tuple[Leg, ...]
    account: AccountState

    @property
    def key(self) -> str:
        """One per account."""
        return "account_opened"


# ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────────


class PositionOpened(Event, frozen=True):
    """An entry was filled: the trade of a trigger."""

    position: Position

    @property
    def key(self) -> str:
        """The position's id."""
        return f"opened:{self.position.id}"


class PositionChanged(Event, frozen=True):
    """Something of an open position changed; `change` counts within the position."""

    position: Position
    change: int

    @property
    def key(self) -> str:
        """The position's id and the count."""
        return f"changed:{self.position.id}:{self.change}"


class PositionClosed(Event, frozen=True):
    """The last contract of a position is gone; its money is final."""

    position: Position

    @property
    def key(self) -> str:
        """The position's id: closing is idempotent."""
        return f"closed:{self.position.id}"


class DayStarted(Event, frozen=True):
    """A trading day began (in the account's timezone) with this equity: the base of the daily loss limit."""

    day: str
    at: datetime
    equity: Decimal

    @property
    def key(self) -> str:
        """The day."""
        return f"day:{self.day}"


# ── control ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Halt(Message, frozen=True):
    """Stop entries. `source` person, feed, drift, database, disk or supervisor; each lifts only its own."""

    source: str
    reason: str
    command_id: int | None = None


class Resume(Message, frozen=True):
    """Lift the halt of one source; a person's resume also lifts a daily-loss halt."""

    source: str
    command_id: int | None = None


class Flatten(Message, frozen=True):
    """Close every open position now."""

    by: str
    command_id: int | None = None


class ClosePosition(Message, frozen=True):
    """Close one position now."""

    position_id: str
    by: str
    command_id: int | None = None


class HaltChanged(Event, frozen=True):
    """The set of halts after a change: source → reason. `count` numbers the changes of this account.

    `source` is the one that began or, with `lifted`, ended to halt, and `reason` why; "" if only a reason changed.
    """

    at: datetime
    halts: dict[str, str]
    count: int
    source: str = ""
    reason: str = ""
    lifted: bool = False

    @property
    def key(self) -> str:
        """The count."""
        return f"halts:{self.count}"


class CommandDone(Event, frozen=True):
    """What a command did, for the row it came from."""

    command_id: int
    at: datetime
    result: str
    failed: bool = False

    @property
    def key(self) -> str:
        """The command's row."""
        return f"command:{self.command_id}"


# ── system ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class EventBatch(Message, frozen=True):
    """Everything one input of the core told the journal, in order: one transaction never splits it."""

    number: int
    at: datetime | None
    events: tuple[Any, ...]


class Alert(Event, frozen=True):
    """Something the owner is told that is not a trade: start, stop, feed down or up, a retired actor.

    `name` makes it unique: kind and what it is about.
    """

    kind: str
    name: str
    at: datetime
    text: str
    critical: bool = False

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"alert:{self.kind}:{self.name}"


class Flush(Message, frozen=True):
    """Ask the journal to write what it holds; the answer to an ask is the number of rows still unwritten."""


class OutboxReady(Message, frozen=True):
    """Committed alerts wait for the alerter."""


class Pulse(Message, frozen=True):
    """The supervisor asks for a sign of life; the shell answers."""

    number: int


class Pulsed(Message, frozen=True):
    """The answer: which actor, and what waits in its mailbox."""

    name: str
    number: int
    waiting: int


class Crashed(Message, frozen=True):
    """A behaviour raised; it was rebuilt and the message delivered once more."""

    name: str
    error: str
    traceback: str


class Retired(Message, frozen=True):
    """An actor crashed too often and takes no more messages."""

    name: str
    reason: str


class Fatal(Message, frozen=True):
    """An actor without which ATLAS must not go on has failed: orderly exit 70."""

    name: str
    reason: str


class DeadLetter(Message, frozen=True):
    """A message that could not be handled, kept with what is known about it."""

    to: str
    sender: str
    text: str
    reason: str
    traceback: str = ""


Input = Union[  # noqa: UP007  msgspec builds its decoder from a Union of classes
    Trades, MarketTime, History, HistoryFailed, Gap, Snapshot, FeedUp, FeedDown, ProductsListed,
    Halt, Resume, Flatten, ClosePosition,
]  # fmt: skip
AnyMessage = Union[  # noqa: UP007  as above
    Input, Traded, LoadHistory, Quote, BarClosed, LateTrade, SetupsReplaced, DataVerified, PeriodEnded, FundingDue,
    DayDue, MeasureContinuity, ContinuityMeasured,
    EntryTriggered, Rejected, Invalidated, PlaceOrder, CancelOrder, OrderAccepted, OrderRejected, OrderCancelled,
    Filled, FundingPaid, AccountOpened, PositionOpened, PositionChanged, PositionClosed, DayStarted, HaltChanged,
    CommandDone, Alert, Flush, OutboxReady, Pulse, Pulsed, Crashed, Retired, Fatal, DeadLetter,
]  # fmt: skip

_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """Return the message as JSON: Decimals as strings, times ISO 8601 UTC; the same message, the same bytes."""
    return _encoder.encode(message)


def decode(text: bytes | str) -> Any:
    """Return the message `encode` wrote. Raises msgspec.ValidationError on anything else."""
    return _decoder.decode(text)
