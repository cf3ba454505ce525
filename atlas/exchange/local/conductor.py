"""Moves the market's clock: at its speed, no faster than its listeners, not at all while it has to wait for them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from atlas.exchange.local.connection import Connection
from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.instants import NS
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.publications import Publication
from atlas.exchange.local.timeline import Timeline

STANDING_HEARTBEAT = 1.0
"""Wall seconds between heartbeats while the clock stands still."""
MOST_LAG = 1.0
"""Wall seconds a market may hurry to catch up with its pace; what is beyond is let go."""
STEPS_PER_TURN = 50
"""Steps without a listener before other tasks get their turn."""


class Conductor:
    """Drives one timeline. `lock` guards the timeline against readers on other threads (REST)."""

    def __init__(
        self,
        timeline: Timeline,
        options: ExchangeOptions,
        connections: Callable[[], Sequence[Connection]],
        lock: threading.Lock,
        *,
        play: FaultPlay,
        behind_wall: float | None = None,
    ) -> None:
        """`play` are the faults.

        `behind_wall`: the market's clock is the wall's, so many seconds behind, and never lets go of a lag.
        """
        self._timeline = timeline
        self._options = options
        self._connections = connections
        self._lock = lock
        self._play = play
        self._tracks_wall = behind_wall is not None
        self._started = False
        self._anchor = (monotonic() - (behind_wall or 0.0), timeline.now)
        self.heard = asyncio.Event()
        """Set when a client has said something, come or gone."""

    async def play(self, finished: Callable[[], None]) -> None:
        """Play the market to its end, call `finished`, then stand still."""
        steps = 0
        while (instant := self._timeline.next_instant()) is not None:
            if self._must_stand():
                self._play.stands()
                await self._stand()
                self._play.moves()
                self._started = True
                self._anchor = (monotonic(), self._timeline.now)
            wait = self._wait_until(instant)
            if wait > 0:
                await asyncio.sleep(wait)
                continue  # whoever listened may have gone meanwhile
            steps += 1
            if not await self._deliver(self._timeline.step) and steps % STEPS_PER_TURN == 0:
                await asyncio.sleep(0)
        finished()
        self._play.stands()
        while True:
            await asyncio.sleep(STANDING_HEARTBEAT)
            await self._deliver(self._idle)

    def _must_stand(self) -> bool:
        if self._started and not self._options.hold:
            return False
        connections = self._connections()
        if self._timeline.market.from_file:
            followed = {name for connection in connections for name in connection.session.holds("market_trades")}
            return not followed.issuperset(self._timeline.tapes)
        return self._options.hold and not any(connection.session.subscribed for connection in connections)

    async def _stand(self) -> None:
        """Stand still, with heartbeats once a wall second, until the listeners are there and have said all."""
        beat_at = monotonic() + STANDING_HEARTBEAT
        settled_at: float | None = None
        while settled_at is None or monotonic() < settled_at:
            until = beat_at if settled_at is None else min(beat_at, settled_at)
            try:
                async with asyncio.timeout(max(until - monotonic(), 0)):
                    await self.heard.wait()
            except TimeoutError:
                pass
            if self.heard.is_set():
                self.heard.clear()
                settled_at = None if self._must_stand() else monotonic() + self._options.settle
            if monotonic() >= beat_at:
                beat_at += STANDING_HEARTBEAT
                await self._deliver(self._idle)

    def _wait_until(self, instant: int) -> float:
        """Return how many wall seconds lie before an instant of the exchange, 0 or less if it is due."""
        wall, anchor = self._anchor
        now = monotonic()
        due = wall + (instant - anchor) / NS / self._options.speed
        if now - due > MOST_LAG and not self._tracks_wall:
            self._anchor = (now, instant)
        return due - now

    def _idle(self) -> list[Publication]:
        return [self._timeline.idle_heartbeat()]

    async def _deliver(self, publish: Callable[[], Sequence[Publication]]) -> bool:
        """Publish and give every connection its share; unless running free, wait until all have read it.

        False if nobody had to be waited for.
        """
        with self._lock:
            published = publish()
            self._play.advance()
            connections = self._connections()
            if self._play.has_strikes and any(each.session.subscribed for each in connections):
                for struck in self._play.strikes():
                    for each in connections:
                        each.strike(struck)
            listeners = [each for each in connections if each.take(published)]
        if not listeners or self._options.free_run:
            return False
        if len(listeners) == 1:
            await listeners[0].catch_up()
        else:
            await asyncio.gather(*(connection.catch_up() for connection in listeners))
        return True
