"""Columns of a CSV text whose lines are alike, read at once and exactly.

Where each field is digits, with a dot at the same place from its end in every line, the dots can be taken out: whole
numbers are left, which NumPy reads by itself. Any other text is left to `number_columns`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atlas.market.number_columns import MOST_DIGITS, NumberColumn, without_common_zeros

_PIECE: Final = 1 << 20
"""Bytes taken together: what a processor keeps at hand."""
_NEWLINE, _DOT, _ZERO, _NINE = b"\n.09"
_BY_COMMAS: Final = bytes.maketrans(b"\n", b",")

Ints = NDArray[np.int64]


def read_plain(text: bytes, header: Sequence[str], needed: Sequence[str]) -> dict[str, NumberColumn] | None:
    """Return the needed columns of the lines below the header, as `read_numbers` does; None where that has to."""
    pieces: list[Ints] = []
    decimals: list[int] | None = None
    for piece in _pieces(text):
        found = _decimals(piece, len(header))
        if found is None or decimals not in (None, found):
            return None
        decimals = found
        pieces.append(np.fromstring(piece.translate(_BY_COMMAS, b"."), np.int64, sep=",").reshape(-1, len(header)))
    if decimals is None:
        return None
    columns = {}
    for name in needed:
        place = header.index(name)
        units = np.concatenate([numbers[:, place] for numbers in pieces])
        columns[name] = NumberColumn(name, *without_common_zeros(units, decimals[place]))
    return columns


def _pieces(text: bytes) -> Iterator[bytes]:
    """Yield the lines below the first, many at a time."""
    begin = text.find(b"\n") + 1 or len(text)
    while begin < len(text):
        end = text.rfind(b"\n", begin, begin + _PIECE) + 1
        if not end:  # The last line, without its end; or one longer than any of numbers.
            end = text.find(b"\n", begin) + 1 or len(text)
        piece = text[begin:end]
        yield piece if end < len(text) or piece.endswith(b"\n") else piece + b"\n"
        begin = end


def _decimals(piece: bytes, columns: int) -> list[int] | None:
    """Return how many digits stand behind the dot in each column; None if the lines are not alike in that."""
    letters = np.frombuffer(piece, np.uint8)
    marks = np.flatnonzero(letters < _ZERO)
    kinds = letters[marks]
    width = int((kinds == _NEWLINE).argmax()) + 1
    line = kinds[:width].tobytes()
    fields = line.replace(b"\n", b",").split(b",")[:-1]
    if len(fields) != columns or any(field not in (b"", b".") for field in fields):
        return None
    if int(letters.max()) > _NINE or len(marks) % width or (kinds.reshape(-1, width) != kinds[:width]).any():
        return None
    apart = np.diff(marks, prepend=-1)
    by_line, found, mark = apart.reshape(-1, width), [0] * columns, -1
    for column, field in enumerate(fields):
        mark += 1 + len(field)  # Now that which ends the field.
        if field:
            found[column] = int(by_line[0, mark]) - 1
            if (by_line[:, mark] != by_line[0, mark]).any():
                return None
    is_told = int(apart.min()) > 1 and int(apart.max()) - 1 + max(found) <= MOST_DIGITS
    return found if is_told else None
