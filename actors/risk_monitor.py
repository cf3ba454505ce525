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
    Rejected,
    Resume,
    Traded,
)
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from atlas.market.product import Product
from atlas.money.account import available, daily_loss_hit, equity, next_trading_day, trading_day
from atlas.money.book import AccountState, Kind, Order, Position, Purpose
from atlas.money.entry import Approval, EntryContext, PendingEntry, pending_entry
from atlas.money.fees import entry_deed, exit_deed
from atlas.money.ledger import EMPTY
from atlas.money.profit import unrealised
from atlas.risk import judge
from atlas.rules import Rules

DAILY_LOSS = "daily_loss"
"""The source of the halt that the daily loss limit makes."""


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


class RiskMonitor(Behaviour[RiskState]):
    """See the module."""

    def __init__(self, rules: Rules, state: RiskState | None = None) -> None:
        self._rules = rules
        self.state = state or RiskState()

    def start(self, now: datetime) -> Iterator[Effect]:
        """Go on with the trading day of before; a new account begins its first day with its first deposit."""
        for trigger in self.state.undecided:
            yield Send("journal", _rejected(trigger, now, "halted", "ATLAS ended before it was decided", "running"))
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
                return self._filled(message)
            case OrderRejected():
                return self._refused(now, message)
            case OrderCancelled():
                return ()
            case FundingPaid():
                return self._funded(message)
            case AccountOpened(account=account):
                self.state.account = account
                return self._day(now)
            case DayDue():
                return self._day(now)
            case ProductsListed(products=products):
                self.state.products = {product.id: product for product in products}
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
                return self._command(now, command_id, self._leave_all(ids), told)
            case _:
                raise TypeError(f"the risk monitor does not know {type(message).__name__}")

    # ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, now: datetime, message: Traded) -> Iterator[Effect]:
        state, tick = self.state, message.tick
        symbol, price = message.symbol, tick.price
        state.last[symbol] = price
        if not state.positions:
            return
        for managed in state.positions.values():
            position = managed.position
            if position.symbol != symbol or (message.source != "feed" and tick.time <= position.entry_time):
                continue
            long = position.side == "long"
            if price < position.worst if long else price > position.worst:
                managed.position = position = msgspec.structs.replace(position, worst=price)
            elif price > position.best if long else price < position.best:
                managed.position = position = msgspec.structs.replace(position, best=price)
            if tick.time < position.entry_bar_end and (
                price < position.invalidation if long else price > position.invalidation
            ):
                yield from self._leave(managed, "invalidated")
        yield from self._watch_loss(now)

    def _leave(self, managed: Managed, reason: Purpose) -> Iterator[Effect]:
        """Order a market exit, once."""
        if managed.leaving is not None:
            return
        managed.leaving = reason
        position = managed.position
        yield Send("paper_broker", PlaceOrder(_exit_order(position, reason, "market", None)))

    def _leave_all(self, ids: list[str]) -> Iterator[Effect]:
        for id_ in ids:
            yield from self._leave(self.state.positions[id_], "flatten")

    def _filled(self, message: Filled) -> Iterator[Effect]:
        self.state.account = message.account
        fill = message.fill
        if fill.purpose == "entry":
            yield from self._opened(message)
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

    def _opened(self, message: Filled) -> Iterator[Effect]:
        """The trade of a trigger: keep it, and lay its stop and target beside it at the broker."""
        fill = message.fill
        entering = self.state.entering.pop(fill.order_id)
        trigger, approval = entering.trigger, entering.approval
        setup = trigger.setup
        position = Position(
            id=setup.id,
            symbol=setup.symbol,
            timeframe=setup.timeframe,
            setup=trigger.name,
            family=setup.family,
            side=setup.side,
            contract_size=self.state.products[setup.symbol].contract_size,
            contracts=fill.contracts,
            entry_contracts=fill.contracts,
            entry_price=fill.price,
            entry_reference=fill.reference,
            entry_time=fill.time,
            stop=approval.stop,
            first_stop=approval.stop,
            target=approval.target,
            invalidation=setup.opposite_level,
            entry_bar_end=setup.valid_until,
            leverage=approval.leverage,
            tier=approval.tier,
            margin=message.margin,
            liquidation=message.liquidation,
            worst=fill.reference,
            best=fill.reference,
            fees=fill.fee,
            slippage=fill.slippage,
            detection=trigger.detection,
            at_trigger=trigger.at_trigger or trigger.detection,
            setup_time=setup.setup_time,
            risk_at_entry=approval.risk,
        )
        self.state.positions[position.id] = Managed(position)
        yield Send("journal", PositionOpened(position))
        yield Send("paper_broker", PlaceOrder(_exit_order(position, "stop", "stop", position.stop)))
        yield Send("paper_broker", PlaceOrder(_exit_order(position, "target", "limit", position.target)))

    def _funded(self, message: FundingPaid) -> Iterator[Effect]:
        self.state.account = message.account
        managed = self.state.positions.get(message.position_id)
        if managed is not None:
            position = managed.position
            managed.position = msgspec.structs.replace(position, funding=position.funding + message.amount)
            managed.changes += 1
            yield Send("journal", PositionChanged(managed.position, managed.changes))

    # ── triggers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _triggered(self, now: datetime, trigger: EntryTriggered) -> Iterator[Effect]:
        state, setup = self.state, trigger.setup
        product = state.products.get(setup.symbol)
        if product is None:
            yield Send("journal", _rejected(trigger, now, "session_closed", "not listed by the exchange", "listed"))
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
            already_triggered=setup.id in state.positions or _entry_id(setup.id) in state.entering,
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
            order = Order(
                id=_entry_id(setup.id),
                position_id=setup.id,
                symbol=setup.symbol,
                side=entry_deed(setup.side),
                kind="market",
                purpose="entry",
                contracts=outcome.contracts,
                leverage=outcome.leverage,
            )
            state.entering[order.id] = Entering(trigger, outcome, pending_entry(context, outcome))
            yield Send("paper_broker", PlaceOrder(order))
        else:
            yield Send("journal", _rejected(trigger, now, outcome.gate, outcome.value, outcome.threshold))

    def _refused(self, now: datetime, message: OrderRejected) -> Iterator[Effect]:
        """The broker refused: an entry ends as a rejection; an exit may be tried again at the next trade."""
        entering = self.state.entering.pop(message.order.id, None)
        if entering is not None:
            yield Send("journal", _rejected(entering.trigger, now, message.reason, message.value, message.threshold))
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
            self.state.halts[source] = reason
            yield self._halts_changed(now)

    def _lift(self, now: datetime, source: str) -> Iterator[Effect]:
        if self.state.halts.pop(source, None) is not None:
            yield self._halts_changed(now)

    def _resume(self, now: datetime, source: str) -> Iterator[Effect]:
        """Lift one source's halt; a person's word also lifts the daily loss, measured anew from here."""
        yield from self._lift(now, source)
        if source == "person" and DAILY_LOSS in self.state.halts:
            self.state.day_equity = self._equity()
            yield from self._lift(now, DAILY_LOSS)

    def _halts_changed(self, now: datetime) -> Effect:
        self.state.halt_count += 1
        return Send("journal", HaltChanged(now, dict(self.state.halts), self.state.halt_count))

    def _command(
        self, now: datetime, command_id: int | None, effects: Iterable[Effect], result: str
    ) -> Iterator[Effect]:
        yield from effects
        if command_id is not None:
            yield Send("journal", CommandDone(command_id, now, result))


def _entry_id(setup_id: str) -> str:
    return f"{setup_id}/entry"


def _exit_order(position: Position, purpose: Purpose, kind: Kind, price: Decimal | None) -> Order:
    """Return the order that closes the whole position."""
    return Order(
        id=f"{position.id}/{purpose}",
        position_id=position.id,
        symbol=position.symbol,
        side=exit_deed(position.side),
        kind=kind,
        purpose=purpose,
        contracts=position.contracts,
        price=price,
    )


def _rejected(trigger: EntryTriggered, at: datetime, gate: str, value: str, threshold: str) -> Rejected:
    setup = trigger.setup
    return Rejected(
        setup.id, setup.symbol, setup.timeframe, setup.family, trigger.name, setup.side, at, gate, value, threshold
    )
