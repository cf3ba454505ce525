"""A market played from files of 1m candles or trades.

A candle becomes four trades along its path (`atlas.market.path`), a quarter of the candle apart, the first at its
opening time; its volume is split over them in whole lots, at least one each. A candle without volume gives no trade.
The minutes the exchange serves over REST are those same trades' minutes, so that both always agree.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.errors import DataError, UsageError
from atlas.exchange.local.instants import MINUTE, NS, US, to_datetime
from atlas.exchange.local.market import FIRST_TRADE_ID, MarketTrade, MinuteRows
from atlas.exchange.local.products import ListedProduct
from atlas.exchange.local.step import Step
from atlas.market.candle_file import COLUMNS as CANDLE_COLUMNS
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.number_columns import read_header
from atlas.market.path import POINTS, candle_paths
from atlas.market.trade_file import COLUMNS as TRADE_COLUMNS
from atlas.market.trade_file import TradeFile, read_trades

_MOST_LOTS = 2**61
"""In a day's candle; half an int64 is left for windows that overlap two days."""
_MOST_ROWS_A_DAY = 1440
_MINUTE_S = 60


class PlayedTrades(Struct, frozen=True):
    """n trades of a product: nanoseconds, ticks, lots, whether the taker bought."""

    times: NDArray[np.int64]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]
    bought: NDArray[np.bool_]


class PlayedProduct(Struct, frozen=True):
    """A product, its minutes before the start and its trades from there to the end."""

    product: ListedProduct
    before: MinuteRows
    trades: PlayedTrades


class PlayedMarket:
    """Files played between two instants. Trades stand still where the files have holes."""

    from_file = True

    def __init__(self, played: Sequence[PlayedProduct], start: int, end: int, seed: int = 1) -> None:
        self._played = {item.product.product_id: item for item in played}
        self.products: Mapping[str, ListedProduct] = {name: item.product for name, item in self._played.items()}
        self.start = start
        self.end: int | None = end
        self.seed = seed

    def trades(self) -> Iterator[MarketTrade]:
        """Yield the trades by time, those of one instant in the order of the products."""
        streams = [_stream(item) for item in self._played.values()]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_time)

    def minutes_before(self, product_id: str) -> MinuteRows:
        """Return the file's minutes before the start."""
        return self._played[product_id].before

    def opening_ticks(self, product_id: str) -> int:
        """Return the last price before the start; of a file that begins there, its first."""
        item = self._played[product_id]
        return int(item.before.close[-1]) if len(item.before) else int(item.trades.ticks[0])


