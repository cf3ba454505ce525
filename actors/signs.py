"""The signs of life ATLAS gives to whoever would miss them: systemd's watchdog, and a dead man's switch elsewhere.

They are given only while every actor gets on: it answered its pulse, and what waits for it is not old. A quiet market,
a lost feed and a lost database are no reasons to be restarted: they are told by halts, alerts and the verdict.
"""

import logging
from collections.abc import Callable

import requests

from actors.runtime.threads import wall_seconds
from atlas.supervision import Notify

FRESH = 60.0
"""Seconds for which a beat of the supervisor counts: should its thread end, nobody says so but the silence."""
PING_TIMEOUT = 10.0
"""Seconds a ping may take; it has a thread of its own, and nobody waits for that."""

_log = logging.getLogger(__name__)


class Signs:
    """Gives the signs. `beat` is called by the supervisor's thread and never waits; `ping` by its own."""

    def __init__(self, notify: Notify, feed: Callable[[], str], ping_url: str = "") -> None:
        """`feed` returns the state of the feed in words, for the line of status."""
        self._notify, self._feed, self._ping_url = notify, feed, ping_url
        self._stalled: list[str] = []
        self._beat_at: float | None = None
        self._unpinged = False

    def beat(self, stalled: list[str]) -> None:
        """Give a sign of life, unless somebody makes no progress."""
        if stalled:
            self._notify.status(f"no progress: {'; '.join(stalled)}")
            if not self._stalled:
                _log.error("no sign of life is given, there is no progress: %s", "; ".join(stalled))
        else:
            self._notify.alive(f"running, feed {self._feed()}")
            if self._stalled:
                _log.warning("every actor gets on again")
        self._stalled, self._beat_at = stalled, wall_seconds()

    def ping(self) -> None:
        """Ask the URL that is to be asked; that it cannot be is told once, and once that it can be again."""
        if self._stalled or self._beat_at is None or wall_seconds() - self._beat_at > FRESH:
            return
        try:
            requests.get(self._ping_url, timeout=PING_TIMEOUT).raise_for_status()
        except requests.RequestException as error:
            # The address is a secret: whoever knows it can keep the switch quiet. The text of the error holds it.
            if not self._unpinged:
                _log.warning("the dead man's switch cannot be reached: %s", _said(error))
            self._unpinged = True
        else:
            if self._unpinged:
                _log.info("the dead man's switch is reached again")
            self._unpinged = False


def _said(error: requests.RequestException) -> str:
    status = "" if error.response is None else f", HTTP {error.response.status_code}"
    return f"{type(error).__name__}{status}"
