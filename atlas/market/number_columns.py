"""Read columns of decimal numbers from a CSV file exactly: integers and one scale per column, no float in between.

The digits of a whole column are read at once with NumPy. What the
fast reading cannot take (an exponent as in `1e-05`) is read by `Decimal`; what that cannot take either is an error
that names file, line and text.
"""

import gzip
import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from atlas.errors import DataError

HEADER_LINES = 1
MOST_DIGITS = 18  # what int64 holds of any number
EXACT_DIGITS = 28  # what Decimal calculates with
_GZIP_MAGIC = b"\x1f\x8b"
_UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading and unpacking a file raises: it is not there, cut off, or damaged."""
_PIECE = 1 << 22
_COMMA, _NEWLINE, _DOT, _ZERO = 44, 10, 46, 48
_MANY = 256
"""So many fields as long as each other are worth reading together."""

Ints = NDArray[np.int64]
Letters = NDArray[np.uint8]
Unpack = Callable[[bytes], bytes]
"""Unpacks gzip; raises OSError, EOFError or zlib.error."""


class NumberColumn(Struct, frozen=True):
    """A column of n numbers: number i is `units[i] × 10 ** -scale`, exactly.

    `units` are int64, or Python's integers where `read_exactly` found that these cannot hold them.
    """

    name: str
    units: NDArray[Any]
    scale: int

    def fits(self, scale: int) -> bool:
        """Whether 64 bits hold the units counted at another scale, not smaller than the column's own."""
        return bool(self.units.max(initial=0) < 10**MOST_DIGITS // 10 ** (scale - self.scale))

    def at_scale(self, scale: int) -> NDArray[np.int64]:
        """Return the units counted at another scale that `fits`."""
        widened: NDArray[np.int64] = self.units * np.int64(10 ** (scale - self.scale))
        return widened


class Table(Struct, frozen=True):
    """The text of a CSV file and where its fields lie: `starts` and `ends` have shape (rows, columns).

    So many zeros as the longest number has letters stand behind the text.
    """

    path: Path
    text: bytes
    header: tuple[str, ...]
    starts: NDArray[Any]
    ends: NDArray[Any]

    def field(self, row: int, name: str) -> str:
        """Return the text of one field."""
        column = self.header.index(name)
        return self.text[self.starts[row, column] : self.ends[row, column]].decode("utf-8", "replace")

    def fields(self, name: str) -> list[str]:
        """Return the text of every field of a column."""
        column = self.header.index(name)
        bounds = zip(self.starts[:, column].tolist(), self.ends[:, column].tolist(), strict=True)
        return [self.text[start:end].decode("utf-8", "replace") for start, end in bounds]


def line_of(row: int) -> int:
    """Return the line of the file that holds a row: row 0 stands below the header."""
    return row + HEADER_LINES + 1


def read_header(path: Path) -> tuple[str, ...]:
    """Return the names of a CSV file's columns, in lower case. Raises DataError if the file cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with gzip.open(path) if zipped else path.open("rb") as lines:
            return names_of(lines.readline())
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a CSV file, gzipped or not, that has a header line with at least the `needed` columns.

    Raises DataError if it cannot be read, is empty, lacks a column, or has a line with too few or too many fields.
    """
    return table_of(path, text_of(path), needed)


def text_of(path: Path, unpack: Unpack = gzip.decompress) -> bytes:
    """Return what a file holds, unpacked, its lines ended by \\n. Raises DataError if it cannot be read."""
    try:
        raw = path.read_bytes()
        text = unpack(raw) if raw.startswith(_GZIP_MAGIC) else raw
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def table_of(path: Path, text: bytes, needed: Sequence[str]) -> Table:
    """Return the table a CSV text is; `path` is what errors name. Raises DataError as `read_table`."""
    head, _, body = text.partition(b"\n")
    del text  # A year of minutes is 30 MB of it.
    header = names_of(head)
    missing = [name for name in needed if name not in header]
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)} in '{','.join(header)[:80]}'; needed: {','.join(needed)}"
        )
    body = body.rstrip(b"\n")
    if not body:
        raise DataError(f"{path}, line {HEADER_LINES + 1}: no rows below the header; give a file with at least one row")
    body += b"\n" + bytes(MOST_DIGITS + 1)  # What is read beyond the last field is of no number.
    letters = np.frombuffer(body, dtype=np.uint8)
    cuts = _cuts(letters)
    columns = len(header)
    newline = letters[cuts] == _NEWLINE
    regular = len(cuts) % columns == 0 and bool(
        (newline.reshape(-1, columns) == (np.arange(columns) == columns - 1)).all()
    )
    if not regular:
        _raise_irregular(path, body.rstrip(b"\0"), columns)
    ends = cuts.reshape(-1, columns)
    starts = np.concatenate((np.zeros(1, cuts.dtype), cuts[:-1] + 1)).reshape(-1, columns)
    return Table(path=path, text=body, header=header, starts=starts, ends=ends)


