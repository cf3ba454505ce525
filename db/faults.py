"""What a failed write means: try again, wait for the database, or set the event aside."""

from typing import Literal

import psycopg.errors
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Verdict = Literal["again", "away", "poison"]

RETRIED = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the same transaction may succeed at once."""

POISONOUS = ("22", "23")
"""SQLSTATE classes that blame the row: data exception, integrity constraint violation."""


def verdict(error: Exception) -> Verdict:
    """Say what to do about a write that raised.

    `away` is the answer to everything that blames the server or the schema and not the row: the events are kept, since
    waiting loses nothing and a dead letter would.
    """
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in RETRIED:
            return "again"
        if state[:2] in POISONOUS or _refused_by_the_driver(error, state):
            return "poison"
        return "away"
    if isinstance(error, PoolTimeout):
        return "away"
    # StatementError: a value of the wrong type; others: a payload or projection that cannot be.
    return "poison"


def _refused_by_the_driver(error: DBAPIError, state: str) -> bool:
    # A text with a NUL never reaches the server and has no SQLSTATE.
    return not state and not error.connection_invalidated and isinstance(error.orig, psycopg.errors.DataError)


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line, without the statement and its parameters."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
