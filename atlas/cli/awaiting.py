"""The daemon waits a while for a database that is not there yet: after a restart of the machine it may come up later.

Longer than `database.wait_seconds` it does not wait: it ends with 69, and whoever supervises it starts it again.
"""

import logging
from time import monotonic, sleep

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from atlas.errors import DatabaseError
from atlas.supervision import Notify

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two attempts: doubled each time, up to the longest."""
HOPELESS = (
    "does not exist", "authentication failed", "permission denied", "no pg_hba.conf entry", "does not support SSL",
)  # fmt: skip
"""What no waiting mends, as libpq words it (connecting, it gives no code); in another language it is waited for."""

_log = logging.getLogger(__name__)


def await_server(url: str, seconds: float, notify: Notify) -> None:
    """Return once the server of the URL answers, whether or not it has the database. Raises DatabaseError."""
    from db.engine import connect, reported

    # The database itself may have to be made.
    engine = connect(make_url(url).set(database="postgres"), pool_size=1)
    deadline, pause = monotonic() + seconds, FIRST_PAUSE
    try:
        while True:
            try:
                with reported(url), engine.connect():
                    return
            except DatabaseError as error:
                cause = error.__cause__
                said = str(cause.orig) if isinstance(cause, DBAPIError) else ""
                if any(words in said for words in HOPELESS):
                    return  # Whoever opens the database says it with the remedy.
                if monotonic() + pause > deadline:
                    raise
                _log.warning("%s; tried again for %.0f s", error, deadline - monotonic())
                notify.status(f"waiting for the database: {error}")
            sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    finally:
        engine.dispose()
