"""What a daemon writes, seen from outside: its rows, and waiting until they say something."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db.engine import connect


class Watching:
    """Looks into a daemon's database; where something never comes, the end of the log in `place` is told."""

    def __init__(self, url: str, place: Path, patience: float) -> None:
        """`patience` is in seconds."""
        self._engine, self._place, self._patience = connect(url), place, patience

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with self._engine.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds; `what` names it."""
        deadline = time.monotonic() + self._patience
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}\n{(self._place / 'daemon.log').read_text()[-3000:]}"
            time.sleep(0.05)

    def close(self) -> None:
        """Leave the database."""
        self._engine.dispose()