def _cuts(letters: NDArray[np.uint8]) -> NDArray[Any]:
    """Return where fields end, found piece by piece: flags for a whole file are as much memory as the file."""
    small = np.int32 if len(letters) < 2**31 - MOST_DIGITS else np.int64
    found = [np.zeros(0, small)]
    for start in range(0, len(letters), _PIECE):
        piece = letters[start : start + _PIECE]
        found.append((np.flatnonzero((piece == _COMMA) | (piece == _NEWLINE)) + start).astype(small))
    return np.concatenate(found)


def read_numbers(table: Table, name: str) -> NumberColumn:
    """Read a column of numbers ≥ 0, trailing zeros dropped from the scale.

    Raises DataError at the first field that is no finite number ≥ 0 or has more digits than 18.
    """
    column = _read(table, name)
    if isinstance(column, DataError):
        raise column
    return column


def read_exactly(table: Table, name: str) -> NumberColumn:
    """Read a column of numbers ≥ 0 as `read_numbers` does, also those with more digits than 64 bits hold.

    Floats written to their last digit are such: `55.012345678901235` beside `0.012345678901234568`.

    Raises DataError at the first field that is no finite number ≥ 0 or has more digits than 28.
    """
    column = _read(table, name)
    if isinstance(column, NumberColumn):
        return column
    numbers = [_exact(table, name, row, EXACT_DIGITS) for row in range(len(table.starts))]
    scale = max(decimals for _, decimals in numbers)
    units = [number * 10 ** (scale - decimals) for number, decimals in numbers]
    return NumberColumn(name=name, units=np.array(units, dtype=object), scale=scale)


def _read(table: Table, name: str) -> NumberColumn | DataError:
    """Return the column, or what to say where 64 bits cannot hold it; raises DataError where a field is no number."""
    column = table.header.index(name)
    starts, ends = table.starts[:, column], table.ends[:, column]
    letters = np.frombuffer(table.text, dtype=np.uint8)
    units = np.zeros(len(starts), dtype=np.int64)
    decimals = np.zeros(len(starts), dtype=np.int64)
    width = ends - starts
    rows = _read_alike(letters, starts, width, units, decimals)
    odd = rows[_read_letters(letters, starts, width, units, decimals, rows)]
    for row in odd.tolist():
        number, places = _exact(table, name, row, EXACT_DIGITS)
        if len(str(number)) > MOST_DIGITS or places > MOST_DIGITS:
            return _too_long(table, name, row, MOST_DIGITS)
        units[row], decimals[row] = number, places
    scale = int(decimals.max())
    widening = np.power(np.int64(10), scale - decimals)
    overflow = units > (10**MOST_DIGITS - 1) // widening
    if overflow.any():
        row = int(overflow.argmax())
        return DataError(
            f"{table.path}, line {line_of(row)}: {name} {table.field(row, name)} has too many digits at "
            f"{scale} decimals; at most {MOST_DIGITS} in all"
        )
    units *= widening
    return NumberColumn(name, *without_common_zeros(units, scale))


def without_common_zeros(units: Ints, scale: int) -> tuple[Ints, int]:
    """Return numbers at the smallest scale that tells all of them exactly, and that scale."""
    # A few of them tell nearly always.
    while scale and not (units[:_MANY] % 10).any() and not (units % 10).any():
        units //= 10
        scale -= 1
    return units, scale


