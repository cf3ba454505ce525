"""A connection that gives a silent server up: a statement timeout helps only where the server still answers.

A frozen server, or one behind a network that swallows packets or keeps acknowledging them, leaves a client waiting for
ever, `pool_pre_ping` and keepalives included. The journal would hang, and with it the account.
"""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, event

INTERVAL = 0.1
"""Seconds between two looks of the driver at a socket on which nothing comes."""


class Impatient(psycopg.Connection[Any]):
    """A connection on which an answer is waited for `patience` seconds of silence at most, then it is closed."""

    patience: float = 0.0

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        """Wait for an answer. Raises OperationalError, and closes the connection, if nothing comes for too long.

        Who gives a `timeout` of its own (`notifies`) waits for what may never come: that is no silence.
        """
        if not self.patience or options.get("timeout") is not None:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_hearing(gen, self.patience), INTERVAL)
        except _Silent:
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the server has said nothing for {self.patience:g} s: the connection is given up"
            ) from None


def give_up_silence(engine: Engine, seconds: float) -> None:
    """Let every connection of the engine be given up when the server is silent for so many seconds."""

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> Impatient:
        connection = Impatient.connect(*arguments, **options)
        connection.patience = seconds
        return connection


class _Silent(Exception):
    """Nothing has come for too long."""


def _hearing(gen: PQGen[RV], seconds: float) -> PQGen[RV]:
    """Drive `gen`, counting the looks at which nothing had come: no clock is needed for that."""
    quiet = 0
    try:
        state = next(gen)
        while True:
            ready = yield state
            quiet = 0 if ready else quiet + 1
            if quiet * INTERVAL > seconds:
                raise _Silent
            answer = gen.send(ready)
            # While nothing has come the driver goes on waiting for what it waited for.
            state = answer if ready else state
    except StopIteration as end:
        result: RV = end.value
        return result
