"""Every message between actors. Commands are imperative, events past tense, state is a noun (architecture.md).

Inputs of the core: Trades, Missed, Depth, MarketTime, History, HistoryFailed, ExchangeCandles, Gap, FeedUp, FeedDown,
ProductsListed, Halt, Resume, Flatten, ClosePosition. Everything else is caused by them. An event that goes to the
journal has a `key`: unique within an account, derived, never a clock or a chance number, so that the same event twice
is one row.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Union

import msgspec

from atlas.market.bar import Bar, Tick
from atlas.market.guess import Guess
from atlas.market.product import Product
from atlas.money.book import AccountState, Fill, Leg, Order, Position
from atlas.money.depth import Book
from atlas.money.entry import Check
from atlas.money.sizing import Size
from atlas.rules import Rules
from atlas.strat.context import Context
from atlas.strat.continuity import Turn
from atlas.strat.labels import FiftyPercentState
from atlas.strat.setup import ContinuityReading, Setup, Side


class Message(msgspec.Struct, frozen=True, tag=True, tag_field="message", omit_defaults=True):
    """The base of all messages: immutable, tagged with their own name on disk."""


class Event(Message, frozen=True):
    """A message the journal keeps."""

    @property
    def key(self) -> str:
        """The event's derived id, unique within an account."""
        raise NotImplementedError  # each kind of event has its own


# ── market ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Trades(Message, frozen=True):
    """The new trades of one product in one frame, oldest first.

    `source` is feed (seen live), snapshot (already printed before we were subscribed) or rest (asked for while the feed
    is down). `guess` comes with the one trade that is a point of a candle's path (files of candles).
    """

    symbol: str
    ticks: tuple[Tick, ...]
    source: Literal["feed", "snapshot", "rest"] = "feed"
    guess: Guess | None = None


class Traded(Message, frozen=True, gc=False):
    """One trade, as the core hands it to scanner, broker, risk monitor and entry monitor, in that order.

    One from the `candles` of a time in which ATLAS was down, or by `rest`, goes to broker and risk monitor alone.
    """

    symbol: str
    tick: Tick
    source: Literal["feed", "snapshot", "rest", "candles"] = "feed"
    guess: Guess | None = None

    @property
    def tradable(self) -> bool:
        """Whether orders of ours find it in the market: not one that had printed before we were subscribed."""
        return self.source != "snapshot"

    @property
    def live(self) -> bool:
        """Whether it comes in its order: what a subscription replays or REST tells may be older than what is open."""
        return self.source in ("feed", "candles")


class MarketTime(Message, frozen=True):
    """The exchange's clock has reached `at`: from a heartbeat."""

    at: datetime


class Missed(Message, frozen=True):
    """The finest candles of the products with open positions, from a time in which ATLAS was down: what it missed.

    `after` is the market time of the last committed input: only what came later counts. `since` is the last sign of
    life, `until` the exchange's clock when the candles were asked for. More may follow (candles take time, and time
    goes on meanwhile) until one is `last`. `before` is the last candle of each product that closed by then, where one
    is known: what was stored of its last trade may be older.
    """

    after: datetime
    since: datetime
    until: datetime
    candles: dict[str, tuple[Bar, ...]]
    last: bool = True
    before: dict[str, Bar] = {}


class SettlingBegun(Message, frozen=True):
    """What was missed of `symbols` is settled from here on, in the order of its time; the others as in Missed."""

    since: datetime
    symbols: tuple[str, ...]
    before: dict[str, Bar] = {}


class SettlingEnded(Message, frozen=True):
    """What was missed up to `until` is settled: older trades that are told again decide nothing."""

    until: datetime
    last: bool


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


class ReadListing(Message, frozen=True):
    """Ask `history` to read the listing now: there is reason to think that a product is not traded any more."""


class WatchPrices(Message, frozen=True):
    """Ask `rest_prices` for the trades of these products, later than the last one known of each; none: it is over."""

    since: dict[str, datetime | None]


class ConfirmBars(Message, frozen=True):
    """Ask `history` whether the exchange's own candles equal these closed bars of one timeframe, oldest first."""

    symbol: str
    bars: tuple[Bar, ...]


class ExchangeCandles(Message, frozen=True):
    """The exchange's own candles of periods that have closed, by timeframe: the bars are held against them."""

    symbol: str
    frames: tuple[FrameBars, ...]


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
    """The socket is subscribed and its acknowledgement equals the request, but for the products it goes on `without`.

    Of those no price comes: they count as if the feed were down.
    """

    at: datetime | None = None
    without: tuple[str, ...] = ()


