"""What happened, in the order of time: trigger, orders, fills, stops that moved, funding, every cent booked."""

from collections.abc import Iterator
from decimal import Decimal

from atlas.money import readable
from db.story.read import Records
from db.story.story import Deed

_ORDER = (
    "setup", "triggered", "rejected", "order", "fill", "fee", "realised", "stop_moved", "funding", "order_ended",
    "closed",
)  # fmt: skip
"""Of one and the same instant, in this order."""


def booked(records: Records) -> Decimal:
    """Return the sum of the ledger's legs on cash for this trade, USD."""
    return sum((leg.amount for leg in records.cash), Decimal(0))


def deeds(records: Records) -> tuple[Deed, ...]:
    """Return everything that happened, oldest first. The amounts of all of them sum to what was booked."""
    found = [*_signal(records), *_orders(records), *_fills(records), *_money(records), *_end(records)]
    return tuple(sorted(found, key=lambda deed: (deed.at, _ORDER.index(deed.kind))))


def _signal(records: Records) -> Iterator[Deed]:
    told, rejected = records.triggered, records.rejected
    setup, tick = told.setup, told.tick
    beyond = "above" if setup.side == "long" else "below"
    late = "; ATLAS could not see it then" if told.missed else ""
    yield Deed(setup.valid_from, "setup", f"the setup bar closed: {setup.name} {setup.side}", setup.trigger)
    yield Deed(
        tick.time, "triggered", f"trade {tick.trade_id} {beyond} the trigger makes it a {told.name}{late}", tick.price
    )
    if rejected is not None:
        text = f"{rejected.gate}: {rejected.value}, wanted {rejected.threshold}"
        yield Deed(max(rejected.at, tick.time), "rejected", text)


def _orders(records: Records) -> Iterator[Deed]:
    for order in records.orders:
        # The row has the price in force: of one that was moved, the moves tell how it came there.
        price = None if order.moves else order.price
        text = f"{order.purpose}: {order.kind} order to {order.side}"
        yield Deed(order.placed_at, "order", text, price, order.contracts)
        if order.status in ("cancelled", "expired", "rejected") and order.done_at is not None:
            why = f": {order.reason}" if order.reason else ""
            yield Deed(order.done_at, "order_ended", f"{order.purpose} order {order.status}{why}")
    for move in records.moves:
        yield Deed(move.at, "stop_moved", f"{_purpose(move.order_id)} moved ({move.count})", move.price)


def _fills(records: Records) -> Iterator[Deed]:
    for fill in records.fills:
        text = f"{fill.purpose}: {fill.side} at {readable.price(fill.price)}"
        if fill.price != fill.reference:
            text += f", trade at {readable.price(fill.reference)}, slippage {readable.usd(fill.slippage)}"
        marks = {
            "while ATLAS was down": fill.filled_while_down,
            "ambiguous": fill.ambiguous,
            "told by REST": fill.rest,
            "after a hole in the feed": fill.after_hole,
        }
        text += "".join(f" ({mark})" for mark, holds in marks.items() if holds)
        yield Deed(fill.at, "fill", text, fill.price, fill.contracts)


def _money(records: Records) -> Iterator[Deed]:
    hours = {row.at: row for row in records.funding}
    for leg in records.cash:
        hour = hours.get(leg.at)
        if leg.kind == "funding" and hour is not None:
            text = f"funding of the hour: {hour.rate * 100:.6f} % at {readable.price(hour.mark)}"
        else:
            text = {"fee": "fee", "realised": "profit or loss of the price", "funding": "funding"}[leg.kind]
        yield Deed(leg.at, leg.kind, text, amount=leg.amount)


def _end(records: Records) -> Iterator[Deed]:
    held = records.position
    if held is not None and held.exit_time is not None:
        text = f"closed by {held.exit_reason}, net {readable.usd(held.net, sign=True)}"
        yield Deed(held.exit_time, "closed", text, held.exit_price, held.entry_contracts)


def _purpose(order_id: str) -> str:
    return order_id.rpartition("/")[2].partition(":")[0]
