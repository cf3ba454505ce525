"""Candles from the exchange, page by page, into a CSV file that grows; an interrupted download goes on where it was."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from atlas.errors import DataError, UsageError
from atlas.exchange.rest import pages
from atlas.market.bar import Bar
from atlas.market.candle_file import COLUMNS


class Candles(Protocol):
    """What a download needs of `atlas.exchange.rest.Rest`."""

    def time(self) -> datetime:
        """Return the exchange's clock."""

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[Bar]:
        """Return the bars that open in [start, end], oldest first."""


class Asked(msgspec.Struct, frozen=True):
    """The bars of `timeframe` that open in [start, end); an end in the future is the last closed bar's."""

    product: str
    timeframe: str
    start: datetime
    end: datetime


def download(
    rest: Candles, asked: Asked, growing: Path, progress: Callable[[float], None] = lambda share: None
) -> int:
    """Append every closed bar asked for to `growing`, going on behind what it holds; return how many it holds then.

    `progress` is told the share of the time covered after each page. Raises UsageError for an empty stretch, DataError
    if the exchange told no candle at all, and as `Rest.candles`.
    """
    until = min(asked.end, rest.time())
    if asked.start >= until:
        raise UsageError(
            f"--from {asked.start:%Y-%m-%d %H:%M} is not before {until:%Y-%m-%d %H:%M}, where the download would end"
        )
    last = _last_time(growing)
    start = asked.start if last is None else datetime.fromtimestamp(last, UTC) + timedelta(seconds=1)
    span = (until - asked.start).total_seconds()
    with growing.open("a", encoding="ascii") as file:
        for first, final in pages(asked.timeframe, start, until - timedelta(microseconds=1)):
            bars = rest.candles(asked.product, asked.timeframe, first, final)
            file.writelines(_row(bar) for bar in bars if bar.close_time <= until)
            file.flush()
            progress(min(1.0, (final - asked.start).total_seconds() / span))
    progress(1.0)
    held = growing.read_bytes().count(b"\n") - 1
    if held < 1:
        growing.unlink()
        raise DataError(
            f"the exchange has no closed candle of {asked.product} {asked.timeframe} from "
            f"{asked.start:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}: ask for another time"
        )
    return held


def _row(bar: Bar) -> str:
    numbers: Sequence[str] = [f"{value:f}" for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
    return f"{int(bar.open_time.timestamp())},{','.join(numbers)}\n"


def _last_time(growing: Path) -> int | None:
    """Return the time of the last whole row, None without one; a row cut off by a kill is taken away."""
    growing.parent.mkdir(parents=True, exist_ok=True)
    text = growing.read_bytes() if growing.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    header = ",".join(COLUMNS).encode() + b"\n"
    if not whole.startswith(header):
        growing.write_bytes(header)
        return None
    growing.write_bytes(whole)
    rows = whole.removeprefix(header)
    return int(rows.rstrip(b"\n").rpartition(b"\n")[2].partition(b",")[0]) if rows else None
