"""A shard of several: renews its leases, and tells the core which products it may enter."""

import logging
import threading
from collections.abc import Callable

from actors.messages import Leased
from actors.opening import Ticker
from actors.route import RISK
from actors.runtime.post import Post
from actors.runtime.threads import utc_now, wall_seconds
from db.leases import STOP_AFTER, Leases

RENEW_EVERY = 2.0
"""Seconds between two renewals, each to be answered well within STOP_AFTER."""
LOOK_EVERY = 0.5
"""Seconds between two looks at how long ago the last renewal was: never behind a database that hangs."""

_log = logging.getLogger(__name__)


class Shard:
    """See the module. Nothing may be entered before the first renewal."""

    def __init__(self, leases: Leases, post: Post, clock: Callable[[], float] = wall_seconds) -> None:
        self._leases, self._post, self._clock = leases, post, clock
        self._good_until = 0.0
        self._told: tuple[str, ...] | None = None
        self._turn = threading.Lock()

    def children(self) -> list[Ticker]:
        """Return what renews and what watches, to be started after the core."""
        return [Ticker("leases", RENEW_EVERY, self.renew), Ticker("lease watch", LOOK_EVERY, self.look)]

    def renew(self) -> None:
        """Renew, and tell the core if there is a change. Raises DatabaseError; `look` then tells it in time."""
        asked = self._clock()
        products = self._leases.renew()
        gained = [product for product in products if product not in (self._told or ())]
        entered = self._leases.entered(gained, utc_now()) if gained else {}
        with self._turn:
            # From when it was asked: the row is at least as new as that.
            self._good_until = asked + STOP_AFTER.total_seconds()
            self._tell(Leased(products, entered))

    def look(self) -> None:
        """Tell the core that nothing may be entered once the last renewal is too old."""
        with self._turn:
            if self._told and self._clock() > self._good_until:
                _log.error("no lease was renewed for %s: nothing is entered until one is", STOP_AFTER)
                self._tell(Leased(()))

    def release(self) -> None:
        """Give the leases up, once the core has stopped."""
        self._leases.release()

    def _tell(self, leased: Leased) -> None:
        if leased.products != self._told:
            _log.info("leases of this shard: %s", ", ".join(leased.products) or "none")
            self._told = leased.products
            self._post.send("leases", RISK, leased)
