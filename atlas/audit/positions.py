"""Positions once more: what an entry's fill makes of an approved trigger, and what each later movement changes."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from atlas.audit.difference import Findings
from atlas.audit.judgement import Trigger
from atlas.market.product import Product
from atlas.money.book import Fill, Position
from atlas.money.entry import Approval
from atlas.money.profit import loss_at
from atlas.money.rounding import fixed
from atlas.money.translation import invalidation, signal_source

Change = Callable[[Position], Position]
"""What one movement at the venue does to a position."""

def opened(
    trigger: Trigger, approval: Approval, fill: Fill, margin: Decimal, liquidation: Decimal | None, product: Product
) -> dict[str, Any]:
    """Return the fields of a position just opened."""
    setup = trigger.setup
    return {
        "symbol": product.id,
        "timeframe": setup.timeframe,
        "setup": trigger.name,
        "family": setup.family,
        "side": setup.side,
        "contract_size": product.contract_size,
        "tick": product.tick,
        "signal": signal_source(setup, trigger.price, product, approval.ratio),
        "contracts": fill.contracts,
        "entry_contracts": fill.contracts,
        "entry_price": fill.price,
        "entry_reference": fill.reference,
        "entry_time": fill.time,
        "stop": approval.stop,
        "first_stop": approval.stop,
        "target": approval.target,
        "invalidation": invalidation(setup, product, approval.ratio),
        "entry_bar_end": setup.valid_until,
        "leverage": approval.leverage,
        "tier": approval.tier,
        "margin": margin,
        "liquidation": liquidation,
        "fees": fill.fee,
        "funding": Decimal(0),
        "slippage": fill.slippage,
        "gross": Decimal(0),
        "setup_time": setup.setup_time,
        "risk_at_entry": loss_at(setup.side, fill.price, approval.stop, fill.contracts, product.contract_size),
        "exit_price": None,
        "exit_time": None,
        "exit_reason": None,
    }


def after_exit(position: Position, fill: Fill, gross: Decimal, margin: Decimal) -> Position:
    """Return the position after a fill of an exit; the exit price is the mean of all exits by contracts."""
    left, earned = position.contracts - fill.contracts, position.gross + gross
    after = msgspec.structs.replace(
        position,
        contracts=left,
        margin=margin,
        gross=earned,
        fees=position.fees + fill.fee,
        slippage=position.slippage + fill.slippage,
        worst=(min if position.side == "long" else max)(position.worst, fill.reference),
        best=(max if position.side == "long" else min)(position.best, fill.reference),
        filled_while_down=position.filled_while_down or fill.filled_while_down,
        ambiguous=position.ambiguous or fill.ambiguous,
        rest=position.rest or fill.rest,
        after_hole=position.after_hole or fill.after_hole,
    )
    if left > 0:
        return after
    price = fill.price
    if fill.contracts != position.entry_contracts:
        moved = earned / (position.entry_contracts * position.contract_size)
        price = fixed(position.entry_price + (moved if position.side == "long" else -moved))
    return msgspec.structs.replace(after, exit_price=price, exit_time=fill.time, exit_reason=fill.purpose)


class Positions:
    """Open and closed positions, each with the movements whose telling is still to come."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.now: dict[str, Position] = {}
        self.changes: dict[str, int] = {}
        self._coming: dict[str, deque[Change]] = {}

    def open(self, event: str, told: Position, recomputed: dict[str, Any]) -> Position:
        """Compare a position just opened; return it as recomputed."""
        self._findings.fields("events", event, _fields(told), recomputed)
        position = msgspec.structs.replace(told, **recomputed)
        self.now[told.id], self.changes[told.id] = position, 0
        return position

    def coming(self, position_id: str, change: Change) -> None:
        """The venue has moved something of a position; the next event about it tells so."""
        self._coming.setdefault(position_id, deque()).append(change)

    def change(self, event: str, told: Position, count: int | None) -> Position:
        """Compare a position that has changed (`count`: for the how-manieth time) or was closed; return it."""
        before = self.now.get(told.id)
        if before is None:
            self._findings.equal("events", event, "position", told.id, None)
            return told
        if count is not None:
            self._findings.equal("events", event, "change", count, self.changes[told.id] + 1)
            self.changes[told.id] = count
        self._findings.holds(
            "events", event, "contracts", before.contracts, "still open before it changes", met=before.is_open
        )
        after = self._after(event, before, told)
        # Only the trades themselves could tell the extremes: they are followed, and held to go one way.
        further = told.worst <= after.worst and told.best >= after.best
        if before.side == "short":
            further = told.worst >= after.worst and told.best <= after.best
        self._findings.holds(
            "events", event, "worst and best", f"{told.worst:f}, {told.best:f}",
            f"no nearer than {after.worst:f}, {after.best:f}", met=further,
        )  # fmt: skip
        after = msgspec.structs.replace(after, worst=told.worst, best=told.best)
        self._findings.fields("events", event, _fields(told), _fields(after))
        self.now[told.id] = after
        return after

    def _after(self, event: str, before: Position, told: Position) -> Position:
        """Return what the next movement makes of a position; new extremes and the deadline's test are none."""
        coming = self._coming.get(told.id)
        moved = coming[0](before) if coming else None
        if moved is None or not _same(told, moved):
            if told.is_open and _same(told, before) and told != before:
                return before
            if told.carried and not before.carried:
                return msgspec.structs.replace(before, carried=True)
        if coming and moved is not None:
            coming.popleft()
            return moved
        self._findings.equal("events", event, "cause", "a change", None)
        return before

    def untold(self) -> list[str]:
        """Return the positions whose last movement no event has told."""
        return [position_id for position_id, coming in self._coming.items() if coming]


def _same(one: Position, other: Position) -> bool:
    """Whether two states of a position differ in nothing but the extreme prices seen."""
    return msgspec.structs.replace(one, worst=other.worst, best=other.best) == other


def _fields(position: Position) -> dict[str, Any]:
    return {name: getattr(position, name) for name in position.__struct_fields__}