def _read_alike(letters: Letters, starts: Ints, width: Ints, units: Ints, decimals: Ints) -> Ints:
    """Read the fields that are digits with a dot at the same place in all fields as long; return the rows left."""
    left = [np.zeros(0, np.int64)]
    for length, often in enumerate(np.bincount(width).tolist()):
        if not often:
            continue
        rows = np.flatnonzero(width == length)
        if often < _MANY or not 0 < length <= MOST_DIGITS:
            left.append(rows)
            continue
        fields = sliding_window_view(letters, length)[starts[rows]]
        total, dot = np.zeros(often, np.int64), -1
        for place in range(length):
            letter = fields[:, place]
            if dot < 0 and letter[0] == _DOT and (letter == _DOT).all():
                dot = place
                continue
            digit = letter - np.uint8(_ZERO)  # what is no digit comes out above 9
            if int(digit.max()) > 9:
                left.append(rows)
                break
            total *= 10
            total += digit
        else:
            units[rows] = total
            decimals[rows] = 0 if dot < 0 else length - dot - 1
    return np.concatenate(left)


def _read_letters(
    letters: Letters, starts: Ints, width: Ints, units: Ints, decimals: Ints, rows: Ints
) -> NDArray[np.bool_]:
    """Read the fields of some rows letter by letter; return which of them are not digits and at most one dot."""
    starts, width = starts[rows], width[rows]
    number, places = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    after_dot = np.zeros(len(rows), dtype=bool)
    odd: NDArray[np.bool_] = (width == 0) | (width > MOST_DIGITS + 1)  # + 1: the dot
    for place in range(int(min(width.max(initial=0), MOST_DIGITS + 1))):
        letter = letters[starts + place]
        digit = letter - np.uint8(_ZERO)  # what is no digit comes out above 9
        inside = place < width
        is_digit = inside & (digit <= 9)
        is_dot = inside & (letter == _DOT)
        odd |= (inside & ~is_digit & ~is_dot) | (is_dot & after_dot)
        np.multiply(number, 10, out=number, where=is_digit)
        np.add(number, digit, out=number, where=is_digit)
        places += is_digit & after_dot
        after_dot |= is_dot
    units[rows], decimals[rows] = number, places
    odd |= ~after_dot & (width > MOST_DIGITS)
    return odd


def names_of(head: bytes) -> tuple[str, ...]:
    """Return the names of the columns that a header line tells, in lower case."""
    return tuple(name.strip().lower() for name in head.decode("utf-8-sig", "replace").split(","))


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file; give the path of a CSV file, gzipped or not")
    return DataError(f"{path}: cannot be read ({error}); give a whole CSV file, gzipped or not")


def _exact(table: Table, name: str, row: int, most: int) -> tuple[int, int]:
    """Return (units, decimals) of one field, of at most so many digits before and after the point together."""
    text = table.field(row, name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise DataError(f"{table.path}, line {line_of(row)}: {name} '{text}' is not a number ≥ 0; mend the row")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # finite
    written = "".join(map(str, digits)).lstrip("0")
    dropped = len(written) - len(written.rstrip("0"))
    written, exponent = written.rstrip("0"), exponent + dropped
    if not written:
        return 0, 0
    if max(len(written) + max(exponent, 0), -exponent) > most:
        raise _too_long(table, name, row, most)
    return int(written) * 10 ** max(exponent, 0), max(-exponent, 0)


def _too_long(table: Table, name: str, row: int, most: int) -> DataError:
    said = f"{name} {table.field(row, name)} has too many digits; at most {most} in all"
    return DataError(f"{table.path}, line {line_of(row)}: {said}")


def _raise_irregular(path: Path, body: bytes, columns: int) -> None:
    for row, line in enumerate(body.splitlines()):
        found = line.count(b",") + 1
        if found != columns:
            shown = line[:80].decode("utf-8", "replace")
            raise DataError(f"{path}, line {line_of(row)}: {found} fields, not {columns}: '{shown}'; mend the row")
    raise DataError(f"{path}: rows cannot be told apart; give a plain CSV file")
