"""The entry monitor: notices the very trade that takes a trigger, once for each setup, for ever (strat.md 3).

It knows the waiting setups of every product. A trade strictly beyond a trigger uses the setup up: both its sides when
it is two-sided. The continuity at that trade is asked of the scanner, which has seen the same trade already; then the
trigger goes to the risk monitor. A scanner that does not answer before the next trade leaves the reading unknown, which
rejects the entry.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from actors.messages import (
    ContinuityMeasured,
    DataVerified,
    EntryTriggered,
    Invalidated,
    LateTrade,
    MeasureContinuity,
    Message,
    SetupsReplaced,
    Traded,
    Unseen,
)
from actors.runtime.behaviour import Behaviour, Effect, Send
from atlas.market.bar import Tick
from atlas.market.timeframes import TIMEFRAMES
from atlas.strat.context import Context
from atlas.strat.naming import resolved
from atlas.strat.setup import ContinuityReading, Setup, Side, opposite

_FAR = Decimal("Infinity")
_NEVER = datetime.max.replace(tzinfo=UTC)
_LENGTH = {timeframe: place for place, timeframe in enumerate(TIMEFRAMES)}


class Waiting(msgspec.Struct):
    """One side of a setup that waits for its trigger."""

    setup: Setup
    detection: ContinuityReading
    verified: bool
    context: Context | None = None


class Measuring(msgspec.Struct):
    """A trigger whose continuity has been asked for."""

    waiting: Waiting
    tick: Tick
    missed: bool


class EntryState(msgspec.Struct):
    """`waiting` by product and timeframe; `used` setups → end of their entry bar; `unverified` products.

    `late` is the product and id of the next trade, if the scanner has found that to be older than a closed bar.
    """

    waiting: dict[str, dict[str, list[Waiting]]] = {}
    used: dict[str, datetime] = {}
    measuring: dict[str, Measuring] = {}
    unverified: list[str] = []
    late: tuple[str, int] | None = None


class EntryMonitor(Behaviour[EntryState]):
    """See the module. `rules` and `version` are stamped on every trigger; `touch`: a trade at a trigger takes it."""

    def __init__(self, rules: str, version: str, state: EntryState | None = None, *, touch: bool = False) -> None:
        self.state = state or EntryState()
        self._rules, self._version, self._touch = rules, version, touch
        # No part of the state, which tells it: found when it is asked for, dropped when the product's setups change.
        self._between: dict[str, tuple[Decimal, Decimal]] = {}
        # Nor is this: when the first of the used setups can be forgotten, None where it has to be looked for.
        self._ends: datetime | None = None

    def receive(self, now: datetime, message: Message) -> Iterable[Effect]:
        """Handle Traded, LateTrade, SetupsReplaced, ContinuityMeasured and DataVerified."""
        match message:
            case Traded():
                return self._traded(message)
            case SetupsReplaced():
                return self._replaced(now, message)
            case ContinuityMeasured():
                return self._measured(message)
            case LateTrade(symbol=symbol, tick=tick):
                self.state.late = (symbol, tick.trade_id)
                return ()
            case DataVerified(symbol=symbol, verified=verified):
                others = [name for name in self.state.unverified if name != symbol]
                self.state.unverified = others if verified else [*others, symbol]
                return ()
            case _:
                raise TypeError(f"the entry monitor does not know {type(message).__name__}")

    def _traded(self, message: Traded) -> Iterable[Effect]:
        state, symbol, tick = self.state, message.symbol, message.tick
        unanswered = self._unanswered() if state.measuring else []
        late, state.late = state.late, None
        frames = state.waiting.get(symbol)
        if not frames or late == (symbol, tick.trade_id):
            return unanswered
        between = self._between.get(symbol) or self._look(symbol, frames)
        if between[0] < tick.price < between[1]:
            return unanswered
        return [*unanswered, *self._broken(frames, tick, missed=message.source != "feed")]

    def _look(self, symbol: str, frames: dict[str, list[Waiting]]) -> tuple[Decimal, Decimal]:
        """Return the levels next below and next above: a trade between them breaks none of a product's setups."""
        below, above = [-_FAR], [_FAR]
        for waiting in frames.values():
            for one in waiting:
                setup = one.setup
                upper, lower = setup.trigger, setup.opposite_level
                if setup.side == "short":
                    upper, lower = lower, upper
                above.append(upper)
                below.append(lower)
        self._between[symbol] = max(below), min(above)
        return self._between[symbol]

    def _broken(self, frames: dict[str, list[Waiting]], tick: Tick, *, missed: bool) -> Iterator[Effect]:
        """A trade is beyond a level: trigger and kill what it breaks, longest timeframe first, then by id."""
        live = [
            one
            for waiting in frames.values()
            for one in waiting
            if one.setup.valid_from <= tick.time < one.setup.valid_until
        ]
        live.sort(key=lambda one: (-_LENGTH[one.setup.timeframe], one.setup.id))
        for one in live:
            if one.setup.id in self.state.used:
                continue
            if self._takes(tick.price, one.setup):
                yield from self._use_up(one, tick, missed=missed)
            elif not one.setup.two_sided and _beyond(tick.price, one.setup.opposite_level, opposite(one.setup.side)):
                yield self._invalidate(one, tick.time)

    def _takes(self, price: Decimal, setup: Setup) -> bool:
        return _beyond(price, setup.trigger, setup.side) or (self._touch and price == setup.trigger)

    def _use_up(self, one: Waiting, tick: Tick, *, missed: bool) -> Iterator[Effect]:
        """Mark the setup, and the other side of a two-sided one, as used, and ask for the continuity."""
        setup = one.setup
        self._remove(one)
        self.state.measuring[setup.id] = Measuring(one, tick, missed)
        for sibling in list(self.state.waiting[setup.symbol][setup.timeframe]):
            if setup.two_sided and sibling.setup.name == setup.name:
                self._remove(sibling)
                yield _event(
                    Invalidated(sibling.setup.id, setup.symbol, setup.timeframe, tick.time, "sibling_triggered")
                )
        yield Send(
            f"scanner:{setup.symbol}",
            MeasureContinuity(setup.symbol, setup.id, setup.timeframe, setup.side, tick.price),
        )

    def _invalidate(self, one: Waiting, at: datetime) -> Effect:
        self._remove(one)
        return _event(Invalidated(one.setup.id, one.setup.symbol, one.setup.timeframe, at, "opposite_broke"))

    def _remove(self, one: Waiting) -> None:
        self.state.used[one.setup.id] = one.setup.valid_until
        self._ends = min(self._ends, one.setup.valid_until) if self._ends is not None else None
        frame = self.state.waiting[one.setup.symbol][one.setup.timeframe]
        frame[:] = [other for other in frame if other.setup.id != one.setup.id]
        self._between.pop(one.setup.symbol, None)

    def _replaced(self, now: datetime, message: SetupsReplaced) -> Iterator[Effect]:
        """Take the setups of one product and timeframe in place of all earlier ones of it."""
        self._forget(now)
        fresh = [
            Waiting(setup, message.continuity[setup.side], message.verified, message.contexts.get(setup.side))
            for setup in message.setups
            if setup.id not in self.state.used and setup.id not in self.state.measuring
        ]
        self.state.waiting.setdefault(message.symbol, {})[message.timeframe] = fresh
        self._between.pop(message.symbol, None)
        if message.unseen is not None:
            yield from self._unseen(list(fresh), message.unseen, now)

    def _forget(self, now: datetime) -> None:
        """Forget setups whose entry bar has ended. At a close this is asked a hundred times in a row."""
        if self._ends is None or self._ends <= now:
            self.state.used = {id_: until for id_, until in self.state.used.items() if until > now}
            self._ends = min(self.state.used.values(), default=_NEVER)

    def _unseen(self, fresh: list[Waiting], unseen: Unseen, now: datetime) -> Iterator[Effect]:
        """Settle the breaks that happened before ATLAS could see them: recorded as missed, never traded late."""
        for one in sorted(fresh, key=lambda one: (one.setup.side != (unseen.first or "long"), one.setup.id)):
            setup = one.setup
            if setup.id in self.state.used:
                continue
            reached, against = (unseen.high, unseen.low) if setup.side == "long" else (unseen.low, unseen.high)
            triggered = self._takes(reached, setup)
            killed = not setup.two_sided and _beyond(against, setup.opposite_level, opposite(setup.side))
            if killed and (not triggered or unseen.first == opposite(setup.side)):
                yield self._invalidate(one, now)
            elif triggered:
                yield from self._use_up(one, Tick(0, now, reached, Decimal(0)), missed=True)

    def _measured(self, message: ContinuityMeasured) -> Iterator[Effect]:
        measuring = self.state.measuring.pop(message.setup_id, None)
        if measuring is None:
            return
        setup = measuring.waiting.setup
        triggered = EntryTriggered(
            setup=setup,
            name=resolved(setup.name, setup.side),
            tick=measuring.tick,
            detection=measuring.waiting.detection,
            at_trigger=message.reading,
            verified=measuring.waiting.verified and setup.symbol not in self.state.unverified,
            missed=measuring.missed,
            rules=self._rules,
            version=self._version,
            context=measuring.waiting.context,
            fifty=message.fifty,
        )
        yield _event(triggered)
        yield Send("risk_monitor", triggered)

    def _unanswered(self) -> list[Effect]:
        """Give up on readings a scanner did not answer: the trigger still ends, rejected for its continuity."""
        unanswered = list(self.state.measuring)
        return [effect for id_ in unanswered for effect in self._measured(ContinuityMeasured(id_, None))]


def _beyond(price: Decimal, level: Decimal, side: Side) -> bool:
    """Whether the price is strictly beyond the level on that side."""
    return price > level if side == "long" else price < level


def _event(event: Message) -> Effect:
    return Send("journal", event)
