"""How many contracts: by the risk to the stop, by the margin available, or always the same (trading.md, Sizing)."""

from decimal import Decimal
from typing import Literal

import msgspec

from atlas.errors import ConfigurationError, InternalError
from atlas.market.product import Product
from atlas.money.fees import entry_deed, exit_deed, fee, notional, slipped
from atlas.money.margin import initial_margin
from atlas.money.profit import loss_at
from atlas.money.rounding import fixed, to_increment
from atlas.rules import Rules
from atlas.strat.setup import Side


class SizeRequest(msgspec.Struct, frozen=True):
    """What the size depends on. `reference` is the price of the triggering trade, bid and ask those as of it.

    `equity` and `available` are USD, `multiplier` the continuity's 1 or ½, `leverage` that of the tier in force.
    """

    side: Side
    reference: Decimal
    stop: Decimal
    bid: Decimal | None
    ask: Decimal | None
    equity: Decimal
    available: Decimal
    multiplier: Decimal
    leverage: Decimal


class Size(msgspec.Struct, frozen=True):
    """A size and every step that led to it, so that it can be explained.

    `entry` is the expected fill: the reference, worse by slippage. `risk_per_contract` is the loss from it to the stop;
    `costs_per_contract` both taker fees and the slippage of the exit; `cash_per_contract` what opening one takes out of
    available: margin, entry fee and entry slippage. `by_formula` is the size before caps (multiplier applied),
    `by_margin` the most that available pays for. `margin`, `risk`, `costs` and `cash` are USD for all contracts.
    """

    contracts: Decimal
    mode: str
    multiplier: Decimal
    leverage: Decimal
    entry: Decimal
    budget: Decimal
    risk_per_contract: Decimal
    costs_per_contract: Decimal
    cash_per_contract: Decimal
    by_formula: Decimal
    by_margin: Decimal
    margin: Decimal
    risk: Decimal
    costs: Decimal
    cash: Decimal
    capped_by: Literal["margin", "max_size"] | None
    zero_because: Literal["size_zero", "margin"] | None


class _Costs(msgspec.Struct, frozen=True):
    margin: Decimal
    risk: Decimal
    round_trip: Decimal
    cash: Decimal


def _costs(request: SizeRequest, entry: Decimal, contracts: Decimal, product: Product, rules: Rules) -> _Costs:
    """Return what this many contracts reserve, risk and cost, USD."""
    opened = notional(entry, contracts, product.contract_size)
    entry_fee = fee(opened, contracts, product, rules.fees, "taker")
    entry_slip = abs(entry - request.reference) * contracts * product.contract_size
    stopped_at = slipped(request.stop, exit_deed(request.side), request.bid, request.ask, rules.fees)
    exit_fee = fee(notional(stopped_at, contracts, product.contract_size), contracts, product, rules.fees, "taker")
    exit_slip = abs(stopped_at - request.stop) * contracts * product.contract_size
    margin = initial_margin(opened, request.leverage)
    return _Costs(
        margin=margin,
        risk=loss_at(request.side, entry, request.stop, contracts, product.contract_size),
        round_trip=fixed(entry_fee + exit_fee + exit_slip),
        cash=fixed(margin + entry_fee + entry_slip),
    )


def _tradable(contracts: Decimal, product: Product) -> Decimal:
    """Return whole contracts (lesson 77; base increments of spot), 0 when below the smallest order."""
    whole = to_increment(contracts, product.size_increment)
    return whole if whole >= product.min_size else Decimal(0)


def _affordable(request: SizeRequest, entry: Decimal, one: _Costs, product: Product, rules: Rules) -> Decimal:
    """Return the most contracts whose margin, entry fee and entry slippage fit into available (lesson 75).

    The exit's fee is not reserved: it is paid out of the margin that the exit releases.
    """
    most = _tradable(max(request.available, Decimal(0)) / one.cash, product)
    # a sum rounded to eight decimals may exceed the sum of its rounded parts by a hair
    while most > 0 and _costs(request, entry, most, product, rules).cash > request.available:
        most = _tradable(most - product.size_increment, product)
    return most


def units_of(product: Product, rules: Rules) -> Decimal:
    """Return the contracts that mode `units` buys, whatever they cost."""
    return _tradable(rules.sizing.units / product.contract_size, product)


def most_of(product: Product) -> Decimal:
    """Return the largest size an order may have."""
    return _tradable(product.max_size, product)


def size(request: SizeRequest, product: Product, rules: Rules) -> Size:
    """Return the size of an entry.

    `risk`: ⌊equity × risk share × multiplier ÷ (|entry − stop| × contract size + round-trip costs per contract)⌋, then
    capped by what available pays for. `leverage`: the most that available pays for, × multiplier. The multiplier is
    applied once (lesson 76). `units`: so many of the underlying, or none if available does not pay for them.
    `zero_because` names the gate that rejects a size of 0: `margin` when only the margin made it 0, else `size_zero`.

    Raises ConfigurationError for an unknown sizing mode, InternalError when the stop is not beyond the entry.
    """
    mode = rules.sizing.mode
    entry = slipped(request.reference, entry_deed(request.side), request.bid, request.ask, rules.fees)
    one = _costs(request, entry, Decimal(1), product, rules)
    if one.risk <= 0:
        raise InternalError(
            f"a {request.side} from {request.reference} with its stop at {request.stop} risks nothing: the gate "
            "price_past_stop must run before sizing"
        )
    by_margin = _affordable(request, entry, one, product, rules)
    budget = fixed(request.equity * rules.sizing.risk_share * request.multiplier)
    if mode == "risk":
        by_formula = _tradable(budget / (one.risk + one.round_trip), product)
        contracts, zero = min(by_formula, by_margin), by_formula == 0
    elif mode == "leverage":
        by_formula = _tradable(by_margin * request.multiplier, product)
        contracts, zero = by_formula, by_margin > 0
    elif mode == "units":
        by_formula = units_of(product, rules)
        contracts, zero = (by_formula if by_formula <= by_margin else Decimal(0)), by_formula == 0
    else:
        raise ConfigurationError(f"sizing.mode {mode!r} is not known: write risk, leverage or units")
    capped_by: Literal["margin", "max_size"] | None = "margin" if contracts < by_formula else None
    if contracts > product.max_size:
        contracts, capped_by = most_of(product), "max_size"
    total = _costs(request, entry, contracts, product, rules)
    return Size(
        contracts=contracts,
        mode=mode,
        multiplier=request.multiplier,
        leverage=request.leverage,
        entry=entry,
        budget=budget,
        risk_per_contract=one.risk,
        costs_per_contract=one.round_trip,
        cash_per_contract=one.cash,
        by_formula=by_formula,
        by_margin=by_margin,
        margin=total.margin,
        risk=total.risk,
        costs=total.round_trip,
        cash=total.cash,
        capped_by=capped_by,
        zero_because=None if contracts > 0 else "size_zero" if zero else "margin",
    )
