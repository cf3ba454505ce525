"""Rows as CSV, safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from flask import Response

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def as_csv(rows: Iterable[Sequence[str | None]], name: str) -> Response:
    """Return the rows, the head first, as a file to keep; what is not known is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_safe(cell) for cell in row])
    answer = Response(text.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _safe(cell: str | None) -> str:
    """A text a spreadsheet would take for a formula gets an apostrophe before it; numbers stay what they are."""
    if cell is None:
        return ""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
