"""What the risk monitor makes of a trigger: the orders of a position, the position itself, or a rejection."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from actors.messages import EntryTriggered, Filled, PlaceOrder, Rejected
from actors.risk_monitor_state import Managed
from actors.runtime.behaviour import Send
from atlas.market.product import Product
from atlas.money.book import Kind, Order, Position, Purpose
from atlas.money.bounds import EntryBounds
from atlas.money.entry import Approval
from atlas.money.fees import entry_deed, exit_deed
from atlas.money.profit import loss_at
from atlas.money.rounding import fixed
from atlas.money.translation import invalidation, signal_source
from atlas.risk import least_reward_risk
from atlas.rules import Rules
from atlas.strat.setup import Setup


def entry_id(setup_id: str) -> str:
    """Return the id of the order that enters for a setup."""
    return f"{setup_id}/entry"


def entry_order(setup: Setup, approval: Approval, product: Product, rules: Rules) -> Order:
    """Return the market order of an approved entry; `product` is the one executed."""
    least = None if "reward_risk" in rules.gates.off else least_reward_risk(rules, setup.family)
    return Order(
        id=entry_id(setup.id),
        position_id=setup.id,
        symbol=product.id,
        side=entry_deed(setup.side),
        kind="market",
        purpose="entry",
        contracts=approval.contracts,
        leverage=approval.leverage,
        good_until=setup.valid_until,
        bounds=EntryBounds(
            setup.side, approval.stop, approval.target, invalidation(setup, product, approval.ratio), least
        ),
    )


def exit_order(
    position: Position,
    purpose: Purpose,
    kind: Kind,
    price: Decimal | None,
    contracts: Decimal | None = None,
    *,
    attempt: int = 1,
) -> Order:
    """Return the order that closes so many contracts of the position, all of it unless told otherwise."""
    return Order(
        id=f"{position.id}/{purpose}" if attempt == 1 else f"{position.id}/{purpose}:{attempt}",
        position_id=position.id,
        symbol=position.symbol,
        side=exit_deed(position.side),
        kind=kind,
        purpose=purpose,
        contracts=position.contracts if contracts is None else contracts,
        price=price,
    )


def leave(managed: Managed, reason: Purpose) -> Iterator[Send]:
    """Order a market exit of the whole position, once: a second reason changes nothing.

    After a refusal the next is another order: no id is used twice.
    """
    if managed.leaving is None:
        managed.leaving = reason
        order = exit_order(managed.position, reason, "market", None, attempt=managed.refusals + 1)
        yield Send("paper_broker", PlaceOrder(order))


def opened(trigger: EntryTriggered, approval: Approval, filled: Filled, product: Product) -> Position:
    """Return the position that an entry's fill makes of a trigger; `product` is the one executed."""
    setup, fill = trigger.setup, filled.fill
    return Position(
        id=setup.id,
        symbol=product.id,
        timeframe=setup.timeframe,
        setup=trigger.name,
        family=setup.family,
        side=setup.side,
        contract_size=product.contract_size,
        tick=product.tick,
        signal=signal_source(setup, trigger.tick.price, product, approval.ratio),
        contracts=fill.contracts,
        entry_contracts=fill.contracts,
        entry_price=fill.price,
        entry_reference=fill.reference,
        entry_time=fill.time,
        stop=approval.stop,
        first_stop=approval.stop,
        target=approval.target,
        invalidation=invalidation(setup, product, approval.ratio),
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
        risk_at_entry=loss_at(setup.side, fill.price, approval.stop, fill.contracts, product.contract_size),
    )


def after_exit(position: Position, filled: Filled) -> Position:
    """Return the position after a fill of one of its exits, which closes a part of it or the rest."""
    fill, long = filled.fill, position.side == "long"
    after = msgspec.structs.replace(
        position,
        contracts=position.contracts - fill.contracts,
        margin=filled.margin,
        gross=position.gross + filled.gross,
        fees=position.fees + fill.fee,
        slippage=position.slippage + fill.slippage,
        worst=(min if long else max)(position.worst, fill.reference),
        best=(max if long else min)(position.best, fill.reference),
        filled_while_down=position.filled_while_down or fill.filled_while_down,
        ambiguous=position.ambiguous or fill.ambiguous,
        rest=position.rest or fill.rest,
        after_hole=position.after_hole or fill.after_hole,
    )
    if after.is_open:
        return after
    price = fill.price if fill.contracts == position.entry_contracts else _mean_exit(after)
    return msgspec.structs.replace(after, exit_price=price, exit_time=fill.time, exit_reason=fill.purpose)


def _mean_exit(position: Position) -> Decimal:
    """The price that, for all contracts at once, would have brought the same gross profit."""
    gained = position.gross / (position.entry_contracts * position.contract_size)
    return fixed(position.entry_price + (gained if position.side == "long" else -gained))


def rejected(trigger: EntryTriggered, at: datetime, gate: str, value: str, threshold: str) -> Rejected:
    """Return what a trigger becomes that is no trade."""
    setup = trigger.setup
    return Rejected(
        setup.id, setup.symbol, setup.timeframe, setup.family, trigger.name, setup.side, at, gate, value, threshold
    )


def called_off(trigger: EntryTriggered, at: datetime, why: str) -> Rejected:
    """Return the rejection of an entry that a person, or an end of ATLAS, called back before it was filled."""
    return rejected(trigger, at, "halted", why, "not called back before its fill")
