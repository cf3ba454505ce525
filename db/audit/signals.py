"""Setups, triggers and what became of them, from the events: the rows that the tables should hold."""

from datetime import datetime
from typing import Any

import msgspec

from actors.messages import EntryTriggered, Invalidated, OrderExpired, OrderRejected, Rejected, SetupsReplaced
from atlas.audit.difference import Findings
from atlas.audit.judgement import Trigger
from atlas.money.entry import Approval, Rejection
from atlas.risk import GATES

Row = dict[str, Any]
LEVELS = ("name", "family", "side", "setup_time", "valid_from", "valid_until", "trigger", "stop", "target")
CALLED_OFF = ("halted", "missed")
"""What an approved entry may end as without a word of the broker: called back, or its time was over."""


def of(value: msgspec.Struct, *names: str) -> Row:
    """Return the named fields."""
    return {name: getattr(value, name) for name in names}


class Signals:
    """`setups`, `rejections`: id → row. `triggers`: id → trigger; `outcomes`: id → trade or rejected."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.setups: dict[str, Row] = {}
        self.triggers: dict[str, Trigger] = {}
        self.trigger_rows: dict[str, Row] = {}
        self.rejections: dict[str, Row] = {}
        self.outcomes: dict[str, str] = {}
        self.judged: dict[str, Approval | Rejection] = {}
        self._waiting: dict[tuple[str, str], set[str]] = {}

    def replaced(self, event: SetupsReplaced) -> None:
        """The new setups wait; those of the same product and timeframe that waited and are not among them lapse."""
        place = (event.symbol, event.timeframe)
        kept = {setup.id for setup in event.setups}
        for lapsed in self._waiting.get(place, set()) - kept:
            self.setups[lapsed] |= {"status": "lapsed", "resolved_at": event.closed_at}
        waiting = set()
        for setup in event.setups:
            row = self.setups.get(setup.id)
            if row is None or row["status"] == "waiting":
                self.setups[setup.id] = of(setup, *LEVELS, "symbol", "timeframe")
                self.setups[setup.id] |= {"status": "waiting", "resolved_at": None}
                waiting.add(setup.id)
        self._waiting[place] = waiting

    def invalidated(self, event: Invalidated) -> None:
        """A setup is dead: killed by the opposite break, or by its sibling's trigger."""
        self._end(event.setup_id, "cancelled" if event.reason == "sibling_triggered" else "invalidated", event.at)

    def triggered(self, event: EntryTriggered) -> None:
        """A setup triggers, once for ever; the break is strictly beyond the trigger and within the entry bar."""
        setup, tick = event.setup, event.tick
        beyond = tick.price > setup.trigger if setup.side == "long" else tick.price < setup.trigger
        self._findings.holds("events", event.key, "price", tick.price, f"beyond {setup.trigger:f}", met=beyond)
        if not event.missed:
            within = setup.valid_from <= tick.time < setup.valid_until
            self._findings.holds("events", event.key, "at", tick.time, "within the entry bar", met=within)
        row = self.setups.get(setup.id)
        if row is not None:
            self._findings.fields("events", event.key, of(setup, *LEVELS), {name: row[name] for name in LEVELS})
        self.triggers[setup.id] = Trigger(
            setup, event.name, tick.price, event.at_trigger, event.verified, event.missed, event.rules
        )
        self.trigger_rows[setup.id] = {
            **of(setup, "symbol", "timeframe", "family", "side", "trigger", "stop", "target"),
            **of(event, "name", "verified", "missed", "rules", "version"),
            "setup": setup.name,
            "at": tick.time,
            "price": tick.price,
        }
        self._end(setup.id, "missed" if event.missed else "triggered", tick.time)

    def rejected(self, event: Rejected, ended: OrderRejected | OrderExpired | None) -> None:
        """A trigger is rejected: by the gate that judging it again names, or by how its entry order ended."""
        if event.repeats:
            again = event.setup_id in self.triggers
            self._findings.holds("events", event.key, "gate", event.gate, "a setup that has triggered", met=again)
            return
        self._decide(event.key, event.setup_id, "rejected")
        trigger = self.triggers.get(event.setup_id)
        self._findings.equal("events", event.key, "trigger", event.setup_id, trigger and trigger.setup.id)
        outcome = self.judged.get(event.setup_id)
        told = {"gate": event.gate, "value": event.value, "threshold": event.threshold}
        if isinstance(outcome, Rejection):
            wanted = {"gate": outcome.gate, "value": outcome.value, "threshold": outcome.threshold}
            self._findings.fields("events", event.key, told, wanted)
        elif isinstance(ended, OrderRejected):
            gate = "already_triggered" if ended.reason == "duplicate" else ended.reason
            value = ended.value if gate in GATES else f"{ended.reason}: {ended.value}"
            wanted = {"gate": gate if gate in GATES else "data_unverified", "value": value}
            self._findings.fields("events", event.key, told, {**wanted, "threshold": ended.threshold})
        elif isinstance(ended, OrderExpired):
            called_off = event.gate in CALLED_OFF
            self._findings.holds("events", event.key, "gate", event.gate, "missed or halted", met=called_off)
        elif isinstance(outcome, Approval):
            called_off = event.gate in CALLED_OFF
            self._findings.holds("events", event.key, "gate", event.gate, "none: it was approved", met=called_off)
        else:
            undecided = event.gate in ("halted", "session_closed")
            self._findings.holds("events", event.key, "gate", event.gate, "judged by the gates", met=undecided)
        self.rejections[event.setup_id] = of(
            event, "symbol", "timeframe", "family", "name", "side", "at", "gate", "value", "threshold"
        )

    def traded(self, event: str, setup_id: str) -> Approval | None:
        """A trigger became a trade; return the approval it came by, None if it had none."""
        self._decide(event, setup_id, "trade")
        outcome = self.judged.get(setup_id)
        if isinstance(outcome, Approval):
            return outcome
        self._findings.equal("events", event, "outcome", "trade", outcome.gate if outcome is not None else "not judged")
        return None

    def _decide(self, event: str, setup_id: str, outcome: str) -> None:
        """A trigger has one outcome: a second of another kind is a difference."""
        self._findings.equal("events", event, "outcome", outcome, self.outcomes.setdefault(setup_id, outcome))

    def _end(self, setup_id: str, status: str, at: datetime) -> None:
        row = self.setups.get(setup_id)
        if row is not None and row["status"] in ("waiting", "lapsed"):
            row |= {"status": status, "resolved_at": at}
            self._waiting.get((row["symbol"], row["timeframe"]), set()).discard(setup_id)