class Leased(Message, frozen=True):
    """The products this shard may enter from now on; of others' triggers nothing is entered.

    `entered` are setups that other shards of the group have entered → the end of their entry bar.
    """

    products: tuple[str, ...]
    entered: dict[str, datetime] = {}


class FeedDown(Message, frozen=True):
    """The socket is gone or not to be trusted; entries are halted until it is up and repaired."""

    reason: str


class Depth(Message, frozen=True):
    """The best levels of one product's order book as of its place in the feed, best first; none where not known."""

    symbol: str
    at: datetime
    book: Book


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


class FrameNow(msgspec.Struct, frozen=True, array_like=True):
    """The current period of one timeframe, [open_time, close_time), as its scanner sees it.

    `bar` is the forming bar, None while the period has no trade. `prior_high` and `prior_low` are those of the last
    closed bar, None if there is none. `known`: the data reach back to the period's open.
    """

    timeframe: str
    open_time: datetime
    close_time: datetime
    bar: Bar | None
    prior_high: Decimal | None
    prior_low: Decimal | None
    known: bool


class Forming(Message, frozen=True):
    """Display only, latest wins: the current period of every timeframe of one product, shortest first.

    They stand so at market time `at`; `mode` is how continuity is read off them.
    """

    symbol: str
    at: datetime
    mode: str
    frames: tuple[FrameNow, ...]


class PastBars(Message, frozen=True):
    """Display only, latest wins: the bars of one product as last had from REST, `as_of` exchange time."""

    symbol: str
    as_of: datetime
    frames: tuple[FrameBars, ...]


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class BarClosed(Event, frozen=True):
    """A bar of a watched timeframe closed. `type` is null, 1, 2U, 2D or 3; `revision` counts replacements by REST.

    `first_side` is the side of a 3 that broke first, long for the high, None where unknown and of any other bar.
    `in_break`: a break of the product's session lies in it, or a part of one (lesson 61). `repaired`: it is from REST.
    """

    symbol: str
    bar: Bar
    type: str | None
    verified: bool
    revision: int = 0
    first_side: Side | None = None
    in_break: bool = False
    repaired: bool = False

    @property
    def key(self) -> str:
        """symbol:timeframe:open time, and the revision if replaced."""
        return f"bar:{self.symbol}:{self.bar.timeframe}:{self.bar.open_time:%Y%m%dT%H%M}:{self.revision}"


class BarConfirmed(Event, frozen=True):
    """The exchange's own candle says the same of a closed bar. `closed_at` is the bar's end, `at` market time then.

    `count` is how often that timeframe has been repaired before: a bar replaced since is confirmed anew.
    """

    symbol: str
    timeframe: str
    open_time: datetime
    closed_at: datetime
    at: datetime
    count: int = 0

    @property
    def key(self) -> str:
        """symbol:timeframe:open time, and the count."""
        return f"confirmed:{self.symbol}:{self.timeframe}:{self.open_time:%Y%m%dT%H%M}:{self.count}"


class BarContradicted(Event, frozen=True):
    """The exchange's own candle differs from a closed bar (`ours` None: it has one where ATLAS saw no trade).

    The product is unverified until candles from REST have replaced it. `following` are the opens of the closed bars
    after it, as far as they are kept; `void` the setups in force that were read from bars of its timeframe. `count` is
    how often that timeframe has been repaired before.
    """

    symbol: str
    at: datetime
    ours: Bar | None
    theirs: Bar
    following: tuple[datetime, ...] = ()
    void: tuple[str, ...] = ()
    count: int = 0

    @property
    def key(self) -> str:
        """symbol:timeframe:open time, when it was found, and the count."""
        bar = self.theirs
        of = f"{self.symbol}:{bar.timeframe}:{bar.open_time:%Y%m%dT%H%M}"
        return f"contradicted:{of}:{self.at:%Y%m%dT%H%M%S}:{self.count}"


class SetupsRevised(Event, frozen=True):
    """What a contradicted bar has changed: the setups read at one close `before`, and `after` its replacement.

    `count` is how often that timeframe has been repaired.
    """

    symbol: str
    timeframe: str
    closed_at: datetime
    at: datetime
    before: tuple[Setup, ...]
    after: tuple[Setup, ...]
    count: int = 0

    @property
    def key(self) -> str:
        """symbol:timeframe:close of the setup bar, when it was replaced, and the count."""
        of = f"{self.symbol}:{self.timeframe}:{self.closed_at:%Y%m%dT%H%M}"
        return f"revised:{of}:{self.at:%Y%m%dT%H%M%S}:{self.count}"


