"""The market of `scripts/bench panel`: candles and setups, which the server makes itself, and what the display is told.

Rows only, without the events that would have brought them: five million bars are five million events less.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from actors.messages import Forming, FrameBars, FrameNow, PastBars, Quote
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from db.models import CandleRow
from db.writer import Extras

PRODUCTS = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE", "SLP-20DEC30-CDE", "XPP-20DEC30-CDE", "ADP-20DEC30-CDE",
            "BTC-USD", "ETH-USD", "SOL-USD")  # fmt: skip
BEGINS = datetime(2024, 7, 1, tzinfo=UTC)
ENDS = datetime(2026, 7, 1, 12, tzinfo=UTC)

_FRAMES = {"1d": 1440, "4h": 240, "1h": 60, "15m": 15}
"""Minutes of a bar of each longer timeframe."""
_LAST, _HALF = Decimal(60100), Decimal(40)
_BARS = text("""
    INSERT INTO candles (symbol, timeframe, open_time, close_time, open, high, low, close, volume, type, verified)
    SELECT :product, :frame, opened, opened + :step, middle, middle + 60, middle - 55, middle + 20, 12.5,
        (ARRAY['1', '2U', '2D', '3'])[number % 4 + 1], true
    FROM generate_series(0, :bars - 1) AS number,
        LATERAL (SELECT :first + number * :step AS opened, 60000 + number * 37 % 900 AS middle) AS bar
""")
_SETUPS = text("""
    INSERT INTO setups (account, id, symbol, timeframe, name, family, side, setup_time, valid_from, valid_until,
        trigger, stop, target, opposite_level, two_sided, measured, verified, agree, frames, status, resolved_at)
    SELECT :account, :product || ':1h:' || number || ':' || side, :product, '1h', '2D-1-?', '2-1', side,
        at - interval '1h', at, at + interval '1h', 60000, 59400, 60900, 59400, true, false, true, 3, 4,
        CASE WHEN number % 10 = 0 THEN 'invalidated' ELSE 'lapsed' END, at + interval '1h'
    FROM generate_series(0, :hours - 1) AS number, unnest(ARRAY['long', 'short']) AS side,
        LATERAL (SELECT :first + number * interval '1h' AS at) AS hour
""")


def make_candles(engine: Engine, count: int) -> None:
    """Make bars of every product, mostly of one minute, ending where the trades do; indexes but the key afterwards."""
    indexes = list(CandleRow.metadata.tables[CandleRow.__tablename__].indexes)
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
        for product in PRODUCTS:
            left = count // len(PRODUCTS)
            for frame, minutes in (_FRAMES | {"1m": 1}).items():
                bars = left if frame == "1m" else min(left // 2, 730 * 1440 // minutes)
                left -= bars
                step = timedelta(minutes=minutes)
                first = (ENDS.replace(hour=0) if frame == "1d" else ENDS) - step * bars
                share = {"product": product, "frame": frame, "first": first, "step": step, "bars": bars}
                connection.execute(_BARS, share)
        for index in indexes:
            index.create(connection)


def make_setups(engine: Engine, account: str) -> None:
    """Make what became of the setups of every hour's bar: most lapsed, one in ten was invalidated."""
    hours = (ENDS - BEGINS) // timedelta(hours=1)
    with engine.begin() as connection:
        for product in PRODUCTS:
            connection.execute(_SETUPS, {"account": account, "product": product, "first": BEGINS, "hours": hours})


def shown() -> Extras:
    """Return the last prices, the current periods and the bars from before the daemon's start, of every product."""
    return Extras(
        quotes=tuple(Quote(product, ENDS, _LAST) for product in PRODUCTS),
        forming=tuple(Forming(product, ENDS, "open", tuple(map(_now, (*_FRAMES, "1w", "1M")))) for product in PRODUCTS),
        past=tuple(PastBars(product, BEGINS, tuple(map(_before, _FRAMES))) for product in PRODUCTS),
    )


def _now(frame: str) -> FrameNow:
    opens, closes = period(frame, ENDS)
    bar = Bar(frame, opens, closes, _LAST - _HALF, _LAST + _HALF, _LAST - _HALF, _LAST, Decimal(90))
    return FrameNow(frame, opens, closes, bar, _LAST + 2 * _HALF, _LAST - 2 * _HALF, known=True)


def _before(frame: str) -> FrameBars:
    closes, found = period(frame, BEGINS)[0], list[Bar]()
    for _ in range(60):
        opens, _ = period(frame, closes - timedelta(microseconds=1))
        found.append(Bar(frame, opens, closes, _LAST, _LAST + _HALF, _LAST - _HALF, _LAST - 9, Decimal(90)))
        closes = opens
    return FrameBars(frame, tuple(reversed(found)), None)