def read_market(
    files: Sequence[tuple[Path, ListedProduct]],
    start: int | None = None,
    end: int | None = None,
    *,
    round_to_tick: bool = False,
    always_high_first: bool = False,
    seed: int = 1,
) -> PlayedMarket:
    """Read a file per product and return the market between `start` and `end` (nanoseconds, end exclusive).

    Without `start` it begins with the first row of the earliest file, without `end` it ends with the last. Each
    product takes its file's tick, unless `round_to_tick`: then prices are rounded to the product's own.
    Raises DataError for a file that cannot be played, UsageError if nothing of a file lies in the stretch.
    """
    sources: list[tuple[ListedProduct, CandleFile | TradeFile]] = []
    for path, product in files:
        file = _read(path)
        sources.append((product if round_to_tick else product.with_tick(file.tick), file))
    first = min(_first(file) for _, file in sources) if start is None else start
    last = max(_last(file) for _, file in sources) if end is None else end
    if first >= last:
        raise UsageError(f"--from {to_datetime(first)} is not before --to {to_datetime(last)}; swap or widen them")
    played = []
    for product, file in sources:
        if isinstance(file, CandleFile):
            rows, trades = _from_candles(product, file, always_high_first)
        else:
            rows, trades = _from_trades(product, file)
        low, high = np.searchsorted(trades.times, [first, last]).tolist()
        if low == high:
            raise UsageError(
                f"nothing in {file.path} lies between {to_datetime(first)} and {to_datetime(last)}: it runs from "
                f"{to_datetime(_first(file))} to {to_datetime(_last(file))}; give --from and --to within that"
            )
        cut = slice(low, high)
        stretch = PlayedTrades(trades.times[cut], trades.ticks[cut], trades.lots[cut], trades.bought[cut])
        played.append(PlayedProduct(product, rows.cut(0, first // MINUTE * _MINUTE_S), stretch))
    return PlayedMarket(played, first, last, seed)


def _read(path: Path) -> CandleFile | TradeFile:
    header = read_header(path)
    if set(TRADE_COLUMNS) <= set(header):
        return read_trades(path)
    if set(CANDLE_COLUMNS) <= set(header):
        return _minutes(path)
    raise DataError(
        f"{path}, line 1: '{','.join(header)[:80]}' names neither the columns of candles ({','.join(CANDLE_COLUMNS)}) "
        f"nor those of trades ({','.join(TRADE_COLUMNS)}); name them so"
    )


def _minutes(path: Path) -> CandleFile:
    file = read_candles(path)
    if file.interval != _MINUTE_S or (file.times % _MINUTE_S).any():
        raise DataError(f"{path} holds candles of {file.interval} s; the local exchange plays candles of 1m (60 s)")
    return file


def _first(file: CandleFile | TradeFile) -> int:
    time = int(file.times[0])
    return time * NS if isinstance(file, CandleFile) else time * US


def _last(file: CandleFile | TradeFile) -> int:
    time = int(file.times[-1])
    return (time + file.interval) * NS if isinstance(file, CandleFile) else (time * US // MINUTE + 1) * MINUTE


def in_ticks(units: NDArray[np.int64], scale: int, tick: Step) -> NDArray[np.int64]:
    """Return prices `units × 10 ** -scale` as whole ticks; a price between two ticks goes to the nearer, half up."""
    numerator = units * 10 ** max(tick.scale - scale, 0)
    denominator = tick.units * 10 ** max(scale - tick.scale, 0)
    rounded: NDArray[np.int64] = (2 * numerator + denominator) // (2 * denominator)
    return np.maximum(rounded, 1)


def _in_lots(file: CandleFile | TradeFile, units: NDArray[np.int64], scale: int, lot: Step) -> NDArray[np.int64]:
    widen, narrow = 10 ** max(lot.scale - scale, 0), lot.units * 10 ** max(scale - lot.scale, 0)
    days = np.arange(len(units)) // _MOST_ROWS_A_DAY
    heaviest = float(np.bincount(days, weights=units).max()) * widen
    if heaviest > _MOST_LOTS:
        raise DataError(f"{file.path}: its volumes are too large to count in lots of {lot.decimal}; scale them down")
    lots: NDArray[np.int64] = units * widen // narrow
    return lots


def _from_candles(product: ListedProduct, file: CandleFile, always_high_first: bool) -> tuple[MinuteRows, PlayedTrades]:
    traded = file.volume > 0
    if not traded.any():
        raise DataError(f"{file.path}: no candle has volume; nothing traded, nothing to play")
    open_, high, low, close = (
        in_ticks(column[traded], file.scale, product.tick) for column in (file.open, file.high, file.low, file.close)
    )
    volume = np.maximum(_in_lots(file, file.volume[traded], file.volume_scale, product.lot), POINTS)
    paths = candle_paths(open_, high, low, close, always_high_first=always_high_first)
    seconds = file.times[traded]
    rows = MinuteRows(seconds, paths[:, 0], high, low, close, volume)
    place = np.arange(POINTS)
    times = seconds[:, None] * NS + place * (file.interval * NS // POINTS)
    lots = volume[:, None] // POINTS + (place < volume[:, None] % POINTS)
    ticks = paths.ravel()
    return rows, PlayedTrades(times.ravel(), ticks, lots.ravel(), _takers(ticks))


def _takers(ticks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell where the taker bought: the price went up, or did not move since it last did."""
    step = np.sign(np.diff(ticks, prepend=ticks[0] - 1))
    latest = np.maximum.accumulate(np.where(step != 0, np.arange(len(ticks)), 0))
    return np.asarray(step[latest] > 0, dtype=np.bool_)


def _from_trades(product: ListedProduct, file: TradeFile) -> tuple[MinuteRows, PlayedTrades]:
    ticks = in_ticks(file.price, file.scale, product.tick)
    lots = np.maximum(_in_lots(file, file.size, file.size_scale, product.lot), 1)
    minute = file.times * US // MINUTE
    cuts = np.flatnonzero(np.concatenate(([True], minute[1:] != minute[:-1])))
    ends = np.concatenate((cuts[1:], [len(minute)])) - 1
    rows = MinuteRows(
        minute[cuts] * _MINUTE_S, ticks[cuts], np.maximum.reduceat(ticks, cuts), np.minimum.reduceat(ticks, cuts),
        ticks[ends], np.add.reduceat(lots, cuts),
    )  # fmt: skip
    return rows, PlayedTrades(file.times * US, ticks, lots, file.bought)


def _time(trade: MarketTrade) -> int:
    return trade.time


_CHUNK = 16_384


def _stream(item: PlayedProduct) -> Iterator[MarketTrade]:
    """Yield one product's trades; the quote left behind is one tick wide, the trade at the side its taker hit."""
    name, trades, trade_id = item.product.product_id, item.trades, FIRST_TRADE_ID
    for first in range(0, len(trades.times), _CHUNK):
        cut = slice(first, first + _CHUNK)
        columns = (trades.times[cut], trades.ticks[cut], trades.lots[cut], trades.bought[cut])
        for time, ticks, lots, bought in zip(*(column.tolist() for column in columns), strict=True):
            bid = ticks - 1 if bought else ticks
            yield MarketTrade(time, name, trade_id, ticks, lots, not bought, bid, bid + 1)
            trade_id += 1
