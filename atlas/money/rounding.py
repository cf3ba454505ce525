"""All rounding of prices, sizes and money (trading.md: "All rounding is in one module").

Levels go to the product's tick: stops away from the entry, targets towards it, triggers outward. Sizes go down. Money,
and prices that are no orders (slipped fills, liquidation prices), are held at eight decimals, half to even: sums of
such amounts are exact, so the ledger balances to the last digit, and one amount is off by less than a millionth of a
cent.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import Literal

from atlas.errors import InternalError
from atlas.strat.setup import Side

Way = Literal["up", "down"]

SCALE = Decimal("0.00000001")
"""The smallest amount of money the account knows, USD."""

_ZERO = Decimal(0)
_RATIO = Context(prec=12, rounding=ROUND_HALF_EVEN)


def to_tick(price: Decimal, tick: Decimal, way: Way) -> Decimal:
    """Return the nearest multiple of `tick` at or above (`up`) or at or below (`down`) the price.

    Exact, also where price ÷ tick has no end. Raises InternalError when the tick is not positive.
    """
    if tick <= 0:
        raise InternalError(f"a tick of {tick} is not positive: read the product's price increment from the exchange")
    over = price % tick
    if over < 0:
        over += tick
    if over == 0:
        return price.quantize(tick)
    return (price - over + (tick if way == "up" else 0)).quantize(tick)


def stop_on_tick(stop: Decimal, side: Side, tick: Decimal) -> Decimal:
    """Return the stop on the tick, away from the entry (trading.md, Products)."""
    return to_tick(stop, tick, "down" if side == "long" else "up")


def target_on_tick(target: Decimal, side: Side, tick: Decimal) -> Decimal:
    """Return the target on the tick, towards the entry (trading.md, Products)."""
    return to_tick(target, tick, "down" if side == "long" else "up")


def trigger_on_tick(trigger: Decimal, side: Side, tick: Decimal) -> Decimal:
    """Return a translated trigger on the tick, outward: never easier to reach (trading.md, Products)."""
    return to_tick(trigger, tick, "up" if side == "long" else "down")


def to_increment(size: Decimal, increment: Decimal) -> Decimal:
    """Return the size in whole increments (1 contract; the base increment of spot), never more; below 0 is 0."""
    return to_tick(max(size, Decimal(0)), increment, "down")


def fixed(amount: Decimal) -> Decimal:
    """Return an amount of money, or a price that is no order, at eight decimals, half to even, never -0."""
    return amount.quantize(SCALE, ROUND_HALF_EVEN) + _ZERO  # by place, and of one kind: half the time


def ratio(value: Decimal) -> Decimal:
    """Return a ratio (a metric, not money) at twelve significant digits: every machine prints the same."""
    return _RATIO.plus(value)


def shown(value: Decimal, places: int, way: Way) -> str:
    """Return a value for people, without trailing zeros, rounded in the way that cannot flatter.

    A value that fails a minimum is shown rounded down, one that breaks a maximum rounded up, so that the text never
    says "0.5 % is less than 0.5 %".
    """
    rounded = value.quantize(_digit(places), rounding=ROUND_CEILING if way == "up" else ROUND_FLOOR) + 0
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def _digit(places: int) -> Decimal:
    """Return one unit of the last of so many places."""
    return Decimal(1).scaleb(-places)


def percent(share: Decimal, way: Way) -> str:
    """Return a share as a percentage for people, e.g. 0.0041 → `0.41 %`."""
    return f"{shown(share * 100, 4, way)} %"


def dollars(amount: Decimal, way: Way) -> str:
    """Return an amount for people in dollars and cents, e.g. `$35.75`, `-$4.20`."""
    rounded = amount.quantize(_digit(2), rounding=ROUND_CEILING if way == "up" else ROUND_FLOOR) + 0
    return f"{'-' if rounded < 0 else ''}${abs(rounded):f}"
