"""What a fill costs: the fee per side, and the slippage of orders that take liquidity (trading.md, Account)."""

from decimal import Decimal
from typing import Literal

from atlas.market.product import Product
from atlas.money.rounding import fixed
from atlas.rules import FeeRules
from atlas.strat.setup import Side

Liquidity = Literal["taker", "maker", "liquidation"]
Deed = Literal["buy", "sell"]


def entry_deed(side: Side) -> Deed:
    """Return what opens a position of this side."""
    return "buy" if side == "long" else "sell"


def exit_deed(side: Side) -> Deed:
    """Return what closes a position of this side."""
    return "sell" if side == "long" else "buy"


def notional(price: Decimal, contracts: Decimal, contract_size: Decimal) -> Decimal:
    """Return price × contracts × contract size in USD, exact."""
    return price * contracts * contract_size


def fee(value: Decimal, contracts: Decimal, product: Product, rules: FeeRules, liquidity: Liquidity) -> Decimal:
    """Return the fee of one side in USD: rate × notional + flat × contracts.

    `value` is the notional in USD. $1000 and 1 contract → $0.85; $50 000 and 5 contracts → $35.75 (lessons 78, 79).
    A liquidation pays its share of the notional instead of the taker fee, so without the flat part.
    """
    if liquidity == "liquidation":
        return fixed(rules.liquidation * value)
    if product.kind == "spot":
        rate, flat = (rules.spot_taker if liquidity == "taker" else rules.spot_maker), rules.spot_flat
    else:
        rate, flat = (rules.taker if liquidity == "taker" else rules.maker), rules.flat
    return fixed(rate * value + flat * contracts)


def slippage(price: Decimal, bid: Decimal | None, ask: Decimal | None, rules: FeeRules) -> Decimal:
    """Return by how much a market or stop order fills worse than the trade's price, per unit of price, never below 0.

    Half the spread as of that trade when bid and ask are known (a crossed book is 0), else a share of the price.
    """
    if bid is not None and ask is not None:
        return max((ask - bid) / 2, Decimal(0))
    return price * rules.slippage


def slipped(price: Decimal, deed: Deed, bid: Decimal | None, ask: Decimal | None, rules: FeeRules) -> Decimal:
    """Return the price a market or stop order fills at when the market traded at `price`.

    Limit orders have no slippage: never call this for them. The result is not rounded to the tick: half the spread is
    what taking liquidity costs on average, and on a book one tick wide rounding against the trader would double it.
    """
    worse = slippage(price, bid, ask, rules)
    return fixed(price + worse if deed == "buy" else price - worse)
