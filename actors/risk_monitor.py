"""The risk and position monitor: gates and size at the trigger, the care of positions until their exit, halts.

A trigger goes through the gates in order (strat.md 5) and ends as an order or as one named rejection. What is approved
is reserved here at once, so that two triggers of one trade cannot share the same margin. Exits depend on nobody else:
this actor sees every trade itself.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import (
    AccountOpened,
    ClosePosition,
    CommandDone,
    DayDue,
    DayStarted,
    EntryTriggered,
    FeedDown,
    FeedUp,
    Filled,
    Flatten,
    FundingPaid,
    Halt,
    HaltChanged,
    MarketTime,
    Message,
    OrderCancelled,
    OrderRejected,
    PlaceOrder,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Resume,
    Traded,
)
from actors.risk_monitor_orders import entry_id, entry_order, exit_order, opened, rejected
from actors.risk_monitor_state import Entering, Managed, RiskState
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from atlas.money.account import available, daily_loss_hit, equity, next_trading_day, trading_day
from atlas.money.book import Purpose
from atlas.money.entry import Approval, EntryContext, pending_entry
from atlas.money.profit import unrealised
from atlas.risk import judge
from atlas.rules import Rules

DAILY_LOSS = "daily_loss"
"""The source of the halt that the daily loss limit makes."""

__all__ = ["DAILY_LOSS", "Managed", "RiskMonitor", "RiskState"]


class RiskMonitor(Behaviour[RiskState]):
    """See the module."""

    def __init__(self, rules: Rules, state: RiskState | None = None) -> None:
        self._rules = rules
        self.state = state or RiskState()

    def start(self, now: datetime) -> Iterator[Effect]:
        """Go on with the trading day of before; a new account begins its first day with its first deposit."""
        for trigger in self.state.undecided:
            yield Send("journal", rejected(trigger, now, "halted", "ATLAS ended before it was decided", "running"))
        self.state.undecided = []
        if self.state.day:
            yield from self._day(now)

    def receive(self, now: datetime, message: Message) -> Iterable[Effect]:
        """Handle trades, triggers, what the broker tells, and commands."""
        match message:
            case Traded():
                return self._traded(now, message)
            case MarketTime():
                return ()
            case EntryTriggered():
                return self._triggered(now, message)
            case Filled():
                return self._filled(now, message)
            case OrderRejected():
                return self._refused(now, message)
            case OrderCancelled():
                return ()
            case FundingPaid():
                return self._funded(now, message)
            case AccountOpened(account=account):
                self.state.account = account
                return self._day(now)
            case DayDue():
                return self._day(now)
            case ProductsListed(products=products):
                self.state.products |= {product.id: product for product in products}
                return ()
            case FeedDown(reason=reason):
                return self._halt(now, "feed", reason)
            case FeedUp():
                return self._lift(now, "feed")
            case Halt(source=source, reason=reason, command_id=command_id):
                return self._command(now, command_id, self._halt(now, source, reason), f"halted: {reason}")
            case Resume(source=source, command_id=command_id):
                return self._command(now, command_id, self._resume(now, source), "resumed")
            case Flatten(command_id=command_id):
                ids = list(self.state.positions)
                told = f"closing {len(ids)} open positions" if ids else "nothing is open"
                return self._command(now, command_id, self._leave_all(ids), told)
            case ClosePosition(position_id=position_id, command_id=command_id):
                ids = [id_ for id_ in self.state.positions if id_ == position_id]
                told = f"closing {position_id}" if ids else f"no open position is called {position_id}"
                return self._command(now, command_id, self._leave_all(ids), told, failed=not ids)
            case _:
                raise TypeError(f"the risk monitor does not know {type(message).__name__}")

    # ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, now: datetime, message: Traded) -> Iterator[Effect]:
        state, tick = self.state, message.tick
        symbol, price = message.symbol, tick.price
        state.last[symbol] = price
        if not state.positions:
            return
        held = False
        for managed in state.positions.values():
            position = managed.position
            if position.symbol != symbol or (message.source != "feed" and tick.time <= position.entry_time):
                continue
            held, long = True, position.side == "long"
            if price < position.worst if long else price > position.worst:
                managed.position = position = msgspec.structs.replace(position, worst=price)
            elif price > position.best if long else price < position.best:
                managed.position = position = msgspec.structs.replace(position, best=price)
            if tick.time < position.entry_bar_end and (
                price < position.invalidation if long else price > position.invalidation
            ):
                yield from self._leave(managed, "invalidated")
        if held:
            yield from self._watch_loss(now)

    def _leave(self, managed: Managed, reason: Purpose) -> Iterator[Effect]:
        """Order a market exit, once."""
        if managed.leaving is not None:
            return
        managed.leaving = reason
        position = managed.position
        yield Send("paper_broker", PlaceOrder(exit_order(position, reason, "market", None)))

    def _leave_all(self, ids: list[str]) -> Iterator[Effect]:
        for id_ in ids:
            yield from self._leave(self.state.positions[id_], "flatten")

    def _filled(self, now: datetime, message: Filled) -> Iterator[Effect]:
        self.state.account = message.account
        fill = message.fill
        if fill.purpose == "entry":
            yield from self._opened(message)
            yield from self._watch_loss(now)
            return
        managed = self.state.positions.get(fill.position_id)
        if managed is None:
            return
        position = managed.position
        long = position.side == "long"
        contracts = position.contracts - fill.contracts
        managed.position = position = msgspec.structs.replace(
            position,
            contracts=contracts,
            margin=message.margin,
            gross=position.gross + message.gross,
            fees=position.fees + fill.fee,
            slippage=position.slippage + fill.slippage,
            worst=(min if long else max)(position.worst, fill.reference),
            best=(max if long else min)(position.best, fill.reference),
            exit_price=fill.price,
            exit_time=fill.time,
            exit_reason=fill.purpose,
        )
        if contracts == 0:
            del self.state.positions[position.id]
            yield Send("journal", PositionClosed(position))
        else:
            managed.changes += 1
            yield Send("journal", PositionChanged(position, managed.changes))
        yield from self._watch_loss(now)

    def _opened(self, message: Filled) -> Iterator[Effect]:
        """The trade of a trigger: keep it, and lay its stop and target beside it at the broker."""
        fill = message.fill
        entering = self.state.entering.pop(fill.order_id)
        contract_size = self.state.products[fill.symbol].contract_size
        position = opened(entering.trigger, entering.approval, message, contract_size)
        self.state.positions[position.id] = Managed(position)
        yield Send("journal", PositionOpened(position))
        yield Send("paper_broker", PlaceOrder(exit_order(position, "stop", "stop", position.stop)))
        yield Send("paper_broker", PlaceOrder(exit_order(position, "target", "limit", position.target)))

    def _funded(self, now: datetime, message: FundingPaid) -> Iterator[Effect]:
        self.state.account = message.account
        managed = self.state.positions.get(message.position_id)
        if managed is not None:
            position = managed.position
            managed.position = msgspec.structs.replace(position, funding=position.funding + message.amount)
            managed.changes += 1
            yield Send("journal", PositionChanged(managed.position, managed.changes))
        yield from self._watch_loss(now)

    # ── triggers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _triggered(self, now: datetime, trigger: EntryTriggered) -> Iterator[Effect]:
        state, setup = self.state, trigger.setup
        product = state.products.get(setup.symbol)
        if product is None:
            yield Send("journal", rejected(trigger, now, "session_closed", "not listed by the exchange", "listed"))
            return
        base = state.day_equity if state.day_equity is not None else self._equity()
        context = EntryContext(
            at=now,
            setup=setup,
            name=trigger.name,
            product=product,
            reference=trigger.tick.price,
            bid=trigger.tick.bid,
            ask=trigger.tick.ask,
            verified=trigger.verified,
            missed=trigger.missed,
            already_triggered=setup.id in state.positions or entry_id(setup.id) in state.entering,
            halts=dict(state.halts),
            daily_loss_hit=DAILY_LOSS in state.halts,
            day_start_equity=base,
            continuity=trigger.at_trigger,
            positions=tuple(managed.position for managed in state.positions.values()),
            pending=tuple(entering.pending for entering in state.entering.values()),
            equity=self._equity(),
            available=self._available(),
            rules=self._rules,
        )
        outcome = judge(context).outcome
        if isinstance(outcome, Approval):
            for id_ in outcome.closes:
                yield from self._leave(state.positions[id_], "flatten")
            order = entry_order(setup, outcome)
            state.entering[order.id] = Entering(trigger, outcome, pending_entry(context, outcome))
            yield Send("paper_broker", PlaceOrder(order))
        else:
            yield Send("journal", rejected(trigger, now, outcome.gate, outcome.value, outcome.threshold))

    def _refused(self, now: datetime, message: OrderRejected) -> Iterator[Effect]:
        """The broker refused: an entry ends as a rejection; an exit may be tried again at the next trade."""
        entering = self.state.entering.pop(message.order.id, None)
        if entering is not None:
            yield Send("journal", rejected(entering.trigger, now, message.reason, message.value, message.threshold))
            return
        managed = self.state.positions.get(message.order.position_id)
        if managed is not None and managed.leaving == message.order.purpose:
            managed.leaving = None

    # ── account ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_profits(self) -> list[Decimal]:
        last = self.state.last
        positions = (managed.position for managed in self.state.positions.values())
        return [unrealised(position, last.get(position.symbol, position.entry_price)) for position in positions]

    def _equity(self) -> Decimal:
        return equity(self.state.account, self._open_profits())

    def _available(self) -> Decimal:
        return available(self.state.account, self._open_profits())

    def _day(self, now: datetime) -> Iterator[Effect]:
        """Begin a trading day, once: its equity is the base of the daily loss limit, which is lifted by it."""
        state, zone = self.state, self._rules.account.timezone
        following = next_trading_day(now, zone)
        yield After((following - now).total_seconds(), DayDue(following))
        day = trading_day(now, zone).isoformat()
        if day != state.day:
            state.day, state.day_equity = day, self._equity()
            yield Send("journal", DayStarted(day, now, state.day_equity))
            yield from self._lift(now, DAILY_LOSS)

    def _watch_loss(self, now: datetime) -> Iterator[Effect]:
        """Halt entries for the day when equity, open profit and loss included, has lost the limit."""
        base, current = self.state.day_equity, self._equity()
        if base is None or DAILY_LOSS in self.state.halts:
            return
        if daily_loss_hit(base, current, self._rules.sizing):
            share = self._rules.sizing.daily_loss
            reason = f"equity {current:.2f} USD is {share:.0%} or more below the day's {base:.2f}"
            yield from self._halt(now, DAILY_LOSS, reason)

    # ── halts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _halt(self, now: datetime, source: str, reason: str) -> Iterator[Effect]:
        if self.state.halts.get(source) != reason:
            begins = source not in self.state.halts
            self.state.halts[source] = reason
            yield self._halts_changed(now, source if begins else "", reason)

    def _lift(self, now: datetime, source: str) -> Iterator[Effect]:
        reason = self.state.halts.pop(source, None)
        if reason is not None:
            yield self._halts_changed(now, source, reason, lifted=True)

    def _resume(self, now: datetime, source: str) -> Iterator[Effect]:
        """Lift one source's halt; a person's word also lifts the daily loss, measured anew from here."""
        yield from self._lift(now, source)
        if source == "person" and DAILY_LOSS in self.state.halts:
            self.state.day_equity = self._equity()
            yield from self._lift(now, DAILY_LOSS)

    def _halts_changed(self, now: datetime, source: str, reason: str, *, lifted: bool = False) -> Effect:
        self.state.halt_count += 1
        halts, count = dict(self.state.halts), self.state.halt_count
        return Send("journal", HaltChanged(now, halts, count, source, reason if source else "", lifted))

    def _command(
        self, now: datetime, command_id: int | None, effects: Iterable[Effect], result: str, *, failed: bool = False
    ) -> Iterator[Effect]:
        yield from effects
        if command_id is not None:
            yield Send("journal", CommandDone(command_id, now, result, failed))
