"""What the picture of a trade shows, read from the candles, the trigger and the position as stored."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, select

from atlas.market.timeframes import finer, period
from atlas.money import readable
from atlas.money.book import Position
from atlas.money.profit import r_multiple
from db.models import CandleRow, PositionRow, TriggerRow

if TYPE_CHECKING:
    from atlas.picture import PicturedBar, TradePicture

BEFORE, AFTER = 14, 3
"""Bars before the setup's and after the exit's."""
HEAD, TAIL = 10, 14
"""Bars of a longer trade that are shown, from its beginning and its end."""

_position = msgspec.json.Decoder(Position)


def trade_picture(connection: Connection, account: str, position_id: str, *, whole: bool) -> "TradePicture | None":
    """Return the picture of a position's entry, or of the `whole` trade; None where no bar of it is stored.

    A signal of another product is shown on that one's bars, the trade's prices divided by the ratio at the trigger.
    """
    from atlas.picture import TradePicture

    query = (
        select(PositionRow.payload, TriggerRow.trigger)
        .outerjoin(TriggerRow, and_(TriggerRow.account == PositionRow.account, TriggerRow.id == PositionRow.id))
        .where(PositionRow.account == account, PositionRow.id == position_id)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    position = _position.decode(found.payload)
    ended = position.exit_time if whole else None
    bars = _bars(connection, position, ended)
    if not bars:
        return None
    exit_price = position.exit_price if ended is not None else None
    ratio = position.signal.ratio if position.signal is not None else Decimal(1)
    net = position.net
    return TradePicture(
        title=f"{position.symbol} {position.side.upper()} · {position.setup} {position.timeframe}",
        side=position.side,
        bars=bars,
        trigger=found.trigger,
        stop=(position.stop if ended is not None else position.first_stop) / ratio,
        target=position.target / ratio,
        entry=position.entry_price / ratio,
        entry_bar=_place(bars, position.entry_time),
        exit=None if exit_price is None else exit_price / ratio,
        exit_bar=None if ended is None else _place(bars, ended),
        words=_words(position, ended),
        result=_result(position) if ended is not None else "",
        won=None if ended is None or not net else net > 0,
    )


def _bars(connection: Connection, position: Position, ended: datetime | None) -> "tuple[PicturedBar, ...]":
    """The stored bars around the trade, and the one that was forming at the entry, or is at the exit."""
    symbol = position.symbol if position.signal is None else position.signal.symbol
    last = ended or position.entry_time
    current, ends = period(position.timeframe, last)
    of = and_(CandleRow.symbol == symbol, CandleRow.timeframe == position.timeframe)
    opened = CandleRow.open_time
    query = select(opened, CandleRow.open, CandleRow.high, CandleRow.low, CandleRow.close, CandleRow.type).where(of)
    parts = position.setup.split("-")
    upto = query.where(opened <= position.setup_time, opened < current).order_by(opened.desc())
    before = connection.execute(upto.limit(BEFORE + len(parts) - 1)).all()[::-1]
    during = and_(of, opened > position.setup_time, opened < current)
    held = connection.execute(select(func.count()).where(during)).scalar_one()
    head = connection.execute(query.where(during).order_by(opened).limit(HEAD)).all()
    rest = max(held - len(head), 0)
    tail = connection.execute(query.where(during).order_by(opened.desc()).limit(min(rest, TAIL))).all()[::-1]
    bars = [_bar(row, setup=place > len(before) - len(parts)) for place, row in enumerate(before)]
    bars += [_bar(row) for row in head]
    bars += [_bar(row, skipped=0 if place else rest - len(tail)) for place, row in enumerate(tail)]
    closed = connection.execute(query.where(opened == current)).one_or_none() if ended is not None else None
    if closed is not None:
        after = query.where(opened >= ends).order_by(opened).limit(AFTER)
        return (*bars, _bar(closed), *(_bar(row) for row in connection.execute(after)))
    ratio = position.signal.ratio if position.signal is not None else Decimal(1)
    price = (position.entry_price if position.exit_price is None or ended is None else position.exit_price) / ratio
    breaks = position.setup_time < current <= position.entry_time
    kind = parts[-1] if breaks and parts[-1] in ("1", "2U", "2D", "3") else None
    forming = _forming(connection, symbol, position.timeframe, (current, last), price, kind)
    return (*bars, forming) if bars else ()


def _bar(row: Row[Any], *, setup: bool = False, skipped: int = 0) -> "PicturedBar":
    from atlas.picture import PicturedBar

    return PicturedBar(row.open_time, row.open, row.high, row.low, row.close, row.type, setup=setup, skipped=skipped)


def _forming(
    connection: Connection, symbol: str, timeframe: str, span: tuple[datetime, datetime], price: Decimal, kind: str | None
) -> "PicturedBar":
    """The bar as far as it had come at that price, from the shorter bars stored by then."""
    from atlas.picture import PicturedBar

    query = (
        select(CandleRow.open, CandleRow.high, CandleRow.low)
        .where(CandleRow.symbol == symbol, CandleRow.timeframe.in_(finer(timeframe)))
        .where(CandleRow.open_time >= span[0], CandleRow.close_time <= span[1])
        .order_by(CandleRow.open_time, CandleRow.close_time)
    )
    found = connection.execute(query).all()
    high = max([price, *(row.high for row in found)])
    low = min([price, *(row.low for row in found)])
    return PicturedBar(span[0], found[0].open if found else price, high, low, price, kind, forming=True)


def _place(bars: "Sequence[PicturedBar]", at: datetime) -> int:
    """The bar a moment lies in; of one that is not shown, the last before it."""
    return max((place for place, bar in enumerate(bars) if bar.opened <= at), default=0)


def _words(position: Position, ended: datetime | None) -> str:
    if ended is not None:
        costs = f"fees {readable.usd(position.fees)}"
        if position.funding:
            costs += f", funding {readable.usd(position.funding)}"
        return f"{position.exit_reason} · {costs}"
    risk = abs(position.entry_price - position.first_stop)
    reward = abs(position.target - position.entry_price)
    reading = position.at_trigger
    said = [f"R:R {readable.number(reward / risk)}"] if risk else []
    said.append(f"magnitude {readable.share(reward / position.entry_price)}")
    said.append(f"continuity {reading.score}: {' '.join(reading.agree)}")
    return " · ".join(said)


def _result(position: Position) -> str:
    multiple = r_multiple(position)
    net = readable.usd(position.net, sign=True)
    return net if multiple is None else f"{net}  {readable.r(multiple)}"
