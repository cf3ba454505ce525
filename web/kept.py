"""What hangs on the events alone is kept until the next one: prices move every second, events come with bars."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar

MOST: Final = 8
"""How many are kept."""

T = TypeVar("T")


class Kept(Generic[T]):
    """The last few values by all they hang on; a value is never changed."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()

    def get(self, of: Hashable, make: Callable[[], T]) -> T:
        """Return the value, made if it is not there. Two that ask at once may both make it."""
        with self._lock:
            if of in self._values:
                self._values.move_to_end(of)
                return self._values[of]
        value = make()
        with self._lock:
            self._values[of] = value
            while len(self._values) > MOST:
                self._values.popitem(last=False)
        return value
