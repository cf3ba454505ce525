"""Waiting for a notification: the daemon for commands, anybody for events."""

from collections.abc import Sequence
from types import TracebackType

import psycopg
from psycopg import sql
from sqlalchemy import URL

from atlas.errors import DatabaseError
from db.engine import CONNECT_ARGS, name_of, normal


class Listener:
    """One connection that listens to channels. A context manager; used by one thread."""

    def __init__(self, url: str | URL, channels: Sequence[str]) -> None:
        """Connect and listen. Raises DatabaseError."""
        self._url = normal(url)
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            self._connection = psycopg.connect(address, autocommit=True, **CONNECT_ARGS)  # type: ignore[arg-type]  # psycopg types every keyword after its named ones
            for channel in channels:
                self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except psycopg.Error as error:
            raise self._away(error) from error

    def wait(self, timeout: float) -> list[tuple[str, str]]:
        """Return the (channel, payload) notified since the last call, waiting up to `timeout` seconds for the first.

        Raises DatabaseError if the connection is gone: what was notified meanwhile is lost, so read the tables anew.
        """
        try:
            return [(one.channel, one.payload) for one in self._connection.notifies(timeout=timeout, stop_after=1)]
        except psycopg.Error as error:
            raise self._away(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _away(self, error: psycopg.Error) -> DatabaseError:
        return DatabaseError(f"{name_of(self._url)}: listening failed: {type(error).__name__}: {_line(error)}")


def _line(error: psycopg.Error) -> str:
    """Return what the driver said as one line, as the log and the command line tell it."""
    return " ".join(str(error).split())
