"""The scanner of a system that is watched: it tells the display how each timeframe's current period stands.

What it adds is no event and decides nothing: a replay goes without it and gives the same events.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from actors.messages import ExchangeCandles, Forming, FrameNow, History, Message, PeriodEnded, Snapshot, Traded
from actors.runtime.behaviour import Effect, Send
from actors.scanner import Scanner
from actors.scanner_frames import Frame
from atlas.market.stretch import Stretch, Turn
from atlas.market.timeframes import period

EVERY = timedelta(seconds=1)
"""Market time between two tellings while no period begins or ends; nobody reads faster."""


class ShownScanner(Scanner):
    """See the module."""

    # No part of the state: after a crash it is told once more, which changes nothing.
    _told_at: datetime | None = None
    _told_period: datetime | None = None

    def receive(self, now: datetime, message: Message | Turn | Stretch) -> Iterable[Effect]:
        """Do what the scanner does, then tell how the periods stand if that is due."""
        effects = list(super().receive(now, message))
        if self._is_due(now, message):
            self._told_at, self._told_period = now, self.state.late_before
            effects.append(Send("journal", self._forming(now)))
        return effects

    def _is_due(self, now: datetime, message: Message | Turn | Stretch) -> bool:
        if isinstance(message, Traded):
            begun = self._told_at is None or self.state.late_before != self._told_period
            return begun or (self._told_at is not None and now - self._told_at >= EVERY)
        return isinstance(message, PeriodEnded | History | Snapshot | ExchangeCandles)

    def _forming(self, now: datetime) -> Forming:
        frames = tuple(_frame(name, frame, now) for name, frame in self.state.frames.items())
        return Forming(self.symbol, now, self._rules.continuity_mode, frames)


def _frame(timeframe: str, frame: Frame, now: datetime) -> FrameNow:
    opens, closes = period(timeframe, now)
    forming, view = frame.forming, frame.view(now)
    bar = forming.bar() if forming is not None and forming.open_time == opens else None
    return FrameNow(timeframe, opens, closes, bar, view.prior_high, view.prior_low, view.known)
