"""Rate limits as the exchange has them: so many a second, with a burst, counted in wall time."""

from collections.abc import Callable
from time import monotonic


class TokenBucket:
    """Takes `rate` a second on average and at most `burst` at once. `clock` gives seconds."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def take(self) -> bool:
        """Take one; False if there is none left."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    @property
    def remaining(self) -> int:
        """How many could be taken at once, as of the last take."""
        return int(self._tokens)
