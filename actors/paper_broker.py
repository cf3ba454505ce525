"""The paper broker: a venue of our own with real-venue money rules (strat.md 6, trading.md).

It owns the account: cash, margin, working orders and what they fill at. It looks at every trade before the risk monitor
and the entry monitor do, so a position is checked from the trade after the one that opened it. At one and the same
trade: liquidated, then stop, then a market exit that waits, then target.

A market order fills at the last trade, at once; with a latency at the first trade stamped so much later. While the feed
is down or the session closed it waits for the next trade seen live. Exits are reduce-only: they close at most what is
open, and shrink with it. What an order gets stands in `paper_broker_prices`, what it costs in `paper_broker_account`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from actors import paper_broker_hole as hole
from actors.messages import (
    CancelOrder,
    Depth,
    EntryLapses,
    FeedDown,
    FeedUp,
    FundingDue,
    Gap,
    History,
    Message,
    MoveOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PlaceOrder,
    ProductsListed,
    Remargin,
    SettlingBegun,
    SettlingEnded,
    StopReached,
    Traded,
)
from actors.paper_broker_account import (
    book_fill,
    open_account,
    remargin,
    settle_funding,
    take_before,
    take_listing,
)
from actors.paper_broker_candle import doubt_after, doubt_before, in_doubt
from actors.paper_broker_prices import Execution, execution, in_time, reached, turn
from actors.paper_broker_refusals import Refusal, refusal_of
from actors.paper_broker_state import REMEMBERED, BrokerState, Holding
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from atlas.market.bar import Tick, is_last
from atlas.market.funding_file import FundingFile
from atlas.market.retold import is_news
from atlas.market.sessions import is_open
from atlas.market.stretch import Stretch
from atlas.money.book import Order
from atlas.money.exits import next_multiple
from atlas.money.fees import exit_deed
from atlas.money.funding import HOUR
from atlas.money.margin import is_liquidated
from atlas.money.unsettled import Unsettled
from atlas.rules import Rules

__all__ = ["REMEMBERED", "BrokerState", "Holding", "PaperBroker"]


class PaperBroker(Behaviour[BrokerState]):
    """See the module."""

    def __init__(
        self, rules: Rules, state: BrokerState | None = None, rates: Mapping[str, FundingFile] | None = None
    ) -> None:
        """`rates` are the funding rates of the past, by product, where a file of them is played."""
        self._rules, self._rates = rules, rates or {}
        self._latency = timedelta(milliseconds=rules.fills.latency_ms)
        self.state = state or BrokerState()
        # No part of the state, which tells it: the products with holdings or orders. A trade adds none to them.
        self._open: set[str] | None = None

    def start(self, now: datetime) -> Iterator[Effect]:
        """Go on after a restart: an entry still under way expires, funding waits for the candles of the time between.

        The trigger of such an entry has been left undecided; the risk monitor rejects it.
        """
        state = self.state
        state.feed_up = state.funding_armed = False
        state.blind = sorted({holding.symbol for holding in state.holdings.values()})
        for order in [order for order in state.orders.values() if order.purpose == "entry"]:
            yield from self._expire(order, now, "ATLAS ended before it was filled")
        if state.holdings:
            hole.begin_told(state, state.blind)
            state.unsettled = Unsettled(list(state.holdings))
            yield from self._arm_funding(now, now - timedelta(microseconds=1))

    def receive(self, now: datetime, message: Message | Stretch) -> Iterable[Effect]:
        """Handle trades, books and candles, orders, own timers, products and the state of the feed."""
        if isinstance(message, Traded):
            return self._traded(message)
        self._open = None
        match message:
            case Stretch(symbol=symbol, tick=tick):
                self.state.last[symbol] = tick
                return ()
            case Depth():
                return self._depth(now, message)
            case PlaceOrder(order=order):
                return self._place(now, order)
            case MoveOrder():
                return self._move(now, message)
            case CancelOrder(order_id=order_id):
                return self._cancel(order_id, now, "asked")
            case Remargin():
                return self._remargin(now, message)
            case FundingDue():
                return self._funding(now, message.at)
            case EntryLapses(order_id=order_id):
                return self._lapse(now, order_id)
            case History():
                return self._told(now, message)
            case ProductsListed(products=products):
                take_listing(self.state, products)
                return () if self.state.account is not None else _tell(open_account(self.state, self._rules, now))
            case SettlingBegun(symbols=symbols, before=before):
                self.state.settling = True
                take_before(self.state, before)
                self.state.blind = [symbol for symbol in self.state.blind if symbol not in symbols]
                return ()
            case SettlingEnded(until=until, last=last):
                self.state.settling, self.state.settled = not last, until
                if last:
                    self.state.unsettled, self.state.walked = None, {}
                return ()
            case Gap(symbol=symbol):
                hole.begin(self.state, symbol)
                return ()
            case FeedUp(without=without):
                self.state.feed_up, self.state.settling, self.state.without = True, False, without
                return ()
            case FeedDown():
                self.state.feed_up, self.state.books = False, {}
                return ()
            case _:
                raise TypeError(f"the paper broker does not know {type(message).__name__}")

    # ── trades and books ────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, message: Traded) -> Iterable[Effect]:
        state, symbol = self.state, message.symbol
        if self._open is None:
            self._open = {holding.symbol for holding in state.holdings.values()}
            self._open.update(order.symbol for order in state.orders.values())
        special = message.source != "feed" or state.told or state.unsettled is not None or symbol in state.holes
        if special or symbol in self._open:
            return self._concerned(message)
        state.last[symbol], state.rest = message.tick, False
        return ()

    def _concerned(self, message: Traded) -> Iterator[Effect]:
        """Take a trade of a product in which something is open, or one that is not simply the feed's next."""
        state, symbol, tick, live, source = self.state, message.symbol, message.tick, message.live, message.source
        touch = self._rules.fills.touch
        before = state.last.get(symbol)
        if state.told or source == "rest":
            last_at = before.time if before is not None else None
            comes = state.feed_up and symbol not in state.without
            if not is_news(state.told, symbol, tick, source, last_at=last_at, feed_up=comes):
                return
        state.rest = source == "rest"
        unsettled, late = state.unsettled, False
        if source == "candles":
            late = unsettled is not None and unsettled.late(symbol)
            # What trades first in a candle that opens on the hour traded later.
            yield from self._fund_before(symbol, tick.time)
            state.walked[symbol] = tick
        elif unsettled is not None:
            unsettled.hear(symbol, tick.time)
        holed = source != "candles" and symbol in state.holes
        if holed:
            if symbol not in state.blind:
                yield from self._fund_before(symbol, tick.time - hole.INSTANT)
            hole.cross(state, message)
        if is_last(tick.time, before.time if before is not None else None, live=live and not late):
            state.last[symbol] = tick
        for position_id, holding in list(state.holdings.items()):
            if holding.symbol == symbol and (live or tick.time > max(holding.since, state.settled or holding.since)):
                if late and unsettled is not None and not unsettled.concerns(position_id, symbol, tick.time):
                    continue
                if self._waits(holding, tick.time):
                    continue
                doubt_before(holding, state.orders, position_id, message, touch=touch)
                yield from self._check(position_id, holding, tick, message.tradable)
                doubt_after(holding, state.orders, position_id, message, touch=touch)
        if holed:
            hole.end(state, message)
        if source == "rest" or late:
            return  # Nothing is ever entered from these.
        for order in [order for order in state.orders.values() if order.purpose == "entry" and order.symbol == symbol]:
            yield from self._arrive(order, tick, live)

    def _fund_before(self, symbol: str, until: datetime) -> Iterator[Effect]:
        """Settle the hours that are full by then, before a trade of later becomes the last one, and so their mark."""
        for position_id in [id_ for id_, holding in self.state.holdings.items() if holding.symbol == symbol]:
            for paid in settle_funding(self.state, self._rules, position_id, until, rates=self._rates):
                yield from _tell(paid)

    def _waits(self, holding: Holding, at: datetime) -> bool:
        """Whether nothing may leave yet, because the setting `exits.not_within_seconds` says so."""
        within = self._rules.exits.not_within_seconds
        return within > 0 and at < next_multiple(holding.since, within)

    def _check(self, position_id: str, holding: Holding, tick: Tick, live: bool) -> Iterator[Effect]:
        """Liquidate, stop out, leave as asked or take the target: the first of these that this trade causes."""
        # A trade may be stamped a little before one of another product; nothing is left before it was entered.
        at = max(tick.time, holding.since)
        doubtful = in_doubt(holding, at)
        if is_liquidated(holding.side, tick.price, holding.liquidation):
            order = Order(
                id=f"{position_id}/liquidated",
                position_id=position_id,
                symbol=holding.symbol,
                side=exit_deed(holding.side),
                kind="market",
                purpose="liquidated",
                contracts=holding.contracts,
            )
            holding.ambiguous |= doubtful
            yield from self._leave(order, tick, at)
            return
        for order in sorted(self._exits(position_id), key=turn):
            if order.id not in self.state.orders or not reached(order, tick.price, touch=self._rules.fills.touch):
                continue
            if doubtful and order.kind == "limit":
                continue
            holding.ambiguous |= doubtful and order.kind == "stop" and order.due is None
            order = self.state.orders[order.id]  # A part closed by this very trade has made it smaller.
            if order.kind == "stop" and order.due is None and self._latency:
                due = at + self._latency
                self.state.orders[order.id] = replace(order, due=due)
                yield Send("journal", StopReached(order.id, position_id, at, due))
            elif in_time(order, at, live):
                yield from self._leave(order, tick, at)
                if order.kind != "limit":
                    return

    def _exits(self, position_id: str) -> list[Order]:
        orders = self.state.orders.values()
        return [order for order in orders if order.position_id == position_id and order.purpose != "entry"]

    def _depth(self, now: datetime, message: Depth) -> Iterator[Effect]:
        """Take the new book; an exit that the one before was too thin for goes on with it."""
        state, symbol = self.state, message.symbol
        state.books[symbol] = message.book
        tick = state.last.get(symbol)
        working = [state.orders[id_] for id_ in state.fills if id_ in state.orders]
        for order in [order for order in working if order.symbol == symbol and order.kind != "limit"]:
            if tick is not None and order.id in state.orders and self._trades(order, now):
                yield from self._leave(order, tick, now)

    def _told(self, now: datetime, message: History) -> Iterator[Effect]:
        """The candles of the time since the process ended: with them the hours meanwhile can be funded."""
        state, symbol = self.state, message.symbol
        if symbol not in state.blind:
            return
        state.blind.remove(symbol)
        for position_id in [id_ for id_, holding in state.holdings.items() if holding.symbol == symbol]:
            for paid in settle_funding(state, self._rules, position_id, now, message, rates=self._rates):
                yield from _tell(paid)

    # ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, now: datetime, order: Order) -> Iterator[Effect]:
        """Take an order once. One that finds a price is filled now, if the way to the market takes no time.

        Of one that works the answer is still to come. One that is finished is answered to whoever asked: the journal
        knows how it ended.
        """
        state = self.state
        if order.id in state.orders:
            return
        if order.id in state.done:
            told = OrderRejected(order, now, "duplicate", f"{order.id} is finished", "an id not used before")
            yield Send("risk_monitor", told)
            return
        if order.purpose != "entry":
            holding = state.holdings.get(order.position_id)
            if holding is None:
                yield from self._refuse(order, now, ("reduce_only", f"{order.contracts} contracts", "0 open"))
                return
            order = replace(order, contracts=min(order.contracts, holding.contracts))
        refusal = refusal_of(self.state, self._rules, order, state.last.get(order.symbol), now)
        if refusal is not None:
            yield from self._refuse(order, now, refusal)
            return
        travels = order.kind == "market" and bool(self._latency) and (
            order.purpose == "entry" or self._trades(order, now)
        )
        if travels:
            order = replace(order, due=now + self._latency)
        yield Send("journal", OrderAccepted(order, now))
        state.orders[order.id] = order
        if order.kind == "market" and not travels:
            tick = state.last.get(order.symbol)
            if order.purpose == "entry" and tick is not None:
                yield from self._enter(order, tick, now)
            elif tick is not None and self._trades(order, now):
                yield from self._leave(order, tick, now)
        if order.id in state.orders and order.good_until is not None:
            yield After(max((order.good_until - now).total_seconds(), 1e-6), EntryLapses(order.id))

    def _trades(self, order: Order, now: datetime) -> bool:
        """Whether the last trade's price can be had at once."""
        state, product = self.state, self.state.products.get(order.symbol)
        comes = state.settling or (state.feed_up and order.symbol not in state.without)
        return comes and product is not None and is_open(product, now)

    def _refuse(self, order: Order, now: datetime, refusal: Refusal) -> Iterator[Effect]:
        self._finish(order.id)
        yield from _tell(OrderRejected(order, now, *refusal))

    def _finish(self, order_id: str) -> None:
        state = self.state
        for of_working in (state.orders, state.fills, state.moves):
            of_working.pop(order_id, None)
        state.done = [*state.done, order_id][-REMEMBERED:]

    def _move(self, now: datetime, message: MoveOrder) -> Iterator[Effect]:
        """Give a resting order another price. One that is filled or reached already cannot be moved any more."""
        state, order = self.state, self.state.orders.get(message.order_id)
        if order is None or order.price is None or order.due is not None or order.price == message.price:
            return
        state.orders[order.id] = replace(order, price=message.price)
        self._touch(order.position_id)
        count = state.moves[order.id] = state.moves.get(order.id, 0) + 1
        yield from _tell(OrderMoved(order.id, order.position_id, now, message.price, count))

    def _touch(self, position_id: str) -> None:
        """A position is not as it was at the start any more, but for what is being settled itself."""
        if self.state.unsettled is not None and not self.state.settling:
            self.state.unsettled.touch(position_id)

    def _cancel(self, order_id: str, now: datetime, reason: str) -> Iterator[Effect]:
        if order_id in self.state.orders:
            self._finish(order_id)
            yield from _tell(OrderCancelled(order_id, now, reason))

    def _expire(self, order: Order, now: datetime, reason: str) -> Iterator[Effect]:
        self._finish(order.id)
        yield from _tell(OrderExpired(order.id, now, reason))

    def _lapse(self, now: datetime, order_id: str) -> Iterator[Effect]:
        order = self.state.orders.get(order_id)
        if order is not None:
            yield from self._expire(order, now, "not filled before its entry bar ended")

    # ── fills ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrive(self, order: Order, tick: Tick, live: bool) -> Iterator[Effect]:
        """An entry has reached the market, if it has: it is looked at once more, and filled."""
        if order.good_until is not None and tick.time >= order.good_until:
            yield from self._lapse(tick.time, order.id)
        elif in_time(order, tick.time, live):
            refusal = refusal_of(self.state, self._rules, order, tick, tick.time)
            if refusal is None:
                yield from self._enter(order, tick, tick.time)
            else:
                yield from self._refuse(order, tick.time, refusal)

    def _enter(self, order: Order, tick: Tick, at: datetime) -> Iterator[Effect]:
        """Fill an entry that nothing refuses; what the book was too thin for is cancelled, as the venue's IOC does."""
        made = self._execution(order, tick)
        yield from self._fill(order, made, at)
        yield from self._cancel(order.id, at, "the book was too thin for the rest")
        yield from self._arm_funding(at, at)

    def _leave(self, order: Order, tick: Tick, at: datetime) -> Iterator[Effect]:
        """Fill an exit, whole or as far as the book goes: the rest works on as a market order."""
        state, holding = self.state, self.state.holdings[order.position_id]
        # What is closed on the hour has crossed it.
        for paid in settle_funding(state, self._rules, order.position_id, at, rates=self._rates):
            yield from _tell(paid)
        yield from self._fill(order, self._execution(order, tick), at)
        if order.id in state.orders:
            state.orders[order.id] = replace(state.orders[order.id], due=order.due or at)
        for rest in self._exits(order.position_id):
            if order.position_id not in state.holdings:
                yield from self._cancel(rest.id, at, "position closed")
            elif rest.contracts > holding.contracts:
                state.orders[rest.id] = replace(rest, contracts=holding.contracts)

    def _execution(self, order: Order, tick: Tick) -> Execution:
        """Return what the order gets, and leave in the book what it does not take."""
        state, product = self.state, self.state.products[order.symbol]
        made = execution(order, tick, state.books.get(order.symbol), product, self._rules)
        assert made is not None, f"{order.id} was to be refused"
        if made.book is not None:
            state.books[order.symbol] = made.book
        return made

    def _fill(self, order: Order, made: Execution, at: datetime) -> Iterator[Effect]:
        state = self.state
        self._touch(order.position_id)
        filled = book_fill(state, self._rules, order, made, at)
        if filled.complete:
            self._finish(order.id)
        else:
            state.orders[order.id] = replace(order, contracts=order.contracts - made.contracts)
        yield from _tell(filled)

    # ── funding and margin ──────────────────────────────────────────────────────────────────────────────────────────

    def _remargin(self, now: datetime, message: Remargin) -> Iterator[Effect]:
        self._touch(message.position_id)
        done = remargin(self.state, self._rules, message, now)
        if done is not None:
            yield from _tell(done)

    def _arm_funding(self, now: datetime, after: datetime) -> Iterator[Effect]:
        """Wake just after the first full hour past `after`: a trade stamped exactly on it still counts for the mark."""
        if not self.state.funding_armed:
            self.state.funding_armed = True
            boundary = _hour(after) + HOUR
            yield After((boundary - now).total_seconds() + 1e-6, FundingDue(boundary))

    def _funding(self, now: datetime, at: datetime) -> Iterator[Effect]:
        self.state.funding_armed = False
        for position_id, holding in self.state.holdings.items():
            if holding.symbol not in self.state.blind and not hole.may_be_told(self.state, holding.symbol):
                for paid in settle_funding(self.state, self._rules, position_id, at, rates=self._rates):
                    yield from _tell(paid)
        if self.state.holdings:
            yield from self._arm_funding(now, now)


def _hour(at: datetime) -> datetime:
    """The last full hour at or before an instant."""
    return at.replace(minute=0, second=0, microsecond=0)


def _tell(event: Message) -> Iterator[Effect]:
    """An event goes to the journal and to the risk monitor."""
    yield Send("journal", event)
    yield Send("risk_monitor", event)
