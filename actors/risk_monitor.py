"""The risk and position monitor: gates and size at the trigger, the care of positions until their exit, halts.

A trigger goes through the gates in order (strat.md 5) and ends as an order or as one named rejection. What is approved
is reserved here at once, so that two triggers of one trade cannot share the same margin. Exits depend on nobody else:
this actor sees every trade itself.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from actors import risk_monitor_away as away
from actors import risk_monitor_commands as commands
from actors import risk_monitor_doubt as doubt
from actors import risk_monitor_entries as entries
from actors import risk_monitor_exits as exits
from actors import risk_monitor_stale as stale
from actors import risk_monitor_watched as watched
from actors import risk_monitor_windows as windows
from actors.messages import (
    AccountOpened,
    BarContradicted,
    ClosePosition,
    DayDue,
    EntryTriggered,
    ExitDue,
    FeedDown,
    FeedUp,
    Filled,
    Flatten,
    FundingPaid,
    Halt,
    Leased,
    MarketTime,
    Message,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PlaceOrder,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Remargined,
    Resume,
    SettlingBegun,
    SettlingEnded,
    StopReached,
    Traded,
    WindowDue,
)
from actors.risk_monitor_account import DAILY_LOSS, available_now, begin_day, equity_now, watch_loss
from actors.risk_monitor_halts import halt, lift
from actors.risk_monitor_orders import after_exit, entry_order, leave, opened, rejected
from actors.risk_monitor_signal import entry_price, executed_products
from actors.risk_monitor_state import Entering, Managed, RiskState
from actors.risk_monitor_terms import judged, terms_set
from actors.runtime.behaviour import Behaviour, Effect, Send
from atlas.market.bar import is_last
from atlas.market.product import Product
from atlas.market.retold import is_news
from atlas.market.stretch import Stretch
from atlas.money.entry import Approval, EntryContext, pending_entry
from atlas.money.unsettled import Unsettled
from atlas.risk import judge
from atlas.rules import Rules

__all__ = ["DAILY_LOSS", "Managed", "RiskMonitor", "RiskState"]


class RiskMonitor(Behaviour[RiskState]):
    """See the module."""

    def __init__(
        self, rules: Rules, state: RiskState | None = None, *, tells_extremes: bool = True, records: bool = True
    ) -> None:
        """`tells_extremes`: worst and best prices are told as they come, for a kill; a replay of files needs none.

        `records` False: what the gates have looked at is not told.
        """
        self._records = records
        self._rules, self._executed, self._tells = rules, executed_products(rules), tells_extremes
        self.state = state or RiskState()
        # No part of the state, which tells it: the products held. A trade adds none to them.
        self._held: set[str] | None = None

    def start(self, now: datetime) -> Iterator[Effect]:
        """Go on with the trading day of before; a new account begins its first day with its first deposit."""
        for trigger in self.state.undecided:
            yield Send("journal", rejected(trigger, now, "halted", "ATLAS ended before it was decided", "running"))
        self.state.undecided = []
        if self.state.products:
            yield Send("journal", terms_set(self._rules, self.state.products.values(), now, started=True))
        if self.state.day:
            yield from windows.arm(self._rules, now)
            yield from self._day(now)
        if self.state.positions:
            self.state.unsettled = Unsettled(list(self.state.positions))
        for managed in self.state.positions.values():
            yield from exits.arm_max_bars(managed.position, self._rules, now)
        self.state.overdue = windows.overdue(self.state, self._rules, now)

    def receive(self, now: datetime, message: Message | Stretch) -> Iterable[Effect]:
        """Handle trades, triggers, what the broker tells, and commands."""
        if isinstance(message, Traded):
            return self._traded(now, message)
        self._held = None
        match message:
            case Stretch():
                return self._stretched(message)
            case MarketTime():
                return (*self._extremes(now), *stale.watch(self.state, self._rules, now))
            case EntryTriggered():
                return self._triggered(now, message)
            case Filled():
                return self._filled(now, message)
            case OrderRejected():
                return self._refused(now, message)
            case OrderCancelled(order_id=order_id, reason=reason):
                return entries.called_back(self.state, now, order_id, reason)
            case OrderExpired(order_id=order_id, reason=reason):
                return entries.lapsed(self.state, now, order_id, reason)
            case OrderMoved(position_id=position_id):
                self._touch(position_id)
                return exits.moved(self.state, message)
            case BarContradicted():
                return doubt.contradicted(self.state, now, message)
            case StopReached():
                return ()
            case Remargined(position_id=position_id):
                self._touch(position_id)
                return windows.remargined(self.state, message)
            case FundingPaid():
                return self._funded(now, message)
            case AccountOpened(account=account):
                self.state.account = account
                return (*windows.arm(self._rules, now), *self._day(now))
            case DayDue():
                return self._day(now)
            case WindowDue():
                return windows.window_due(self.state, self._rules, now)
            case ExitDue():
                return exits.due(self.state, message)
            case ProductsListed(products=products):
                return self._listed(now, products)
            case SettlingBegun(since=since):
                self.state.away = self.state.away or away.Away(since)
                return ()
            case SettlingEnded():
                return self._settled(message)
            case FeedDown(reason=reason):
                self.state.feed_up = False
                return (*halt(self.state, now, "feed", reason), *watched.prices(self.state))
            case FeedUp(without=without):
                self.state.feed_up, self.state.without, self.state.seen = True, without, {}
                return (*lift(self.state, now, "feed"), *watched.prices(self.state))
            case Halt():
                return commands.obey_halt(self.state, now, message)
            case Resume():
                return commands.obey_resume(self.state, now, message)
            case Flatten(command_id=command_id):
                return commands.obey_flatten(self.state, now, command_id)
            case Leased(products=products, entered=entered):
                self.state.leased = products
                self.state.decided |= entered
                return ()
            case ClosePosition(position_id=position_id, command_id=command_id):
                return commands.obey_close(self.state, now, position_id, command_id)
            case _:
                raise TypeError(f"the risk monitor does not know {type(message).__name__}")

    # ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, now: datetime, message: Traded) -> Iterable[Effect]:
        state, tick, symbol = self.state, message.tick, message.symbol
        if self._held is None:
            self._held = {managed.position.symbol for managed in state.positions.values()}
        special = message.source != "feed" or state.told or state.unsettled is not None or state.entering
        if special or symbol in self._held:
            return self._concerned(now, message)
        state.last[symbol], state.last_at[symbol] = tick.price, tick.time
        if symbol in self._rules.signal_products:
            state.ticks[symbol] = tick
        return ()

    def _concerned(self, now: datetime, message: Traded) -> Iterator[Effect]:
        """Take a trade of a product held, or one that is not simply the next that the feed has brought."""
        state, tick = self.state, message.tick
        symbol, source = message.symbol, message.source
        if state.told or source == "rest":
            last_at = state.last_at.get(symbol)
            comes = state.feed_up and symbol not in state.without
            if not is_news(state.told, symbol, tick, source, last_at=last_at, feed_up=comes):
                return
        unsettled, late = state.unsettled, False
        if unsettled is not None:
            late = source == "candles" and unsettled.late(symbol)
            if source != "candles":
                unsettled.hear(symbol, tick.time)
        if is_last(tick.time, state.last_at.get(symbol), live=message.live and not late):
            state.last[symbol], state.last_at[symbol] = tick.price, tick.time
            if symbol in self._rules.signal_products and source != "rest":
                state.ticks[symbol] = tick
        if state.entering:
            yield from entries.watch(state, message)
        if not state.positions:
            return
        held = False
        for managed in state.positions.values():
            position = managed.position
            if position.symbol != symbol or (
                not message.live and tick.time <= max(position.entry_time, state.settled or position.entry_time)
            ):
                continue
            if late:
                if unsettled is not None and unsettled.concerns(position.id, symbol, tick.time):
                    exits.see(managed, message)
                continue
            held = True
            if exits.is_own_fill(managed, tick):
                continue
            exits.see(managed, message)
            yield from exits.react(managed, message, state.products.get(symbol), self._rules)
        if held and state.overdue and message.tradable:
            yield from windows.catch_up(state, self._rules, now)
        if held:
            yield from self._extremes(now)
            yield from stale.heard(state, symbol, now)
            yield from watch_loss(state, self._rules, now)

    def _stretched(self, message: Stretch) -> Iterator[Effect]:
        """Take many trades at once, of which none reaches a level: prices, the worst and the best of them."""
        state, tick, symbol = self.state, message.tick, message.symbol
        state.last[symbol], state.last_at[symbol] = tick.price, tick.time
        for managed in state.positions.values():
            if managed.position.symbol == symbol:
                managed.fresh = False
                exits.see_range(managed, message.high, message.low)
                yield from stale.heard(state, symbol, tick.time)

    def _filled(self, now: datetime, message: Filled) -> Iterator[Effect]:
        state, fill = self.state, message.fill
        state.account = message.account
        if fill.purpose == "entry":
            yield from self._opened(now, message)
        elif fill.position_id in state.positions:
            self._touch(fill.position_id)
            managed = state.positions[fill.position_id]
            managed.position = after_exit(managed.position, message)
            if managed.position.is_open:
                yield from exits.changed(managed, now)
            else:
                del state.positions[fill.position_id]
                state.left[fill.symbol] = fill.time
                yield Send("journal", PositionClosed(managed.position))
                away.closed(state.away, managed.position)
                yield from watched.prices(state)
                yield from commands.closed(state, now, managed.position)
                yield from entries.enter_after(state, now, fill.position_id)
        yield from watch_loss(state, self._rules, now)

    def _extremes(self, now: datetime) -> Iterable[Effect]:
        return exits.tell_extremes(self.state, now) if self._tells else ()

    def _opened(self, now: datetime, message: Filled) -> Iterator[Effect]:
        """The trade of a trigger: keep it, and lay its exits beside it at the broker."""
        fill = message.fill
        entering = self.state.entering.pop(fill.order_id)
        product = self.state.products[fill.symbol]
        position = opened(entering.trigger, entering.approval, message, product)
        self.state.positions[position.id] = Managed(position, fresh=True, told_at=now)
        yield Send("journal", PositionOpened(position))
        yield from exits.exit_orders(position, product, self._rules)
        yield from exits.arm_max_bars(position, self._rules, now)
        yield from exits.arm_expiry(position, product, self._rules, now)
        yield from windows.entered_late(self.state, self._rules, now)

    def _touch(self, position_id: str) -> None:
        """A position is not as it was at the start any more, but for what is being settled itself."""
        if self.state.unsettled is not None and self.state.away is None:
            self.state.unsettled.touch(position_id)

    def _settled(self, message: SettlingEnded) -> Iterator[Effect]:
        """What was missed has been settled up to here; if there is no more of it, the owner is told."""
        state = self.state
        state.settled = message.until
        if message.last:
            state.unsettled = None
        if message.last and state.away is not None:
            yield from away.recovered(state.away, [managed.position for managed in state.positions.values()], message)
            state.away = None

    def _funded(self, now: datetime, message: FundingPaid) -> Iterator[Effect]:
        self.state.account = message.account
        away.funded(self.state.away, message.amount)
        managed = self.state.positions.get(message.position_id)
        if managed is not None:
            yield from exits.changed(managed, now, funding=managed.position.funding + message.amount)
        yield from watch_loss(self.state, self._rules, now)

    def _day(self, now: datetime) -> Iterator[Effect]:
        yield from begin_day(self.state, self._rules, now)
        yield from self._arm_expiries(now)

    def _listed(self, now: datetime, products: Iterable[Product]) -> Iterator[Effect]:
        before = dict(self.state.products)
        self.state.products |= {product.id: product for product in products}
        if self.state.products != before:
            yield Send("journal", terms_set(self._rules, self.state.products.values(), now))
        yield from self._arm_expiries(now)

    def _arm_expiries(self, now: datetime) -> Iterator[Effect]:
        for managed in self.state.positions.values():
            product = self.state.products.get(managed.position.symbol)
            yield from exits.arm_expiry(managed.position, product, self._rules, now)

    # ── triggers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _triggered(self, now: datetime, trigger: EntryTriggered) -> Iterator[Effect]:
        state, setup = self.state, trigger.setup
        if setup.id in state.decided or setup.id in state.positions:
            # Before any other gate: what its first trigger became stands, whatever is halted or closed by now.
            yield Send("journal", rejected(trigger, now, "already_triggered", "triggered before", "first trigger"))
            return
        state.decided = {id_: until for id_, until in state.decided.items() if until > now}
        state.decided[setup.id] = setup.valid_until
        executed = self._executed.get(setup.symbol, setup.symbol)
        product = state.products.get(executed)
        if product is None:
            yield Send("journal", rejected(trigger, now, "session_closed", "not listed by the exchange", "listed"))
            return
        price = entry_price(trigger, executed, state.ticks.get(executed), now, self._rules)
        base = state.day_equity if state.day_equity is not None else equity_now(state)
        context = EntryContext(
            at=now,
            setup=setup,
            name=trigger.name,
            product=product,
            reference=price.reference,
            bid=price.bid,
            ask=price.ask,
            ratio=price.ratio,
            verified=trigger.verified,
            missed=trigger.missed,
            already_triggered=False,
            halts=dict(state.halts),
            daily_loss_hit=DAILY_LOSS in state.halts,
            day_start_equity=base,
            continuity=trigger.at_trigger,
            positions=tuple(managed.position for managed in state.positions.values()),
            pending=tuple(entering.pending for entering in state.entering.values()),
            equity=equity_now(state),
            available=available_now(state),
            rules=self._rules,
            left=state.left.get(executed),
            lease=state.not_leased(executed),
        )
        verdict = judge(context)
        if self._records:
            yield Send("journal", judged(context, verdict, state.last))
        outcome = verdict.outcome
        if not isinstance(outcome, Approval):
            yield Send("journal", rejected(trigger, now, outcome.gate, outcome.value, outcome.threshold))
            return
        order = entry_order(setup, outcome, product, self._rules)
        entering = Entering(trigger, outcome, pending_entry(context, outcome), order, list(outcome.closes))
        state.entering[order.id] = entering
        for id_ in outcome.closes:
            yield from leave(state.positions[id_], "flip")
        if not entering.after:
            yield Send("paper_broker", PlaceOrder(order))

    def _refused(self, now: datetime, message: OrderRejected) -> Iterator[Effect]:
        """The broker refused an order; an exit may be tried again, at once where only its id was used before."""
        yield from entries.refused(self.state, now, message)
        order, managed = message.order, self.state.positions.get(message.order.position_id)
        if managed is not None and managed.leaving == order.purpose:
            managed.leaving = None
            managed.refusals += 1
            if message.reason == entries.DUPLICATE:
                yield from leave(managed, order.purpose)
            else:
                yield from entries.left_waiting(self.state, now, order.position_id)
