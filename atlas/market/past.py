"""Past trades of a product: those of a trade file, or the four of each candle along its path (`atlas.market.path`).

A replay plays them, and what the local exchange plays from the same file has the same times, prices and order. A file
knows no quotes, so bid and ask are unknown.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from msgspec import Struct

from atlas.errors import DataError
from atlas.market.aggregation import FormingBar, aggregate
from atlas.market.bar import Bar, Tick
from atlas.market.candle_file import CandleFile
from atlas.market.path import POINTS, candle_path
from atlas.market.timeframes import TIMEFRAMES, finer, period, seconds
from atlas.market.trade_file import TradeFile

QUARTER = Decimal("0.25")
"""The part of a candle's volume each of its points has; multiplied, so that all have two digits more than the file."""
PastFile = CandleFile | TradeFile
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(file: PastFile) -> tuple[datetime, datetime]:
    """Return when the file's first row opens and its last one ends, the end exclusive."""
    first, last = int(file.times[0]), int(file.times[-1])
    if isinstance(file, CandleFile):
        return _EPOCH + timedelta(seconds=first), _EPOCH + timedelta(seconds=last + file.interval)
    return _EPOCH + timedelta(microseconds=first), _EPOCH + timedelta(microseconds=last + 1)


def check_timeframe(file: PastFile, timeframe: str) -> None:
    """Raise DataError if bars of `timeframe` cannot be made of the file's candles: they are no whole number of them."""
    if not isinstance(file, CandleFile):
        return
    length = seconds(timeframe) or seconds("1d") or 0  # A month is whole days.
    if length % file.interval:
        raise DataError(
            f"{file.path}: {timeframe} is no whole multiple of its candles of {file.interval} s; leave that timeframe "
            "out, or give finer candles"
        )


def past_candles(file: CandleFile, start: datetime, end: datetime) -> Iterator[Bar]:
    """Yield the candles that open in [start, end) and traded, as bars of 1m; the open is clamped into the range.

    They are named 1m whatever their length: pieces of which longer bars are made.
    """
    rows = file.rows(int(start.timestamp()), int(end.timestamp()))
    columns = (rows.times, rows.open, rows.high, rows.low, rows.close, rows.volume)
    silent = not file.volume.any()  # A file that tells no volumes, not a market without a trade.
    length = timedelta(seconds=file.interval)
    for at, opened, high, low, close, volume in zip(*(column.tolist() for column in columns), strict=True):
        if volume or silent:
            opens = _EPOCH + timedelta(seconds=at)
            yield Bar(
                "1m", opens, opens + length,
                file.price(min(max(opened, low), high)), file.price(high), file.price(low), file.price(close),
                Decimal(volume).scaleb(-file.volume_scale),
            )  # fmt: skip


def walked(candle: Bar, first_id: int, *, always_high_first: bool = False) -> tuple[Tick, ...]:
    """Return the four trades of a candle, a quarter of it apart, its volume in equal parts."""
    path = candle_path(candle.open, candle.high, candle.low, candle.close, always_high_first=always_high_first)
    step, size = (candle.close_time - candle.open_time) / POINTS, candle.volume * QUARTER
    return tuple(
        Tick(first_id + point, candle.open_time + point * step, price, size) for point, price in enumerate(path)
    )


def past_trades(file: TradeFile, start: datetime, end: datetime) -> Iterator[Tick]:
    """Yield the trades of [start, end), numbered by their row in the file."""
    first, last = np.searchsorted(file.times, [_micros(start), _micros(end)]).tolist()
    columns = (file.times[first:last], file.price[first:last], file.size[first:last], file.bought[first:last])
    for row, (at, price, size, bought) in enumerate(zip(*(column.tolist() for column in columns), strict=True), first):
        yield Tick(
            row + 1,
            _EPOCH + timedelta(microseconds=at),
            Decimal(price).scaleb(-file.scale),
            Decimal(size).scaleb(-file.size_scale),
            aggressor="buy" if bought else "sell",
        )


class BarsBefore(Struct, frozen=True):
    """The closed bars of a timeframe before an instant, oldest first, and the one forming then.

    `whole` is False where the file begins within the period of then: its bar is partial.
    """

    timeframe: str
    closed: list[Bar]
    forming: Bar | None
    whole: bool


def bars_before(file: PastFile, timeframes: Iterable[str], at: datetime) -> list[BarsBefore]:
    """Return what the file tells of each timeframe before `at`; a first bucket it does not begin with is dropped.

    Each is made of the bars of the coarsest one before it that adds up to it. Raises DataError as `check_timeframe`.
    """
    begins, _ = span(file)
    pieces: dict[str, list[Bar]] = {"": list(_pieces(file, begins, at))}
    found: list[BarsBefore] = []
    for timeframe in sorted(timeframes, key=TIMEFRAMES.index):
        check_timeframe(file, timeframe)
        opened, closes = period(timeframe, begins)
        whole_from = opened if opened == begins else closes
        finest = next((name for name in finer(timeframe) if name in pieces), "")
        usable = [piece for piece in pieces[finest] if piece.open_time >= whole_from]
        closed, forming = aggregate(usable, timeframe, starts_whole=True, complete_until=at)
        pieces[timeframe] = [*closed, *([forming] if forming is not None else [])]
        found.append(BarsBefore(timeframe, closed, forming, period(timeframe, at)[0] >= whole_from))
    return found


def _pieces(file: PastFile, start: datetime, end: datetime) -> Iterator[Bar]:
    if isinstance(file, CandleFile):
        yield from past_candles(file, start, end)
        return
    forming: FormingBar | None = None
    for tick in past_trades(file, start, end):
        if forming is not None and tick.time < forming.close_time:
            forming.add(tick.price, tick.size)
            continue
        if forming is not None:
            yield forming.bar()
        forming = FormingBar.from_trade("1m", tick.time, tick.price, tick.size)
    if forming is not None:
        yield forming.bar()


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
