"""The money of the paper broker: what a fill, an hour's funding and another leverage do to account and holdings.

Each function changes the state and returns the event that says so, with the ledger's legs; check and reserve are one
step, because nothing else runs in between.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import AccountOpened, Filled, FundingPaid, History, Remargin, Remargined
from actors.paper_broker_candle import COSTLY
from actors.paper_broker_prices import Execution, pays_as, slippage_cost
from actors.paper_broker_state import BrokerState, Holding
from atlas.errors import InternalError
from atlas.market.bar import Bar, Tick
from atlas.market.funding_file import FundingFile
from atlas.market.product import Product
from atlas.money import ledger
from atlas.money.book import AccountState, Fill, Leg, Order
from atlas.money.fees import fee, notional
from atlas.money.funding import funding, hourly_rate, hours_due
from atlas.money.margin import initial_margin, liquidation_price, maintenance_rate
from atlas.money.profit import profit
from atlas.money.rounding import fixed
from atlas.rules import Rules
from atlas.strat.setup import Side


def open_account(state: BrokerState, rules: Rules, now: datetime) -> AccountOpened:
    """Put the starting equity into an empty account."""
    legs = ledger.deposit("deposit", now, rules.account.starting_equity)
    state.account = ledger.EMPTY
    return AccountOpened(now, legs, _post(state, legs))


def take_listing(state: BrokerState, products: Iterable[Product]) -> None:
    """Take products as listed now; one in which something is open keeps the contract it was entered with."""
    held = {holding.symbol for holding in state.holdings.values()}
    for product in products:
        before = state.products.get(product.id)
        if before is not None and product.id in held:
            product = msgspec.structs.replace(product, contract_size=before.contract_size, tick=before.tick)
        state.products[product.id] = product


def take_before(state: BrokerState, before: Mapping[str, Bar]) -> None:
    """Take the last closes before the time that is settled: what was stored of the last trades may be older."""
    for symbol, bar in before.items():
        last, close = state.last.get(symbol), Tick(0, bar.close_time, bar.close, bar.volume)
        state.walked.setdefault(symbol, close)
        if last is None or last.time < close.time:
            state.last[symbol] = close


def available(state: BrokerState) -> Decimal:
    """Return cash + what is open at the last prices − reserved margin, USD."""
    if state.account is None:
        return Decimal(0)
    total = state.account.cash - state.account.reserved
    for holding in state.holdings.values():
        price = state.last[holding.symbol].price if holding.symbol in state.last else holding.entry_price
        size = state.products[holding.symbol].contract_size
        total += profit(holding.side, holding.entry_price, price, holding.contracts, size)
    return total


def cash_needed(order: Order, made: Execution, product: Product, rules: Rules) -> Decimal:
    """Return what an entry takes out of what is available: margin and the taker's fee, USD."""
    value = notional(made.price, made.contracts, product.contract_size)
    return initial_margin(value, order.leverage) + fee(value, made.contracts, product, rules.fees, "taker")


def book_fill(state: BrokerState, rules: Rules, order: Order, made: Execution, at: datetime) -> Filled:
    """Open or reduce the holding, pay the fee, reserve or release margin; count the fill."""
    product = state.products[order.symbol]
    number = state.fills.get(order.id, 0)
    state.fills[order.id] = number + 1
    movement = f"{order.id}:{number}" if number else order.id
    paid = fee(
        notional(made.price, made.contracts, product.contract_size), made.contracts, product, rules.fees, pays_as(order)
    )
    fill = Fill(
        order.id, order.position_id, order.symbol, order.side, order.purpose, made.contracts, made.price,
        made.reference, paid, slippage_cost(order, made, product.contract_size), at, state.settling,
        _ambiguous(state, order), state.rest, _after_hole(state, order),
    )  # fmt: skip
    legs = [*ledger.fee_paid(f"{movement}:fee", at, paid, order.position_id)]
    if order.purpose == "entry":
        margin, gross = _enter(state, rules, order, fill, legs), Decimal(0)
    else:
        margin, gross = _reduce(state, fill, product, legs, movement)
    account = _post(state, legs)
    holding = state.holdings.get(order.position_id)
    liquidation = holding.liquidation if holding is not None else None
    return Filled(order, fill, tuple(legs), account, margin, gross, liquidation, number)


def _ambiguous(state: BrokerState, order: Order) -> bool:
    holding = state.holdings.get(order.position_id)
    return holding is not None and holding.ambiguous and order.purpose in COSTLY


def _after_hole(state: BrokerState, order: Order) -> bool:
    holding = state.holdings.get(order.position_id)
    while_down = state.settling  # Has a mark of its own.
    return holding is not None and (holding.after_hole or (order.symbol in state.holes and not while_down))


