"""What the core begins with after a restart of the process: every behaviour's state, as committed to the database."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from actors.entry_monitor import EntryState
from actors.history_missed import Downtime
from actors.paper_broker_state import REMEMBERED, BrokerState, Holding
from actors.risk_monitor import DAILY_LOSS, Managed, RiskState
from actors.roles import CoreStates
from actors.scanner_frames import Detection, Remembered
from actors.scanner_full import FullWatch
from atlas.market.bar import Tick
from atlas.market.product import Product
from atlas.money.book import Order
from atlas.strat.continuity import FullContinuity
from atlas.strat.setup import Side
from db import rebuild, rebuild_scanners
from db.repositories import daemon

LASTING = ("person", DAILY_LOSS)
"""The halts that outlive the process: the others are about the process itself and what it talks to."""


class Beginning(msgspec.Struct, frozen=True):
    """The core's first states, the market time of its last committed input, and that input's number.

    `seen` is the market time of the last sign of life of the process before.
    """

    states: CoreStates
    market_time: datetime | None
    number: int
    seen: datetime | None = None

    def downtime(self, watched: Iterable[str], *, late: bool = False) -> Downtime | None:
        """Return the time whose candles are to be asked for: something was open in it that is watched.

        `late`: the feed does not wait for them.
        """
        held = {managed.position.symbol for managed in self.states.risk.positions.values()}
        symbols = tuple(symbol for symbol in watched if symbol in held)
        if not symbols or self.market_time is None:
            return None
        return Downtime(symbols, self.market_time, max(self.seen or self.market_time, self.market_time), late=late)


def beginning(connection: Connection, name: str, products: tuple[Product, ...], until: datetime) -> Beginning:
    """Return what the core of the account `name` begins with; `until` is the exchange's time now.

    All is read within the caller's transaction, so that all of it is of one instant.
    """
    before, number = rebuild.last_market_time(connection, name), rebuild.last_input(connection, name)
    listed = {product.id: product for product in products}
    account = rebuild.account(connection, name)
    if account is None or before is None:
        return Beginning(CoreStates(BrokerState(products=listed), RiskState(products=dict(listed))), before, number)
    opened, working = rebuild.open_positions(connection, name), rebuild.working_orders(connection, name)
    last = rebuild.last_prices(connection, until)
    risk = RiskState(
        account=account.state,
        positions={each.position.id: Managed(each.position, each.changes) for each in opened},
        products=dict(listed),
        last={symbol: tick.price for symbol, tick in last.items()},
        last_at={symbol: tick.time for symbol, tick in last.items()},
        halts={source: reason for source, reason in account.halts.items() if source in LASTING},
        halt_count=account.halt_count,
        day=account.day or "",
        day_equity=account.day_start_equity,
        undecided=rebuild.undecided_triggers(connection, name),
        left=rebuild.last_exits(connection, name),
    )
    used = rebuild.used_setups(connection, name, before)
    risk.decided = dict(used)
    broker = _broker(connection, name, opened, working, last)
    broker.account, broker.products = account.state, listed | _as_entered(listed, opened)
    for order in broker.orders.values():
        if order.kind == "market" and order.purpose != "scale_out" and order.position_id in risk.positions:
            risk.positions[order.position_id].leaving = order.purpose
    remembered = _remembered(connection, name, listed, before)
    states, seen = CoreStates(broker, risk, EntryState(used=used), remembered), daemon.market_time(connection, name)
    return Beginning(states, before, number, seen)


def _broker(
    connection: Connection,
    name: str,
    opened: list[rebuild.OpenPosition],
    working: list[rebuild.WorkingOrder],
    last: dict[str, Tick],
) -> BrokerState:
    """Return the venue's side of it: what is open and funded until when, and the orders that work."""
    funded, holed = rebuild.last_funding(connection, name), rebuild.holed_positions(connection, name)
    holdings = {
        each.position.id: Holding(
            symbol=each.position.symbol,
            side=each.position.side,
            contracts=each.position.contracts,
            entry_price=each.position.entry_price,
            margin=each.position.margin,
            leverage=each.position.leverage,
            liquidation=each.position.liquidation,
            since=each.position.entry_time,
            funded=funded.get(each.position.id),
            after_hole=each.position.id in holed,
        )
        for each in opened
    }
    return BrokerState(
        holdings=holdings,
        orders={each.order.id: _reduced(each.order, holdings) for each in working},
        fills={each.order.id: each.fills for each in working if each.fills},
        moves={each.order.id: each.moves for each in working if each.moves},
        done=rebuild.finished_orders(connection, name, REMEMBERED),
        last=last,
    )


def _as_entered(listed: dict[str, Product], opened: list[rebuild.OpenPosition]) -> dict[str, Product]:
    """The products in which something is open, with the contract it was entered with: a listing may have changed."""
    return {
        held.symbol: msgspec.structs.replace(
            listed[held.symbol], contract_size=held.contract_size, tick=held.tick or listed[held.symbol].tick
        )
        for held in (each.position for each in opened)
        if held.symbol in listed
    }


def _reduced(order: Order, holdings: dict[str, Holding]) -> Order:
    """An exit order never closes more than is open: it shrank when another one closed a part."""
    holding = holdings.get(order.position_id)
    if holding is None or order.contracts <= holding.contracts:
        return order
    return msgspec.structs.replace(order, contracts=holding.contracts)


def _remembered(
    connection: Connection, name: str, symbols: Iterable[str], since: datetime
) -> dict[str, Remembered]:
    """Return product → what its scanner knows of the process before it."""
    bars, full = rebuild_scanners.stored_until(connection, symbols), rebuild_scanners.full_continuity(connection, name)
    found = {
        symbol: Remembered(stored_until=until, full=_watch(full[symbol]) if symbol in full else None)
        for symbol, until in bars.items()
    }
    for told in rebuild_scanners.told_setups(connection, name, since):
        if told.symbol in found:
            of_frame = found[told.symbol].detected.setdefault(told.timeframe, {})
            of_frame[told.id] = Detection(told.reading, told.context, told.verified)
    return found


def _watch(stored: rebuild_scanners.FullContinuityStored) -> FullWatch:
    told_at: dict[Side, datetime] = {}
    if stored.told_long_at is not None:
        told_at["long"] = stored.told_long_at
    if stored.told_short_at is not None:
        told_at["short"] = stored.told_short_at
    return FullWatch(
        FullContinuity(stored.side, stored.last),
        since=stored.since,
        turns=stored.turns,
        begun=True,
        told=stored.told,
        told_at=told_at,
        left_at=None if stored.side == stored.told else stored.since,
    )
