"""What came of a replay, from the events it caused: the same form as the vectorised backtest gives."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from actors.messages import (
    AccountOpened,
    BarClosed,
    DayStarted,
    EntryTriggered,
    Filled,
    FundingPaid,
    Invalidated,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Rejected,
    SetupsReplaced,
)
from atlas.backtest.result import Counts, Key, Outcome, daily_equity, listed, outcome
from atlas.money.book import Position
from atlas.money.profit import unrealised
from atlas.rules import Rules


class Told:
    """The events of a replay, as far as its result needs them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._counts = Counts()
        self._positions: dict[str, Position] = {}
        self._closed: list[Position] = []
        self._families: dict[tuple[str, str], dict[str, Key]] = {}  # Of the setups in force on each timeframe.
        self._days: list[tuple[date, Decimal]] = []
        self._cash: Decimal | None = None
        self._marks: dict[str, Decimal] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            BarClosed: self._bar,
            SetupsReplaced: self._setups,
            EntryTriggered: self._triggered,
            Rejected: self._rejected,
            Invalidated: self._invalidated,
            PositionOpened: self._opened,
            PositionChanged: self._changed,
            PositionClosed: self._closed_one,
            DayStarted: self._day,
            AccountOpened: self._account,
            Filled: self._account,
            FundingPaid: self._account,
        }

    def take(self, event: Any) -> None:
        """Note one event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def _bar(self, event: BarClosed) -> None:
        self._marks[event.symbol] = event.bar.close

    def _setups(self, event: SetupsReplaced) -> None:
        families = {setup.id: (event.timeframe, setup.family) for setup in event.setups}
        self._families[event.symbol, event.timeframe] = families

    def _triggered(self, event: EntryTriggered) -> None:
        self._counts.triggers[event.setup.timeframe, event.setup.family] += 1

    def _rejected(self, event: Rejected) -> None:
        key = event.timeframe, event.family
        if event.repeats:  # What its trigger became first is counted.
            self._counts.triggers[key] -= 1
            return
        self._counts.gates.setdefault(key, Counter())[event.gate] += 1

    def _invalidated(self, event: Invalidated) -> None:
        if event.reason == "opposite_broke":
            key = self._families.get((event.symbol, event.timeframe), {}).get(event.setup_id)
            if key is not None:  # Else it was made before the first event.
                self._counts.invalidated[key] += 1

    def _opened(self, event: PositionOpened) -> None:
        self._counts.trades[event.position.timeframe, event.position.family] += 1
        self._positions[event.position.id] = event.position

    def _changed(self, event: PositionChanged) -> None:
        self._positions[event.position.id] = event.position

    def _closed_one(self, event: PositionClosed) -> None:
        self._positions.pop(event.position.id, None)
        self._closed.append(event.position)

    def _day(self, event: DayStarted) -> None:
        self._days.append((date.fromisoformat(event.day), event.equity))

    def _account(self, event: AccountOpened | Filled | FundingPaid) -> None:
        self._cash = event.account.cash

    def outcome(self) -> Outcome:
        """Return the result: what is open is worth the close of the last bar that closed.

        Where no event has told of the cash (a short piece of a recording) the last day has no equity yet.
        """
        held = self._positions.values()
        if self._cash is None:
            equity = daily_equity(self._days, Decimal(0))[:-1]
        else:
            marks = self._marks
            open_profits = (unrealised(each, marks.get(each.symbol, each.entry_price)) for each in held)
            equity = daily_equity(self._days, self._cash + sum(open_profits, Decimal(0)))
        return outcome(self._rules, map(listed, (*self._closed, *held)), self._counts, equity)