def _enter(state: BrokerState, rules: Rules, order: Order, fill: Fill, legs: list[Leg]) -> Decimal:
    product = state.products[order.symbol]
    side: Side = "long" if order.side == "buy" else "short"
    margin = initial_margin(notional(fill.price, fill.contracts, product.contract_size), order.leverage)
    legs.extend(ledger.margin_reserved(f"{order.id}:margin", fill.time, margin, order.position_id))
    liquidation = liquidation_price(side, fill.price, order.leverage, maintenance_rate(product, rules.margin))
    state.holdings[order.position_id] = Holding(
        order.symbol, side, fill.contracts, fill.price, margin, order.leverage, liquidation, fill.time
    )
    return margin


def _reduce(
    state: BrokerState, fill: Fill, product: Product, legs: list[Leg], movement: str
) -> tuple[Decimal, Decimal]:
    """Realise the part's profit and release its margin; return the margin left and the gross profit."""
    holding = state.holdings[fill.position_id]
    gross = profit(holding.side, holding.entry_price, fill.price, fill.contracts, product.contract_size)
    left = holding.contracts - fill.contracts
    if left < 0:
        raise InternalError(f"{fill.order_id} would close {fill.contracts} of {holding.contracts} open: report this")
    margin = fixed(holding.margin * left / holding.contracts)
    legs.extend(ledger.realised(f"{movement}:realised", fill.time, gross, fill.position_id))
    legs.extend(ledger.margin_released(f"{movement}:margin", fill.time, holding.margin - margin, fill.position_id))
    holding.contracts, holding.margin = left, margin
    if left == 0:
        del state.holdings[fill.position_id]
    return margin, gross


def remargin(state: BrokerState, rules: Rules, asked: Remargin, now: datetime) -> Remargined | None:
    """Reserve the margin of what is open at another leverage, which moves its liquidation price; None if nothing is.

    The risk monitor has seen that it fits when it was due; what has been lost since does not stop it.
    """
    holding = state.holdings.get(asked.position_id)
    if holding is None:
        return None
    product = state.products[holding.symbol]
    margin = initial_margin(
        notional(holding.entry_price, holding.contracts, product.contract_size), asked.leverage
    )
    movement, added = f"{asked.position_id}:remargin:{now:%Y%m%dT%H%M%S}", margin - holding.margin
    legs: tuple[Leg, ...] = ()
    if added > 0:
        legs = ledger.margin_reserved(movement, now, added, asked.position_id)
    elif added < 0:
        legs = ledger.margin_released(movement, now, -added, asked.position_id)
    holding.margin, holding.leverage = margin, asked.leverage
    holding.liquidation = liquidation_price(
        holding.side, holding.entry_price, asked.leverage, maintenance_rate(product, rules.margin)
    )
    return Remargined(
        asked.position_id, holding.symbol, now, asked.leverage, asked.tier, margin, holding.liquidation, legs,
        _post(state, legs),
    )  # fmt: skip


def settle_funding(
    state: BrokerState,
    rules: Rules,
    position_id: str,
    until: datetime,
    history: History | None = None,
    *,
    rates: Mapping[str, FundingFile],
) -> Iterator[FundingPaid]:
    """Pay or receive the funding of every hour crossed up to `until` that is not settled yet.

    The mark is the last trade at or before the hour, of those seen and of the candles in `history`. The rate is the
    product's own where `rates`, those of the past by product, do not tell the hour's.
    """
    holding = state.holdings[position_id]
    product = state.products[holding.symbol]
    own, file = hourly_rate(product, rules.margin), rates.get(holding.symbol)
    for hour in hours_due(product, holding.funded or holding.since, until):
        told = None if file is None else file.rate(hour)
        rate = own if told is None else told
        mark = _mark(state, holding, hour, history)
        holding.funded = hour
        amount = funding(holding.side, holding.contracts, product, mark, rate)
        legs = ledger.funding_paid(f"funding:{position_id}:{hour:%Y%m%dT%H%M}", hour, amount, position_id)
        yield FundingPaid(position_id, holding.symbol, hour, rate, mark, amount, legs, _post(state, legs))


def _mark(state: BrokerState, holding: Holding, hour: datetime, history: History | None) -> Decimal:
    known = [(holding.since, holding.entry_price)]
    if history is not None:
        known += [(bar.close_time, bar.close) for frame in history.frames for bar in frame.closed]
    ticks = (state.walked.get(holding.symbol), state.last.get(holding.symbol))
    known += [(tick.time, tick.price) for tick in ticks if tick is not None]
    # The newest counts; a trade stamped exactly on the hour comes after the candle that ends there.
    return max(reversed([one for one in known if one[0] <= hour]), key=lambda one: one[0])[1]


def _post(state: BrokerState, legs: Iterable[Leg]) -> AccountState:
    if state.account is None:
        raise InternalError("the account was moved before it was opened: report this")
    state.account = ledger.apply(state.account, legs)
    return state.account
