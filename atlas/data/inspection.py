"""What is odd about candles, row by row: what no replay may be fed, and what its owner should know.

Each check is one comparison over whole columns, so a year of minutes is looked through in milliseconds.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from atlas.market.candle_file import LAST_TIME, CandleFile
from atlas.market.number_columns import line_of

FATAL: Final = (
    "not_ascending", "duplicate", "off_step", "no_such_time", "price_zero", "high_below_low", "close_outside",
)  # fmt: skip
"""Kinds for which a file is refused; the others are told, for the market may really have been so."""
JUMP: Final = Decimal("0.05")
"""From which share on an open beside the close before it is a jump."""
SHOWN: Final = 20
"""Findings of one kind that are listed; all are counted."""

Rows = NDArray[np.bool_]


class Finding(Struct, frozen=True):
    """One odd row: its file, the line in it, when its candle opens, the value and what is odd about it."""

    kind: str
    file: Path
    line: int
    time: datetime | None
    value: str
    text: str

    def __str__(self) -> str:
        at = "" if self.time is None else f" at {self.time:%Y-%m-%d %H:%M:%S}"
        return f"{self.file}, line {self.line}{at}: {self.value} {self.text}"


class Inspection(Struct, frozen=True):
    """What was found: how often each kind, and the first of each in full, worst kinds first."""

    rows: int
    step: int
    """Seconds from one candle to the next: the commonest step of the file."""
    missing: int
    """Periods between the first and the last without a row."""
    counts: dict[str, int]
    findings: list[Finding]

    @property
    def fatal(self) -> list[Finding]:
        """Those for which no replay may be fed with it."""
        return [finding for finding in self.findings if finding.kind in FATAL]


def inspect(file: CandleFile, jump: Decimal = JUMP, line: Callable[[int], int] = line_of) -> Inspection:
    """Look through candles as they stand, in whatever order; `line` tells the line of a row's number.

    A gap is told at the row after it. A jump is an open that lies at least the share `jump` from the close of the row
    before, whatever lies between. A zero range is a candle with volume whose high is its low.
    """
    step = _commonest_step(file.times)
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    for kind, rows, name, text in _checks(file, step, jump):
        counts[kind] += int(np.count_nonzero(rows))
        for row in islice(np.flatnonzero(rows).tolist(), SHOWN):
            said = text(row) if callable(text) else text
            findings.append(Finding(kind, file.path, line(row), _opens(file, row), _value(file, name, row), said))
    steps = np.diff(file.times)
    missing = int((steps[steps > 0] // step - 1).clip(min=0).sum())
    return Inspection(len(file.times), step, missing, dict(+counts), findings)


def _checks(
    file: CandleFile, step: int, jump: Decimal
) -> Iterator[tuple[str, Rows, str, str | Callable[[int], str]]]:
    """Yield kind, the rows it holds for, the column to show, and the words; fatal kinds first."""
    apart = np.diff(file.times, prepend=file.times[:1] - step)
    no_such = (file.times >= LAST_TIME) | (file.times <= 0)
    yield "not_ascending", apart < 0, "time", "is earlier than the row before: sort the file"
    yield "duplicate", apart == 0, "time", "is a duplicate of the row before: leave one out"
    yield "off_step", apart % step != 0, "time", f"is no whole number of steps of {step} s after the row before"
    yield "no_such_time", no_such, "time", "is no time of a market: write unix seconds, not milliseconds"
    for name in ("open", "high", "low", "close"):
        yield "price_zero", getattr(file, name) == 0, name, f"as {name}: a price is above 0"
    yield "high_below_low", file.high < file.low, "high", "as high is below the low"
    outside = (file.close > file.high) | (file.close < file.low)
    yield "close_outside", outside & (file.high >= file.low), "close", "as close lies outside low and high"
    yield "gap", apart > step, "time", lambda row: f"comes after {int(apart[row]) // step - 1} missing candles"
    yield "jump", _jumps(file, jump), "open", lambda row: f"opens {_share(file, row)} from the close before"
    outside = (file.open > file.high) | (file.open < file.low)
    yield "open_outside", outside, "open", "as open lies outside low and high: clamped where it is played"
    still = (file.high == file.low) & (file.volume > 0)
    yield "zero_range", still, "high", "is high and low at once"
    if file.volume.any():
        yield "no_volume", file.volume == 0, "volume", "as volume: nothing was traded, so this is no bar"


def _commonest_step(times: NDArray[np.int64]) -> int:
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        return 60
    lengths, often = np.unique(steps, return_counts=True)
    return int(lengths[often.argmax()])


def _jumps(file: CandleFile, jump: Decimal) -> Rows:
    close = file.close[:-1].astype(np.float64)
    moved = np.abs(file.open[1:].astype(np.float64) - close)
    jumps: Rows = np.concatenate(([False], (close > 0) & (moved >= float(jump) * close)))
    return jumps


def _share(file: CandleFile, row: int) -> str:
    return f"{int(file.open[row]) / int(file.close[row - 1]) - 1:+.1%}"


def _opens(file: CandleFile, row: int) -> datetime | None:
    at = int(file.times[row])
    return datetime.fromtimestamp(at, UTC) if 0 < at < LAST_TIME else None


def _value(file: CandleFile, name: str, row: int) -> str:
    if name == "time":
        return str(int(file.times[row]))
    if name == "volume":
        return _plain(Decimal(int(file.volume[row])).scaleb(-file.volume_scale))
    return _plain(file.price(getattr(file, name)[row]))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
