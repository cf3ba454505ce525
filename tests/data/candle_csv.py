"""Candle files written for a test."""

import gzip
from collections.abc import Iterable
from pathlib import Path

START = 1_767_225_600
"""2026-01-01T00:00:00Z."""
HEADER = "time,open,high,low,close,volume"


def write_csv(path: Path, rows: Iterable[str]) -> Path:
    """Write rows below the header, gzipped where the name says so."""
    text = "\n".join((HEADER, *rows, "")).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def minutes(count: int, first: int = START) -> list[str]:
    """Return rows of minutes that rise a cent each and are not odd in any way."""
    return [
        f"{first + 60 * n},{100 + n / 100:.2f},{100.05 + n / 100:.2f},{99.95 + n / 100:.2f},{100.01 + n / 100:.2f},1.5"
        for n in range(count)
    ]
