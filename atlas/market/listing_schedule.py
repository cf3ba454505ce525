"""When the exchange's listing is to be read again: what it says of session and funding is only worth its age.

Two minutes before every full hour, so that an hour's funding uses the rate listed for it; just after every instant at
which a session may change; and every minute while one is closed. On holidays the Friday break comes on Thursday without
notice, so 17:00 and 18:00 New York count on every day.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from atlas.market.product import Product
from atlas.market.sessions import NEW_YORK, has_breaks, new_york

HOUR = timedelta(hours=1)
BEFORE_THE_HOUR = timedelta(minutes=2)
AFTER_A_CHANGE = timedelta(seconds=5)
WHILE_CLOSED = timedelta(minutes=1)
_CHANGES = (time(17), time(18))


def next_reading(products: Iterable[Product], at: datetime) -> datetime:
    """Return when to read the listing next if it was read at `at`, on the exchange's clock; always later than `at`."""
    before = (at + BEFORE_THE_HOUR).replace(minute=0, second=0, microsecond=0) + HOUR - BEFORE_THE_HOUR
    due = [before]
    for product in products:
        if not product.session_open or product.suspended:
            due.append(at + WHILE_CLOSED)
        changes = [*(product.maintenance or ())]
        if has_breaks(product):
            today = at.astimezone(NEW_YORK).date()
            changes += [new_york(day, change) for day in (today, today + timedelta(days=1)) for change in _CHANGES]
        due += [change + AFTER_A_CHANGE for change in changes if change + AFTER_A_CHANGE > at]
    return min(due)
