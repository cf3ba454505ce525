"""Several products' walks in the order of time, timers between them: the inputs of a fast replay.

What happens is the same as trade by trade: before a trade that somebody acts on, everybody has been told of what came
before it; before a timer fires, everything until then.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from actors.messages import PeriodEnded
from actors.past_levels import of_continuity, of_entries, of_orders, of_positions
from actors.past_walk import Walk
from actors.route import BROKER, ENTRY, RISK, SCANNER
from actors.runtime.timers import Timer
from actors.runtime.virtual import VirtualCore
from actors.scanner import frames_needed
from atlas.market.levels import Levels
from atlas.market.path import PathRules
from atlas.market.tape import Tape, micros
from atlas.rules import Rules

_NONE = Levels()
"""Those of books in which nothing is open."""


def walked(core: VirtualCore, rules: Rules, tapes: Sequence[tuple[str, Tape]], path: PathRules) -> Iterator[Any]:
    """Yield inputs; each has to be taken by the core before the next is asked for."""
    frames = frames_needed(rules.strat, full=rules.alerts.full_continuity)
    walks = [Walk(symbol, tape, path, frames, _Asker(core, rules, symbol)) for symbol, tape in tapes]

    def idle(timer: Timer) -> bool:
        """Whether a timer ends a period that a trade has ended already."""
        message = timer.message
        if not isinstance(message, PeriodEnded):
            return False
        forming = core.state(timer.name).frames[message.timeframe].forming
        return forming is None or forming.close_time != message.close_time

    while True:
        timer = core.next_due(idle)
        due = None if timer is None else micros(timer)
        times = [(at, place) for place, walk in enumerate(walks) if (at := walk.next_time(due)) is not None]
        if not times:
            break
        at, place = min(times)
        timers = due is not None and due <= at
        if timers and due is not None:
            for other, walk in enumerate(walks):
                if other != place:
                    point = walk.passed(due, included=False)
                    yield from walk.tell(point)
                    walk.again(point)
        yield from walks[place].play(partial(_told, walks, place, at), timers=timers)
    for walk in walks:
        yield from walk.tell()


def _told(walks: Sequence[Walk], place: int, at: int) -> Iterator[Any]:
    """Tell the books of what is held besides of all that came before a trade of the walk at `place`.

    How far each may still go is then shared out anew, for the day's loss is one for all of them.
    """
    for other, walk in enumerate(walks):
        if other != place and walk.held:
            point = walk.passed(at, included=other < place)
            yield from walk.tell_books(point)
            walk.again(point)


class _Asker:
    """Asks every behaviour of the core for the levels of one product."""

    def __init__(self, core: VirtualCore, rules: Rules, symbol: str) -> None:
        self._core, self._rules, self._symbol = core, rules, symbol
        self._entry, self._broker, self._risk = core.state(ENTRY), core.state(BROKER), core.state(RISK)
        self._scanner = core.state(SCANNER + symbol)

    def books(self) -> Levels:
        """See Ask."""
        broker, risk = self._broker, self._risk
        if not (broker.holdings or broker.orders or risk.positions or risk.entering):
            return _NONE
        levels = Levels()
        of_orders(levels, broker, self._symbol)
        if levels.held:
            levels.rest()
        of_positions(levels, risk, self._rules, self._symbol, self._core.now)
        return levels

    def setups(self) -> Levels:
        """See Ask."""
        levels = Levels()
        of_entries(levels, self._entry, self._symbol)
        if self._scanner.full is not None:
            of_continuity(levels, self._scanner)
        return levels
