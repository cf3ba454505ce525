"""Halts of entries, by source: each source lifts its own only. Exits are never halted."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from actors.messages import HaltChanged
from actors.risk_monitor_state import RiskState
from actors.runtime.behaviour import Effect, Send


def halt(state: RiskState, now: datetime, source: str, reason: str) -> Iterator[Effect]:
    """Halt entries for a source, or give its halt another reason."""
    if state.halts.get(source) != reason:
        begins = source not in state.halts
        state.halts[source] = reason
        yield _changed(state, now, source if begins else "", reason)


def lift(state: RiskState, now: datetime, source: str, base: Decimal | None = None) -> Iterator[Effect]:
    """Lift the halt of a source, if there is one; `base` is what the day's loss counts from then, if that changes."""
    reason = state.halts.pop(source, None)
    if reason is not None:
        yield _changed(state, now, source, reason, lifted=True, base=base)


def _changed(
    state: RiskState, now: datetime, source: str, reason: str, *, lifted: bool = False, base: Decimal | None = None
) -> Effect:
    state.halt_count += 1
    told = reason if source else ""
    return Send("journal", HaltChanged(now, dict(state.halts), state.halt_count, source, told, lifted, base))
