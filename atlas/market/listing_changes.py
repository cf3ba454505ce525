"""What the owner is told of a product's listing: what changed since it was read before, and an expiry to come."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from atlas.market.product import MarginRates, Product
from atlas.market.sessions import closed_out_of_turn

_CHICAGO = ZoneInfo("America/Chicago")


class Change(msgspec.Struct, frozen=True):
    """One thing that changed. `critical`: a position held in the product may need a person."""

    text: str
    critical: bool = False


def changes(before: Product, after: Product) -> Iterator[Change]:
    """Yield what changed between two readings of one product's listing, the worst first.

    Funding changes every hour and a session closes in every break: neither is news. Margin rates move a little every
    day and are told when the leverage they allow changes in its first decimal, as the built-in table has it.
    """
    name = after.id
    if after.suspended != before.suspended:
        stopped = f"{name}: trading is suspended: {after.suspended}. What is open there cannot be closed meanwhile."
        yield Change(stopped, True) if after.suspended else Change(f"{name}: trading goes on again")
    for what, old, new in (
        ("tick", before.tick, after.tick),
        ("contract size", before.contract_size, after.contract_size),
    ):
        if old != new:
            held = "An open position is kept at the old one, and nothing is entered there until it is closed."
            yield Change(f"{name}: the exchange lists the {what} {new:f}, it was {old:f}. {held}", True)
    if after.expiry != before.expiry:
        yield Change(f"{name}: expires {_moment(after.expiry)}, was {_moment(before.expiry)}", True)
    for what, old, new in (
        ("smallest order", before.min_size, after.min_size),
        ("largest order", before.max_size, after.max_size),
        ("order increment", before.size_increment, after.size_increment),
    ):
        if old != new:
            yield Change(f"{name}: the {what} is {new:f}, it was {old:f}")
    for what, share, earlier in _rates(before.margin, after.margin):
        if (new_x := _leverage(share)) != (old_x := _leverage(earlier)):
            yield Change(f"{name}: the {what} leverage is {new_x}, it was {old_x} (margin {share:f} of notional)")
    if after.twenty_four_seven != before.twenty_four_seven:
        hours = "24 hours on 7 days" if after.twenty_four_seven else "with a break every day and over the weekend"
        yield Change(f"{name}: now trades {hours}")
    if after.maintenance is not None and after.maintenance != before.maintenance:
        begins, ends = after.maintenance
        yield Change(f"{name}: maintenance from {_moment(begins)} to {_moment(ends)}; nothing is entered meanwhile")
    if closed_out_of_turn(after) != closed_out_of_turn(before) and not after.suspended and not before.suspended:
        shut = closed_out_of_turn(after)
        yield Change(f"{name}: the session is {'closed outside its usual break' if shut else 'open again'}")


def expiry_warning(product: Product, at: datetime, days: int) -> str | None:
    """Return what to say of a product that expires within so many days; None if it does not, or has expired.

    Days are counted by the exchange's calendar, Chicago's.
    """
    if product.expiry is None or at >= product.expiry:
        return None
    left = (product.expiry.astimezone(_CHICAGO).date() - at.astimezone(_CHICAGO).date()).days
    if left > days:
        return None
    when = "today" if left == 0 else "tomorrow" if left == 1 else f"in {left} days"
    return (
        f"{product.id} expires {when}, {_moment(product.expiry)}: nothing is entered in its last 24 hours and what is "
        "open is closed before the end. To go on, put the product that follows it into exchange.products."
    )


def _rates(before: MarginRates | None, after: MarginRates | None) -> Iterator[tuple[str, Decimal, Decimal]]:
    if before is not None and after is not None:
        yield "intraday long", after.intraday_long, before.intraday_long
        yield "intraday short", after.intraday_short, before.intraday_short
        yield "overnight long", after.overnight_long, before.overnight_long
        yield "overnight short", after.overnight_short, before.overnight_short


def _leverage(rate: Decimal) -> str:
    return f"{1 / rate:.1f}"


def _moment(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
