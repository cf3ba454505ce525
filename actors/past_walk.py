"""One product's candles as inputs of the core: a trade where one matters, all between as one stretch.

The walk asks for the levels of all behaviours after whatever may have changed them, searches the first point that
reaches one, and hands over what lies before it unseen. The scanner is told at each bar's end, the books (broker and
risk monitor) before a trade or a timer that they act on. Where the path is only a guess, a position's whole candle is
walked if a level lies in what is left of it: what it has still to trade decides (strat.md 6).
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from math import ceil, floor
from typing import Any, Protocol

import numpy as np

from atlas.market.levels import Levels
from atlas.market.path import POINTS, PathRules
from atlas.market.stretch import Broken, Onward, Quiet, Reached, Stretch, Turn
from atlas.market.tape import FEW, Tape

Others = Callable[[], Iterator[Any]]
"""What tells the books of all other products of what came before a trade that they act on."""
ABOVE_ALL, BELOW_ALL = 2**62, -(2**62)
"""Where no level is, in units."""


class Ask(Protocol):
    """Asks the behaviours for a product's levels as they are now."""

    def books(self) -> Levels:
        """Return those of broker and risk monitor: of what is open or on its way."""

    def setups(self) -> Levels:
        """Return those of entry monitor and scanner."""


class Walk:
    """`at` is the next point that is to be played; those from `_scanned` and `_booked` on have not been told of.

    `held`: a position of the product was open when the levels were last asked for.
    """

    def __init__(self, symbol: str, tape: Tape, path: PathRules, timeframes: Iterable[str], ask: Ask) -> None:
        self.symbol, self.at, self.held = symbol, 0, False
        self._tape, self._ask = tape, ask
        self._through, self._trusted = path.through, path.trusted
        turns = tape.turns(timeframes)
        self._turns = np.append(turns, len(tape)).data
        self._highs, self._lows = tape.extremes(turns)
        self._turned = 0  # The next of the turns.
        self._scanned = self._booked = 0
        self._asked = self._asked_books = False
        self._up, self._down, self._every = ABOVE_ALL, BELOW_ALL, False
        self._books_up, self._books_down, self._books_every = ABOVE_ALL, BELOW_ALL, False
        self._found: tuple[int | None, int | None] | None = None  # For which `due` what was found.
        self._acting_up, self._acting_down = ABOVE_ALL, BELOW_ALL
        self._resting_up, self._resting_down = ABOVE_ALL, BELOW_ALL
        self._passed_at: tuple[int, Decimal] | None = None

    def again(self, point: int) -> None:
        """Something has happened elsewhere: from this point on the levels are to be asked for and searched anew."""
        self.at, self._found = point, None
        self._asked = self._asked_books = False

    def next_time(self, due: int | None) -> int | None:
        """Skip what is quiet; return when the next point that is to be played trades, None behind the last.

        Times are microseconds since 1970. `due` is the next timer's: the first point at or after it is played, so that
        the levels are read anew.
        """
        if self._found is not None and self._found[0] == due:
            return self._found[1]
        tape, turn = self._tape, self._turns[self._turned]
        if self.at < turn:
            end = turn
            if due is not None and due <= tape.micros(turn - 1):
                end = max(tape.first_from(due), self.at)
            self.at = self._first_hit(self.at, end)
        self._found = due, None if self.at >= len(tape) else tape.micros(self.at)
        return self._found[1]

    def play(self, others: Others, *, timers: bool) -> Iterator[Any]:
        """Yield the inputs of the next point. `timers`: one is due by then, so all are told of what was before.

        Where nothing is held the books need no more than the trade itself: it is the last price then.
        """
        tape, point = self._tape, self.at
        self._found = None
        if timers:
            yield from self.tell()
        if point == self._turns[self._turned]:
            before = self._stretch(self._scanned, point) if self._scanned < point else None
            self._turned += 1
            tick = tape.tick(point)
            self._scanned = point + 1
            following = self._turns[self._turned]
            until = tape.time(following) if following < len(tape) else None
            yield Turn(self.symbol, before, tick, until)
            self._asked, self._asked_books = False, self._asked_books and not timers
            hit = self._first_hit(point, point + 1) == point
            if hit and not timers and self._breaks_only(point):
                yield Broken(self.symbol, tick, tape.guess(point))
                self._asked = False
            elif hit or timers:
                yield from others()
                booked = self._unbooked(point)
                self._booked = point + 1
                yield Onward(self.symbol, tick, tape.guess(point), booked)
                self._asked = self._asked_books = False
            self.at = point + 1
            return
        if not timers and self._breaks_only(point):
            self.at = point + 1
            yield Broken(self.symbol, tape.tick(point), tape.guess(point))
            self._asked = False
            return
        yield from others()
        booked = self._unbooked(point)
        before = self._stretch(self._scanned, point) if self._scanned < point else None
        ahead = self._passed(point) if self._through and point % POINTS else None
        if ahead is None:
            tick, self.at = tape.tick(point), point + 1
        else:
            tick, self._passed_at = tape.passing(point, ahead), (point, ahead)
        self._scanned = self._booked = self.at
        yield Reached(self.symbol, before, tick, tape.guess(point), booked)
        self._asked = self._asked_books = False

    def tell(self, until: int | None = None) -> Iterator[Any]:
        """Yield what tells all of the points before `until`, None for those before the next to be played."""
        end = self.at if until is None else until
        scanned, booked = self._scanned < end, self._booked < end
        if scanned or booked:
            yield Quiet(
                self.symbol,
                self._stretch(self._scanned, end) if scanned else None,
                self._stretch(self._booked, end) if booked else None,
            )
        self._scanned, self._booked = max(self._scanned, end), max(self._booked, end)

    def tell_books(self, until: int | None = None) -> Iterator[Any]:
        """As `tell`, of the books alone."""
        end = self.at if until is None else until
        if self._booked < end:
            yield Quiet(self.symbol, None, self._stretch(self._booked, end))
            self._booked = end

    def passed(self, at: int, *, included: bool) -> int:
        """Return the point behind the last that traded before `at`, or at that instant too; none of them is played."""
        point = self._tape.first_from(at)
        while included and point < self.at and self._tape.micros(point) == at:
            point += 1
        return min(point, self.at)

    def _unbooked(self, point: int) -> Stretch | None:
        """What the books have to know before a point trades: nothing where no position is open."""
        return self._stretch(self._booked, point) if self.held and self._booked < point else None

    def _stretch(self, first: int, end: int) -> Stretch:
        """The points [first, end) as one; the extremes of what is left of a bar are known."""
        turn = self._turned - 1
        if turn >= 0 and first == self._turns[turn] + 1 and end == self._turns[turn + 1]:
            return self._tape.stretch(self.symbol, first, end, (self._highs[turn], self._lows[turn]))
        return self._tape.stretch(self.symbol, first, end)

    def _look(self) -> None:
        """Ask for the levels: always of the setups, of the books if they have been told of something since."""
        scale = self._tape.scale
        if not self._asked_books:
            books = self._ask.books()
            self.held, self._books_every, self._asked_books = books.held, books.every, True
            self._books_up, self._books_down = _least(books.up, scale), _most(books.down, scale)
            if books.held:
                self._resting_up, self._resting_down = _least(books.resting_up, scale), _most(books.resting_down, scale)
        setups = self._ask.setups()
        self._every, self._asked = self._books_every or setups.every, True
        up, down = self._books_up, self._books_down
        if setups.up:
            up = min(up, _least(setups.up, scale))
        if setups.down:
            down = max(down, _most(setups.down, scale))
        self._acting_up, self._acting_down = up, down
        self._up = min(up, _least(setups.breaking_up, scale)) if setups.breaking_up else up
        self._down = max(down, _most(setups.breaking_down, scale)) if setups.breaking_down else down

    def _first_hit(self, first: int, end: int) -> int:
        """Return the first of the points [first, end) that reaches a level, `end` if none does."""
        if first >= end:
            return end
        if not self._asked:
            self._look()
        if self._every:
            return first
        turn, up, down = self._turned - 1, self._up, self._down
        behind = turn >= 0 and first > self._turns[turn]
        if behind and self._highs[turn] < up and self._lows[turn] > down:
            return end  # Nothing of what is left of this bar does.
        if self.held and not self._trusted:
            end = self._first_candle(first, end)
        if end - first > FEW:
            left = self._tape.units[first:end]
            hits = (left >= up) | (left <= down)
            place = int(hits.argmax())
            return first + place if hits[place] else end
        for point, price in enumerate(self._tape.points[first:end], first):
            if price >= up or price <= down:
                return point
        return end

    def _breaks_only(self, point: int) -> bool:
        """Whether a point that reaches a level can do no more than end a setup, as the levels were asked for last."""
        if self._every or not self._asked or not self._acting_down < self._tape.points[point] < self._acting_up:
            return False
        return not self.held or self._trusted or not self._rests(point // POINTS)

    def _rests(self, candle: int) -> bool:
        """Whether a candle trades at an order that rests."""
        return self._tape.highs[candle] >= self._resting_up or self._tape.lows[candle] <= self._resting_down

    def _first_candle(self, first: int, end: int) -> int:
        """Return the first of the points whose candle has still to trade at a resting order, `end` if there is none."""
        tape, up, down = self._tape, self._resting_up, self._resting_down
        begins = -(-first // POINTS)
        if any(price >= up or price <= down for price in tape.points[first : begins * POINTS]):
            return first
        ends = -(-end // POINTS)
        if ends - begins > FEW:
            hits = (tape.high[begins:ends] >= up) | (tape.low[begins:ends] <= down)
            return begins * POINTS + int(hits.argmax()) * POINTS if hits.any() else end
        return next((candle * POINTS for candle in range(begins, ends) if self._rests(candle)), end)

    def _passed(self, point: int) -> Decimal | None:
        """Return the next price at which the path to a point passes a level, None where it passes none any more."""
        tape, books, setups = self._tape, self._ask.books(), self._ask.setups()
        at, price = self._passed_at or (point, Decimal(0))
        if self._passed_at is None or at != point:
            price = tape.price(point - 1)
        last = tape.price(point)
        if last > price:
            return min((level for level in (*books.up, *setups.up) if price < level < last), default=None)
        return max((level for level in (*books.down, *setups.down) if last < level < price), default=None)


def _least(prices: list[Decimal], scale: int) -> int:
    """The lowest level in units of the file, rounded up: no price below it reaches it."""
    return ceil(min(prices).scaleb(scale)) if prices else ABOVE_ALL


def _most(prices: list[Decimal], scale: int) -> int:
    """The highest level in units of the file, rounded down."""
    return floor(max(prices).scaleb(scale)) if prices else BELOW_ALL
