"""The embedded server is started again when it dies under the daemon: nobody else would.

A server elsewhere, or one that a service of the machine runs, is cared for by whoever runs it.
"""

import logging
from collections.abc import Callable

from atlas.errors import AtlasError
from db.embedded import EmbeddedServer

LONGEST_PAUSE = 32
"""Looks passed over at most after failures, doubled each time: with a look every two seconds about a minute."""

_log = logging.getLogger(__name__)


class Keeper:
    """Looks whether the server lives; `tell` is told, in words, when it was started again and when it cannot be."""

    def __init__(self, server: EmbeddedServer, tell: Callable[[str], None]) -> None:
        self._server, self._tell = server, tell
        self._pause = self._passed = 0

    def look(self) -> None:
        """Start the server again if it has died, with growing pauses where it will not start."""
        if self._passed < self._pause:
            self._passed += 1
            return
        self._passed = 0
        try:
            revived = self._server.revive()
        except AtlasError as error:
            _log.error("the embedded Postgres cannot be started again: %s", error)
            if not self._pause:
                self._tell(f"The embedded Postgres has died and cannot be started again yet: {error}")
            self._pause = min(max(1, self._pause * 2), LONGEST_PAUSE)
            return
        self._pause = 0
        if revived:
            _log.warning("the embedded Postgres had died and was started again")
            self._tell("The embedded Postgres had died and was started again.")