class HoleFound(Event, frozen=True):
    """Trades of a product may be missing, `since` then (None: not known): its bars are unverified from here on.

    `count` numbers the holes of a product in one process.
    """

    symbol: str
    at: datetime
    since: datetime | None
    reason: str
    count: int = 0

    @property
    def key(self) -> str:
        """The product, when it was found, and the count."""
        return f"hole:{self.symbol}:{self.at:%Y%m%dT%H%M%S}:{self.count}"


class HoleRepaired(Event, frozen=True):
    """The bars of a product are whole: candles from REST cover what was missing, also of before this start.

    `count` is that of the last hole, 0 at the start.
    """

    symbol: str
    at: datetime
    count: int = 0

    @property
    def key(self) -> str:
        """The product, when, and the count."""
        return f"whole:{self.symbol}:{self.at:%Y%m%dT%H%M%S}:{self.count}"


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

    `continuity` holds the reading at detection for each side, `contexts` the labels for each side there is a setup of;
    what was told of a setup first stands. `verified` is False while a hole is not repaired. `unseen` is the part of the
    entry bar that passed before ATLAS could see it. `bars` are the closed bars the setups were read from, oldest first.
    """

    symbol: str
    timeframe: str
    closed_at: datetime
    setups: tuple[Setup, ...]
    continuity: dict[str, ContinuityReading]
    verified: bool
    unseen: Unseen | None = None
    revision: int = 0
    contexts: dict[str, Context] = {}
    bars: tuple[Bar, ...] = ()

    @property
    def key(self) -> str:
        """symbol:timeframe:close of the setup bar, and the revision if re-derived."""
        return f"setups:{self.symbol}:{self.timeframe}:{self.closed_at:%Y%m%dT%H%M}:{self.revision}"


class ContinuityFlipped(Event, frozen=True):
    """Full timeframe continuity turned: gained, lost, or flipped to the other side (strat.md 4).

    At `price` it went from one side to another, None for disagreement. `count` numbers the turns of a product. `first`:
    it was found so when the market was first looked at.
    """

    symbol: str
    at: datetime
    before: Side | None
    after: Side | None
    turn: Turn
    price: Decimal
    count: int
    first: bool = False

    @property
    def key(self) -> str:
        """The product and the count."""
        return f"full:{self.symbol}:{self.count}"


class ContinuityHeld(Event, frozen=True):
    """Full timeframe continuity has been on one side `since` then, long enough for the owner to be told.

    `before` is the side told last, None if none was.
    """

    symbol: str
    at: datetime
    side: Side
    since: datetime
    before: Side | None

    @property
    def key(self) -> str:
        """The product and when it was told."""
        return f"held:{self.symbol}:{self.at:%Y%m%dT%H%M%S.%f}"


class DataVerified(Message, frozen=True):
    """Whether one product's bars are whole: False from a gap until REST has replaced what it touched."""

    symbol: str
    verified: bool


class PeriodEnded(Message, frozen=True):
    """A scanner's own timer: market time is past the end of a period by the grace, whether or not a trade came."""

    timeframe: str
    close_time: datetime


class HoldDue(Message, frozen=True):
    """A scanner's own timer: see whether full continuity has held on its side."""


class EntryLapses(Message, frozen=True):
    """The broker's own timer: an entry order that is not filled by now expires."""

    order_id: str


class FundingDue(Message, frozen=True):
    """The broker's own timer: market time has passed an hour boundary."""

    at: datetime


class DayDue(Message, frozen=True):
    """The risk monitor's own timer: a trading day begins."""

    at: datetime


class WindowDue(Message, frozen=True):
    """The risk monitor's own timer: a deadline (five minutes before an intraday window ends), or the end itself."""

    at: datetime


class ExitDue(Message, frozen=True):
    """The risk monitor's own timer: a position is to be closed by now, if it is still open."""

    position_id: str
    reason: Literal["max_bars", "expired"]
    at: datetime


class MeasureContinuity(Message, frozen=True):
    """Ask a scanner for the continuity at the trigger."""

    symbol: str
    setup_id: str
    timeframe: str
    side: Side
    price: Decimal


class ContinuityMeasured(Message, frozen=True):
    """A scanner's answer. `reading` None: it could not be computed, which rejects the entry.

    `fifty` is the 50 % rule of the entry bar at this trade.
    """

    setup_id: str
    reading: ContinuityReading | None
    fifty: FiftyPercentState | None = None


