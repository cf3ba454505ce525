"""The optional exits of strat.md 6, as levels and instants: scale-out, break-even, trailing stop, maximum bars, expiry.

All distances are in R, the distance from the entry fill to the first stop; a stop that was moved does not change R.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from atlas.market.product import Product
from atlas.market.timeframes import period
from atlas.money.book import Position
from atlas.money.profit import first_risk
from atlas.money.rounding import stop_on_tick, target_on_tick, to_increment
from atlas.money.windows import DEADLINE
from atlas.rules import ExitRules

LAST_DAY = timedelta(days=1)
"""Before an expiry: no entries in the last 24 hours."""
EXPIRY_EXIT = DEADLINE
"""How long before its expiry a contract is closed, while it still trades."""


def in_favour(position: Position, by_r: Decimal, risk: Decimal) -> Decimal:
    """Return the price so many R in the position's favour, not on the tick; `risk` is the distance of 1 R."""
    distance = by_r * risk
    return position.entry_price + (distance if position.side == "long" else -distance)


def is_beyond(position: Position, price: Decimal, than: Decimal) -> bool:
    """Return whether a price is strictly further in the position's favour than another."""
    return price > than if position.side == "long" else price < than


def scale_out(position: Position, product: Product, rules: ExitRules) -> tuple[Decimal, Decimal] | None:
    """Return contracts and limit price of the part closed at 1 R; None where there is none.

    The share is rounded down to whole contracts, the price to the tick towards the entry, as targets are. Nothing is
    scaled out of a position too small to be parted, of one without R, nor at a price the target comes before.
    """
    risk = first_risk(position)
    if risk is None:
        return None
    part = to_increment(position.entry_contracts * rules.scale_out, product.size_increment)
    price = target_on_tick(in_favour(position, Decimal(1), risk), position.side, product.tick)
    if part < product.min_size or not is_beyond(position, position.target, price):
        return None
    return part, price


def moved_stop(position: Position, price: Decimal, tick: Decimal, rules: ExitRules) -> Decimal | None:
    """Return where the stop goes after a trade at `price`, None if it stays. It only ever moves in favour.

    Break-even is the entry fill, reached when a trade is at or beyond so many R. The trail hangs on the best price
    seen. Both are rounded as stops are: away from the market, so that no rounding stops a position out. The stop of a
    position without R stays.
    """
    risk, candidates = first_risk(position), []
    if risk is None:
        return None
    if rules.break_even > 0 and not is_beyond(position, in_favour(position, rules.break_even, risk), price):
        candidates.append(position.entry_price)
    trails_from = in_favour(position, rules.trail_after, risk)
    if rules.trail_distance > 0 and not is_beyond(position, trails_from, position.best):
        behind = rules.trail_distance * risk
        candidates.append(position.best - behind if position.side == "long" else position.best + behind)
    stops = [stop_on_tick(candidate, position.side, tick) for candidate in candidates]
    better = [stop for stop in stops if is_beyond(position, stop, position.stop)]
    return (max if position.side == "long" else min)(better, default=None)


def held_until(position: Position, max_bars: int) -> datetime:
    """Return the end of the last bar the position may be held in, the entry bar being the first; by the calendar."""
    end = position.entry_bar_end
    for _ in range(max_bars - 1):
        end = period(position.timeframe, end)[1]
    return end


def next_multiple(at: datetime, within: int) -> datetime:
    """Return the first whole multiple of so many seconds of a day, counted from 00:00 UTC, that is later than `at`."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    length = timedelta(seconds=within)
    return min(midnight + ((at - midnight) // length + 1) * length, midnight + timedelta(days=1))


def expiry_exit(product: Product) -> datetime | None:
    """Return when an open position of the product is closed as `expired`; None if it never expires."""
    return None if product.expiry is None else product.expiry - EXPIRY_EXIT


def last_day_reason(product: Product, at: datetime) -> str | None:
    """Return why no entry is made in the last day before an expiry, for people; None on any other day."""
    if product.expiry is None or at < product.expiry - LAST_DAY:
        return None
    return f"expires {product.expiry:%Y-%m-%d %H:%M} UTC: no entries in its last day"
