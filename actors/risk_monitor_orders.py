"""What the risk monitor makes of a trigger: the orders of a position, the position itself, or a rejection."""

from datetime import datetime
from decimal import Decimal

from actors.messages import EntryTriggered, Filled, Rejected
from atlas.money.book import Kind, Order, Position, Purpose
from atlas.money.entry import Approval
from atlas.money.fees import entry_deed, exit_deed
from atlas.strat.setup import Setup


def entry_id(setup_id: str) -> str:
    """Return the id of the order that enters for a setup."""
    return f"{setup_id}/entry"


def entry_order(setup: Setup, approval: Approval) -> Order:
    """Return the market order of an approved entry."""
    return Order(
        id=entry_id(setup.id),
        position_id=setup.id,
        symbol=setup.symbol,
        side=entry_deed(setup.side),
        kind="market",
        purpose="entry",
        contracts=approval.contracts,
        leverage=approval.leverage,
    )


def exit_order(position: Position, purpose: Purpose, kind: Kind, price: Decimal | None) -> Order:
    """Return the order that closes the whole position."""
    return Order(
        id=f"{position.id}/{purpose}",
        position_id=position.id,
        symbol=position.symbol,
        side=exit_deed(position.side),
        kind=kind,
        purpose=purpose,
        contracts=position.contracts,
        price=price,
    )


def opened(trigger: EntryTriggered, approval: Approval, filled: Filled, contract_size: Decimal) -> Position:
    """Return the position that an entry's fill makes of a trigger."""
    setup, fill = trigger.setup, filled.fill
    return Position(
        id=setup.id,
        symbol=setup.symbol,
        timeframe=setup.timeframe,
        setup=trigger.name,
        family=setup.family,
        side=setup.side,
        contract_size=contract_size,
        contracts=fill.contracts,
        entry_contracts=fill.contracts,
        entry_price=fill.price,
        entry_reference=fill.reference,
        entry_time=fill.time,
        stop=approval.stop,
        first_stop=approval.stop,
        target=approval.target,
        invalidation=setup.opposite_level,
        entry_bar_end=setup.valid_until,
        leverage=approval.leverage,
        tier=approval.tier,
        margin=filled.margin,
        liquidation=filled.liquidation,
        worst=fill.reference,
        best=fill.reference,
        fees=fill.fee,
        slippage=fill.slippage,
        detection=trigger.detection,
        at_trigger=trigger.at_trigger or trigger.detection,
        setup_time=setup.setup_time,
        risk_at_entry=approval.risk,
    )


def rejected(trigger: EntryTriggered, at: datetime, gate: str, value: str, threshold: str) -> Rejected:
    """Return what a trigger becomes that is no trade."""
    setup = trigger.setup
    return Rejected(
        setup.id, setup.symbol, setup.timeframe, setup.family, trigger.name, setup.side, at, gate, value, threshold
    )
