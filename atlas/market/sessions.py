"""When a product can be traded: the breaks of the derivatives exchange (CDE), and the maintenance a listing announces.

Rules are New York wall-clock times, so they move in UTC with daylight saving (lessons 60, 94). Facts: the exchange's
market hours as in coinbase.md 3, where they stand in Chicago time, one hour behind New York all year. A break moved by
a holiday is announced nowhere; only whether the session is open now is listed, and that word overrules the calendar.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from atlas.market.product import Product

NEW_YORK = ZoneInfo("America/New_York")

INSTANT = timedelta(microseconds=1)
"""The shortest interval there is."""

Break = tuple[datetime, datetime]
"""A half-open UTC interval in which a product does not trade."""

_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_CLOSES, _REOPENS = time(17), time(18)


def new_york(day: date, at: time) -> datetime:
    """Return the UTC instant of a wall-clock time in New York."""
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def has_breaks(product: Product) -> bool:
    """Return whether the exchange's calendar applies: to CDE contracts, never to spot (lesson 61: per venue)."""
    return product.kind == "future" and product.id.endswith("-CDE")


def breaks(product: Product, start: datetime, end: datetime) -> tuple[Break, ...]:
    """Return the breaks that intersect [start, end), oldest first, those that touch joined into one.

    A 24/7 contract pauses Friday 17:00–18:00; any other every day at that time, and from Friday 17:00 to Sunday 18:00.
    Maintenance announced in the listing is a break of any product.
    """
    found: tuple[Break, ...] = ()
    if has_breaks(product):
        first, last = start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
        found = _calendar_between(first, last, twenty_four_seven=product.twenty_four_seven)
    if product.maintenance is not None:
        found = _joined([*found, product.maintenance])
    return tuple([gap for gap in found if gap[0] < end and start < gap[1]])


def _joined(found: list[Break]) -> tuple[Break, ...]:
    """Return breaks oldest first, those that touch joined into one."""
    joined: list[Break] = []
    for begins, ends in sorted(found):
        if joined and begins <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ends))
        else:
            joined.append((begins, ends))
    return tuple(joined)


@lru_cache(maxsize=64)
def _calendar_between(first: date, last: date, *, twenty_four_seven: bool) -> tuple[Break, ...]:
    """Return the calendar's breaks that may reach into one of these New York days."""
    found: list[Break] = []
    day = first - timedelta(days=3)  # three days back reach the Friday of a weekend that began before them
    while day <= last:
        found += _calendar_breaks(day, twenty_four_seven=twenty_four_seven)
        day += timedelta(days=1)
    return _joined(found)


@lru_cache(maxsize=64)
def _calendar_breaks(day: date, *, twenty_four_seven: bool) -> tuple[Break, ...]:
    """Return the break that begins on this New York day, if one does."""
    weekday = day.weekday()
    if twenty_four_seven:
        return ((new_york(day, _CLOSES), new_york(day, _REOPENS)),) if weekday == _FRIDAY else ()
    if weekday == _FRIDAY:
        return ((new_york(day, _CLOSES), new_york(day + timedelta(days=2), _REOPENS)),)
    if weekday in (_SATURDAY, _SUNDAY):
        return ()
    return ((new_york(day, _CLOSES), new_york(day, _REOPENS)),)


def overlaps_break(product: Product, start: datetime, end: datetime) -> bool:
    """Return whether [start, end) and a break intersect, both half-open: a bar like that is marked (lesson 61)."""
    return bool(breaks(product, start, end))


def inside_break(product: Product, start: datetime, end: datetime) -> bool:
    """Return whether all of [start, end) lies in a break: no funding is due for such an hour."""
    return any(begins <= start and end <= ends for begins, ends in breaks(product, start, end))


def closed_reason(product: Product, at: datetime) -> str | None:
    """Return why the product cannot be traded at that instant, for people; None when it can.

    What the listing says of the session overrules the calendar, open or closed, until the calendar next changes; from
    then on the calendar holds, until the listing is read again (`listing_schedule` reads it just after every change).
    """
    if product.suspended:
        return f"trading is suspended: {product.suspended}"
    if product.expiry is not None and at >= product.expiry:
        return f"expired {product.expiry:%Y-%m-%d %H:%M} UTC"
    if product.as_of is None:
        if not product.session_open:
            return "the exchange lists the session as closed"
    elif not _changes_between(product, product.as_of, at):
        told = f"the exchange lists the session as closed, as of {product.as_of:%a %H:%M} UTC"
        return None if product.session_open else told
    for begins, ends in breaks(product, at, at + INSTANT):
        return f"break {begins:%a %H:%M}–{ends:%a %H:%M} UTC"
    return None


def _changes_between(product: Product, one: datetime, other: datetime) -> bool:
    """Return whether a break begins or ends later than the earlier instant and not later than the other."""
    after, until = min(one, other), max(one, other)
    edges = (edge for gap in breaks(product, after, until + INSTANT) for edge in gap)
    return any(after < edge <= until for edge in edges)


def closed_out_of_turn(product: Product) -> bool:
    """Return whether the listing, when it was read, said closed where the calendar has no break."""
    read = product.as_of
    return not product.session_open and (read is None or not breaks(product, read, read + INSTANT))


def is_open(product: Product, at: datetime) -> bool:
    """Return whether entries are possible at that instant."""
    return closed_reason(product, at) is None
