"""Small children of the supervisor that the system needs besides its actors."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from actors.messages import FeedDown, FeedUp, Gap, History, HistoryFailed, MarketTime, Missed, ProductsListed, Trades
from actors.runtime.core import Core
from atlas.errors import ExchangeError

AFTER_FAULT = 1.0
"""Seconds a ticker pauses at least after a fault: one that waits in its action would else ask without a pause."""

_log = logging.getLogger(__name__)


class CoreAddress:
    """The core by name: what is told to it is one numbered input.

    Notes which products have their first history, with `settles` whether what was missed while ATLAS was down is there,
    and in `feed` whether the feed is up, as health shows it. `trades`, `gaps` and `downs` count what has come of each
    since the start: trades told, products with a hole, losses of the feed.
    """

    def __init__(self, core: Core, symbols: Sequence[str], *, settles: bool = False) -> None:
        self._core = core
        self._missing = {*symbols, ProductsListed.__name__} | ({Missed.__name__} if settles else set())
        self._failures: dict[str, str] = {}
        self._changed = threading.Condition()
        self.feed = "down: not connected yet"
        self.trades = self.gaps = self.downs = 0

    def tell(self, message: Any) -> None:
        """Take an input, from any thread; the tick path is taken by the thread that brings it."""
        if isinstance(message, Trades | MarketTime):
            self._core.hand(message)
        else:
            self._core.put(message)
        if isinstance(message, Trades):
            self.trades += len(message.ticks)
        elif isinstance(message, Gap):
            self.gaps += 1
        elif isinstance(message, FeedUp):
            self.feed = "up"
            _log.info("the feed is up")
        elif isinstance(message, FeedDown):
            self.downs += 1
            self.feed = f"down: {message.reason}"
            _log.warning("the feed is down: %s", message.reason)
        elif isinstance(message, History | HistoryFailed | ProductsListed | Missed):
            with self._changed:
                if isinstance(message, HistoryFailed):
                    self._failures[message.symbol] = message.reason
                elif isinstance(message, Missed):
                    self._missing -= {Missed.__name__} if message.last else set()
                else:
                    self._missing.discard(getattr(message, "symbol", ProductsListed.__name__))
                self._changed.notify_all()

    def wait_for_history(self, timeout: float) -> None:
        """Return once every product has its history. Raises ExchangeError when that takes longer."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._missing, timeout):
                missing = ", ".join(sorted(self._missing))
                why = "; ".join(sorted(set(self._failures.values()))) or f"nothing came within {timeout:.0f} s"
                raise ExchangeError(f"no candles or products for {missing}: {why}")


class HistoryGate:
    """Lets the feed start only when the history is with the core: no trade is then seen without its bars.

    With `waits` False it lets it start at once: REST is known to be down, and what is open needs the trades.
    """

    name = "history gate"
    actors: Sequence[str] = ()

    def __init__(self, address: CoreAddress, *, waits: bool = True) -> None:
        self._address, self._waits = address, waits

    def start(self, timeout: float) -> None:
        """Wait for the first history of every product. Raises ExchangeError."""
        if self._waits:
            self._address.wait_for_history(timeout)

    def stop(self, timeout: float) -> bool:
        """Nothing to stop."""
        return True

    def pulse(self, number: int) -> None:
        """Nothing to ask."""

    def oldest_waiting(self) -> float:
        """Nothing waits here."""
        return 0.0


class Ticker:
    """A thread that does something every so many seconds; faults are logged.

    One that is not `waited_for` is not to be waited for at the end either: it has nothing to lose.
    """

    actors: Sequence[str] = ()

    def __init__(self, name: str, every: float, action: Callable[[], None], *, waited_for: bool = True) -> None:
        self.name = name
        self._waited_for = waited_for
        self._every, self._action = every, action
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, timeout: float) -> None:
        """Start the thread; the action comes first."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End after the action under way; return whether it has."""
        self._ending.set()
        if self._thread is None or not self._waited_for:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def pulse(self, number: int) -> None:
        """It holds no actor."""

    def oldest_waiting(self) -> float:
        """It holds no inputs."""
        return 0.0

    def _run(self) -> None:
        failed = ""
        while True:
            try:
                self._action()
                failed = ""
            except Exception as error:  # whatever it is, it is tried again; the same fault is said once
                if str(error) != failed:
                    _log.warning("%s: %s: %s", self.name, type(error).__name__, error)
                failed = str(error)
            if self._ending.wait(max(self._every, AFTER_FAULT) if failed else self._every):
                return