class EntryTriggered(Event, frozen=True):
    """A trade went strictly beyond a setup's trigger (or had, before ATLAS could see it: `missed`).

    Ends as a PositionOpened or as exactly one Rejected. `name` is resolved by the side that broke. `context` are the
    labels of the setup bar, `fifty` the 50 % rule of the entry bar at this trade (None: not measured).
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
    context: Context | None = None
    fifty: FiftyPercentState | None = None

    @property
    def key(self) -> str:
        """The setup's id: each setup triggers at most once, for ever."""
        return f"triggered:{self.setup.id}"


class Judged(Event, frozen=True):
    """A trigger went through the gates: what they looked at and no other event tells, and what each measured.

    `product` is the one executed, `reference` its price with bid and ask as of it, `ratio` executed ÷ signal price
    (None: one product). `marks` are the last prices of what is open, `equity`, `available` and `base` (of the daily
    loss limit) the account in USD as the gates saw it. `checks` are the gates it passed, and the one it failed at, in
    order; `size` every step of the sizing, None if it failed before. Early versions told neither. `lease` says why this
    shard might not enter the product, None where it might.
    """

    setup_id: str
    at: datetime
    product: str
    reference: Decimal
    bid: Decimal | None
    ask: Decimal | None
    marks: dict[str, Decimal]
    equity: Decimal
    available: Decimal
    base: Decimal
    ratio: Decimal | None = None
    checks: tuple[Check, ...] = ()
    size: Size | None = None
    lease: str | None = None

    @property
    def key(self) -> str:
        """The setup's id."""
        return f"judged:{self.setup_id}"


class Rejected(Event, frozen=True):
    """A trigger that is no trade: the first gate that failed, its value and threshold.

    One that `repeats` says that a setup asked once more: what its trigger became stands, and that is counted.
    """

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
        return f"rejected:{self.setup_id}:again" if self.repeats else f"rejected:{self.setup_id}"

    @property
    def repeats(self) -> bool:
        """Whether the setup had triggered before: each does at most once, for ever."""
        return self.gate == "already_triggered"


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


class MoveOrder(Message, frozen=True):
    """Ask the broker to give a resting stop another price."""

    order_id: str
    price: Decimal


class Remargin(Message, frozen=True):
    """Ask the broker to reserve an open position's margin anew, at this leverage; its liquidation price moves."""

    position_id: str
    leverage: Decimal
    tier: str


class OrderAccepted(Event, frozen=True):
    """The broker holds the order."""

    order: Order
    at: datetime

    @property
    def key(self) -> str:
        """The order's id."""
        return f"accepted:{self.order.id}"


class OrderRejected(Event, frozen=True):
    """The broker refused the order, e.g. `margin`; nothing was reserved.

    An entry that was accepted and travelled (latency) may still be refused when it reaches the market. `duplicate`
    answers an id that is finished; that is told to the risk monitor alone.
    """

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
    """A resting order is gone, or what was not filled of it."""

    order_id: str
    at: datetime
    reason: str

    @property
    def key(self) -> str:
        """The order's id."""
        return f"cancelled:{self.order_id}"


class OrderExpired(Event, frozen=True):
    """An entry was not filled in its time: the entry bar is over, or ATLAS was down."""

    order_id: str
    at: datetime
    reason: str

    @property
    def key(self) -> str:
        """The order's id."""
        return f"expired:{self.order_id}"


class StopReached(Event, frozen=True):
    """A trade has reached a stop, which is a market order now and fills from `due` on: the latency later."""

    order_id: str
    position_id: str
    at: datetime
    due: datetime

    @property
    def key(self) -> str:
        """The order's id."""
        return f"reached:{self.order_id}"


class OrderMoved(Event, frozen=True):
    """A resting order has another price; `count` numbers the moves of this order, from 1."""

    order_id: str
    position_id: str
    at: datetime
    price: Decimal
    count: int

    @property
    def key(self) -> str:
        """The order's id and the count."""
        return f"moved:{self.order_id}:{self.count}"


class Filled(Event, frozen=True):
    """An order was filled, or a part of it; with the ledger movements it made and the account after it.

    `order` is the order as it stood before: its contracts are those not filled yet, and at most what is open. `margin`
    is what is reserved for the position after the fill, `gross` the realised profit of an exit in USD. `number` counts
    the fills of one order from 0.
    """

    order: Order
    fill: Fill
    legs: tuple[Leg, ...]
    account: AccountState
    margin: Decimal
    gross: Decimal = Decimal(0)
    liquidation: Decimal | None = None
    number: int = 0

    @property
    def key(self) -> str:
        """The order's id, and the count from the second fill on."""
        return f"filled:{self.order.id}:{self.number}" if self.number else f"filled:{self.order.id}"

    @property
    def complete(self) -> bool:
        """Whether nothing of the order is left."""
        return self.fill.contracts == self.order.contracts


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


