"""The paper broker: a venue of our own with real-venue money rules (strat.md 6, trading.md).

It owns the account: cash, margin, resting orders and what they fill at. It looks at every trade before the risk monitor
and the entry monitor do, so a position is checked from the trade after the one that opened it. At one and the same
trade: liquidated, then stop, then a market exit that waits, then target.

A market order fills at the last trade, at once. While the feed is down or the session closed it waits for the next
trade seen live: one replayed on subscription had printed before anybody could have hit it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.messages import (
    AccountOpened,
    CancelOrder,
    FeedDown,
    FeedUp,
    Filled,
    FundingDue,
    FundingPaid,
    Message,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    PlaceOrder,
    ProductsListed,
    Traded,
)
from actors.runtime.behaviour import After, Behaviour, Effect, Send
from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.market.sessions import is_open
from atlas.money import ledger
from atlas.money.book import AccountState, Fill, Leg, Order
from atlas.money.fees import Liquidity, exit_deed, fee, notional, slipped
from atlas.money.funding import HOUR, funding, hourly_rate, is_due
from atlas.money.margin import initial_margin, is_liquidated, liquidation_price, maintenance_rate
from atlas.money.profit import profit
from atlas.money.rounding import fixed
from atlas.rules import Rules
from atlas.strat.setup import Side

REMEMBERED = 256
"""Ids of finished orders kept, so that none of them is placed again."""


class Holding(msgspec.Struct):
    """What is open of one position at the venue; a trade replayed on subscription counts if it is after `since`.

    `funded` is the last full hour it paid for.
    """

    symbol: str
    side: Side
    contracts: Decimal
    entry_price: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation: Decimal | None
    since: datetime
    funded: datetime | None = None


class BrokerState(msgspec.Struct):
    """`orders` rest, oldest first; `done` are the ids of the last orders filled, cancelled or refused."""

    account: AccountState | None = None
    holdings: dict[str, Holding] = {}
    orders: dict[str, Order] = {}
    done: list[str] = []
    products: dict[str, Product] = {}
    last: dict[str, Tick] = {}
    feed_up: bool = False
    funding_armed: bool = False


class PaperBroker(Behaviour[BrokerState]):
    """See the module."""

    def __init__(self, rules: Rules, state: BrokerState | None = None) -> None:
        self._rules = rules
        self.state = state or BrokerState()

    def start(self, now: datetime) -> Iterable[Effect]:
        """Arm the funding timer again for what is open: also for this very hour, which is funded just after it."""
        self.state.funding_armed = False
        return self._arm_funding(now, now - timedelta(microseconds=1)) if self.state.holdings else ()

    def receive(self, now: datetime, message: Message) -> Iterable[Effect]:
        """Handle Traded, PlaceOrder, CancelOrder, FundingDue, ProductsListed, FeedUp and FeedDown."""
        match message:
            case Traded():
                return self._traded(message)
            case PlaceOrder(order=order):
                return self._place(now, order)
            case CancelOrder(order_id=order_id):
                return self._cancel(order_id, now, "asked")
            case FundingDue(at=at):
                return self._funding(now, at)
            case ProductsListed(products=products):
                self.state.products |= {product.id: product for product in products}
                return self._open_account(now)
            case FeedUp() | FeedDown():
                self.state.feed_up = isinstance(message, FeedUp)
                return ()
            case _:
                raise TypeError(f"the paper broker does not know {type(message).__name__}")

    # ── trades ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _traded(self, message: Traded) -> Iterator[Effect]:
        symbol, tick, live = message.symbol, message.tick, message.source == "feed"
        self.state.last[symbol] = tick
        for position_id, holding in list(self.state.holdings.items()):
            if holding.symbol == symbol and (live or tick.time > holding.since):
                yield from self._check(position_id, holding, tick, live)

    def _check(self, position_id: str, holding: Holding, tick: Tick, live: bool) -> Iterator[Effect]:
        """Liquidate, stop out, leave as asked or take the target: the first of these that this trade causes."""
        # A trade may be stamped a little before one of another product; nothing is left before it was entered.
        at = max(tick.time, holding.since)
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
            yield from self._fill(order, tick, at)
            return
        own = [order for order in self.state.orders.values() if order.position_id == position_id]
        for kind in ("stop", "market", "limit"):
            for order in own:
                if order.kind == kind and _reached(order, tick.price, live):
                    yield from self._fill(order, tick, at)
                    return

    # ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, now: datetime, order: Order) -> Iterator[Effect]:
        """Take an order once: check and reserve in one step, fill market orders now if there is a price to fill at."""
        state = self.state
        if order.id in state.orders or order.id in state.done:
            return
        refusal = self._refusal(order, now)
        if refusal is not None:
            self._finish(order.id)
            reason, value, threshold = refusal
            yield from _tell(OrderRejected(order, now, reason, value, threshold))
            return
        yield Send("journal", OrderAccepted(order, now))
        tick = state.last.get(order.symbol)
        if order.kind == "market" and tick is not None and (order.purpose == "entry" or self._trades(order, now)):
            yield from self._fill(order, tick, now)
        else:
            state.orders[order.id] = order

    def _trades(self, order: Order, now: datetime) -> bool:
        """Whether the last trade's price can be had at once."""
        product = self.state.products.get(order.symbol)
        return self.state.feed_up and product is not None and is_open(product, now)

    def _finish(self, order_id: str) -> None:
        self.state.done = [*self.state.done, order_id][-REMEMBERED:]

    def _refusal(self, order: Order, now: datetime) -> tuple[str, str, str] | None:
        """Return reason, value and threshold if the order cannot be taken."""
        state = self.state
        if order.purpose != "entry":
            holding = state.holdings.get(order.position_id)
            if holding is None or holding.contracts < order.contracts:
                open_now = holding.contracts if holding else Decimal(0)
                return "reduce_only", f"{order.contracts} contracts", f"{open_now} open"
            return None
        product, tick = state.products.get(order.symbol), state.last.get(order.symbol)
        if product is None or tick is None or state.account is None:
            return "no_price", order.symbol, "a listed product with a price"
        if not is_open(product, now):
            return "session_closed", "closed", "open"
        price = slipped(tick.price, order.side, tick.bid, tick.ask, self._rules.fees)
        value = notional(price, order.contracts, product.contract_size)
        needed = initial_margin(value, order.leverage)
        needed += fee(value, order.contracts, product, self._rules.fees, "taker")
        available = state.account.cash - state.account.reserved + self._unrealised()
        if needed > available:
            return "margin", f"{needed:.2f} USD", f"{available:.2f} USD available"
        return None

    def _cancel(self, order_id: str, now: datetime, reason: str) -> Iterator[Effect]:
        if self.state.orders.pop(order_id, None) is not None:
            self._finish(order_id)
            yield from _tell(OrderCancelled(order_id, now, reason))

    def _fill(self, order: Order, tick: Tick, at: datetime) -> Iterator[Effect]:
        """Fill an order at this trade: limit orders at their price, the others at the trade's, worse by slippage."""
        state, rules = self.state, self._rules.fees
        if order.purpose != "entry" and at == _hour(at):
            yield from self._fund(order.position_id, at)  # What is closed on the hour has crossed it.
        product = state.products[order.symbol]
        reference = order.price if order.kind == "limit" and order.price is not None else tick.price
        price = reference
        if order.kind != "limit":
            price = slipped(reference, order.side, tick.bid, tick.ask, rules)
        paid = fee(
            notional(price, order.contracts, product.contract_size), order.contracts, product, rules, _takes(order)
        )
        state.orders.pop(order.id, None)
        self._finish(order.id)
        slippage = notional(abs(price - reference), order.contracts, product.contract_size)
        fill = Fill(
            order.id, order.position_id, order.symbol, order.side, order.purpose,
            order.contracts, price, reference, paid, slippage, at,
        )  # fmt: skip
        legs = [*ledger.fee_paid(f"{order.id}:fee", at, paid, order.position_id)]
        if order.purpose == "entry":
            margin, gross = self._enter(order, price, product, legs, at), Decimal(0)
        else:
            margin, gross = self._exit(order, price, product, legs, at)
        account = self._post(legs)
        holding = state.holdings.get(order.position_id)
        liquidation = holding.liquidation if holding is not None else None
        yield from _tell(Filled(order, fill, tuple(legs), account, margin, gross, liquidation))
        if order.purpose == "entry":
            yield from self._arm_funding(at, at)
        elif order.position_id not in state.holdings:
            for rest in [rest.id for rest in state.orders.values() if rest.position_id == order.position_id]:
                yield from self._cancel(rest, at, "position closed")

    def _enter(self, order: Order, price: Decimal, product: Product, legs: list[Leg], at: datetime) -> Decimal:
        side: Side = "long" if order.side == "buy" else "short"
        margin = initial_margin(notional(price, order.contracts, product.contract_size), order.leverage)
        legs.extend(ledger.margin_reserved(f"{order.id}:margin", at, margin, order.position_id))
        maintenance = maintenance_rate(product, self._rules.margin)
        liquidation = liquidation_price(side, price, order.leverage, maintenance)
        self.state.holdings[order.position_id] = Holding(
            order.symbol, side, order.contracts, price, margin, order.leverage, liquidation, at
        )
        return margin

    def _exit(
        self, order: Order, price: Decimal, product: Product, legs: list[Leg], at: datetime
    ) -> tuple[Decimal, Decimal]:
        holding = self.state.holdings[order.position_id]
        gross = profit(holding.side, holding.entry_price, price, order.contracts, product.contract_size)
        left = holding.contracts - order.contracts
        margin = fixed(holding.margin * left / holding.contracts)
        legs.extend(ledger.realised(f"{order.id}:realised", at, gross, order.position_id))
        legs.extend(ledger.margin_released(f"{order.id}:margin", at, holding.margin - margin, order.position_id))
        holding.contracts, holding.margin = left, margin
        if left == 0:
            del self.state.holdings[order.position_id]
        return margin, gross

    # ── account ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_account(self, now: datetime) -> Iterator[Effect]:
        if self.state.account is None:
            legs = ledger.deposit("deposit", now, self._rules.account.starting_equity)
            self.state.account = ledger.EMPTY
            account = self._post(list(legs))
            yield from _tell(AccountOpened(now, tuple(legs), account))

    def _post(self, legs: list[Leg]) -> AccountState:
        assert self.state.account is not None
        self.state.account = ledger.apply(self.state.account, legs)
        return self.state.account

    def _unrealised(self) -> Decimal:
        """Profit and loss of everything open at the last prices, USD."""
        total = Decimal(0)
        for holding in self.state.holdings.values():
            price = self.state.last[holding.symbol].price if holding.symbol in self.state.last else holding.entry_price
            size = self.state.products[holding.symbol].contract_size
            total += profit(holding.side, holding.entry_price, price, holding.contracts, size)
        return total

    def _arm_funding(self, now: datetime, after: datetime) -> Iterator[Effect]:
        """Wake just after the first full hour past `after`: a trade stamped exactly on it still counts for the mark."""
        if not self.state.funding_armed:
            self.state.funding_armed = True
            boundary = _hour(after) + HOUR
            yield After((boundary - now).total_seconds() + 1e-6, FundingDue(boundary))

    def _funding(self, now: datetime, at: datetime) -> Iterator[Effect]:
        self.state.funding_armed = False
        for position_id in self.state.holdings:
            yield from self._fund(position_id, at)
        if self.state.holdings:
            yield from self._arm_funding(now, now)

    def _fund(self, position_id: str, hour: datetime) -> Iterator[Effect]:
        """Pay or receive the funding of one full hour, once; what was opened on the hour has not crossed it."""
        state, holding = self.state, self.state.holdings[position_id]
        product, tick = state.products[holding.symbol], state.last.get(holding.symbol)
        if holding.since >= hour or holding.funded == hour or not is_due(product, hour):
            return
        holding.funded = hour
        mark = tick.price if tick is not None else holding.entry_price
        rate = hourly_rate(product, self._rules.margin)
        amount = funding(holding.side, holding.contracts, product, mark, rate)
        legs = ledger.funding_paid(f"funding:{position_id}:{hour:%Y%m%dT%H%M}", hour, amount, position_id)
        account = self._post(list(legs))
        yield from _tell(FundingPaid(position_id, holding.symbol, hour, rate, mark, amount, legs, account))


def _hour(at: datetime) -> datetime:
    """The last full hour at or before an instant."""
    return at.replace(minute=0, second=0, microsecond=0)


def _reached(order: Order, price: Decimal, live: bool) -> bool:
    """Whether a trade fills a resting order: a stop at or beyond its price, a limit strictly beyond its own."""
    if order.price is None:
        return live
    if order.kind == "stop":
        return price <= order.price if order.side == "sell" else price >= order.price
    return price > order.price if order.side == "sell" else price < order.price


def _takes(order: Order) -> Liquidity:
    """What an order's fill pays for: a resting limit order is a maker."""
    if order.purpose == "liquidated":
        return "liquidation"
    return "maker" if order.kind == "limit" else "taker"


def _tell(event: Message) -> Iterator[Effect]:
    """An event goes to the journal and to the risk monitor."""
    yield Send("journal", event)
    yield Send("risk_monitor", event)