class Remargined(Event, frozen=True):
    """The margin of an open position was reserved anew (the leverage step); `margin` is what is reserved now, USD."""

    position_id: str
    symbol: str
    at: datetime
    leverage: Decimal
    tier: str
    margin: Decimal
    liquidation: Decimal | None
    legs: tuple[Leg, ...]
    account: AccountState

    @property
    def key(self) -> str:
        """Position and instant."""
        return f"remargined:{self.position_id}:{self.at:%Y%m%dT%H%M%S}"


class TermsSet(Event, frozen=True):
    """What gates and money go by from here on: the rules, and the products as listed.

    Told when they change, and with `started` when a process begins: only halts by a person or the daily loss outlive
    the one before. `fingerprint` is that of the rules and `digest` that of all of it, as they were when it was told:
    a later version may know more of both.
    """

    at: datetime
    rules: Rules
    products: tuple[Product, ...]
    fingerprint: str
    digest: str
    started: bool = False

    @property
    def key(self) -> str:
        """The instant and the digest."""
        return f"terms:{self.at:%Y%m%dT%H%M%S}:{self.digest}"


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


class PositionDoubted(Event, frozen=True):
    """An open position was entered on a bar that the exchange's own candle contradicts; `text` says it to the owner."""

    position_id: str
    symbol: str
    at: datetime
    timeframe: str
    open_time: datetime
    text: str

    @property
    def key(self) -> str:
        """The position's id: it is told once."""
        return f"doubted:{self.position_id}"


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
    """Stop entries. `source` person, feed, drift, database, disk, disk_space or supervisor; each lifts only its own."""

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
    `base` is what the day's loss counts from after it, USD, where a person lifted the daily loss; else None.
    """

    at: datetime
    halts: dict[str, str]
    count: int
    source: str = ""
    reason: str = ""
    lifted: bool = False
    base: Decimal | None = None

    @property
    def key(self) -> str:
        """The count."""
        return f"halts:{self.count}"


class CommandBegun(Event, frozen=True):
    """A command is under way: what it is doing, for the row it came from."""

    command_id: int
    at: datetime
    result: str

    @property
    def key(self) -> str:
        """The command's row."""
        return f"command:{self.command_id}:begun"


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


class NightAudited(Event, frozen=True):
    """A recorded day was replayed and compared with what was committed of it, in a process of its own.

    `day` is the UTC day recorded, `at` when the audit ended. `differences` counts the events that differ or that only
    one of the two has, `first` says in words which came first, `note` what could not be replayed.
    """

    day: date
    at: datetime
    inputs: int
    events: int
    differences: int
    first: str = ""
    note: str = ""

    @property
    def key(self) -> str:
        """The day."""
        return f"night_audit:{self.day.isoformat()}"


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
    Trades, Missed, Depth, MarketTime, History, HistoryFailed, ExchangeCandles, Gap, Snapshot, FeedUp, FeedDown,
    ProductsListed, Halt, Resume, Flatten, ClosePosition, Leased,
]  # fmt: skip
AnyMessage = Union[  # noqa: UP007  as above
    Input, Traded, SettlingBegun, SettlingEnded, LoadHistory, ReadListing, WatchPrices, ConfirmBars, Quote, Forming,
    PastBars, BarClosed, BarConfirmed, BarContradicted, HoleFound, HoleRepaired, SetupsRevised, LateTrade,
    SetupsReplaced,
    DataVerified, PeriodEnded, FundingDue, DayDue, WindowDue, ExitDue, HoldDue, MeasureContinuity, ContinuityMeasured,
    ContinuityFlipped, ContinuityHeld,
    EntryTriggered, Rejected, Invalidated, PlaceOrder, CancelOrder, MoveOrder, Remargin, OrderAccepted, OrderRejected,
    OrderCancelled, OrderExpired, StopReached, OrderMoved, Filled, FundingPaid, Remargined, TermsSet, Judged,
    AccountOpened, PositionOpened, PositionChanged, PositionClosed, PositionDoubted, DayStarted, HaltChanged,
    EntryLapses, CommandBegun, CommandDone, Alert, NightAudited, Flush, OutboxReady, Pulse, Pulsed, Crashed, Retired,
    Fatal, DeadLetter,
]  # fmt: skip

_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """Return the message as JSON: Decimals as strings, times ISO 8601 UTC; the same message, the same bytes."""
    return _encoder.encode(message)


def decode(text: bytes | str) -> Any:
    """Return the message `encode` wrote. Raises msgspec.ValidationError on anything else."""
    return _decoder.decode(text)
