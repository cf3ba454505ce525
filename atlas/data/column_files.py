"""Candles as columns on disk: a folder with one `.npy` of int64 a column, and `candles.json` that says what they are.

A column is mapped into memory, not read: a year of minutes opens in a millisecond, processes of one machine share its
pages, and only what is looked at is loaded. A folder is written beside its place and moved there whole.
"""

import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from atlas.errors import DataError
from atlas.market.candle_file import COLUMNS, LAST_TIME, CandleFile
from atlas.market.number_columns import MOST_DIGITS

FORM: Final = 1
ABOUT: Final = "candles.json"
_FIELDS: Final = dict(zip(COLUMNS, ("times", "open", "high", "low", "close", "volume"), strict=True))


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `candles.json` holds. `hashes` are the SHA-256 of each column's file; `source` is where they came from."""

    form: int
    symbol: str
    interval: Annotated[int, Meta(ge=1, le=LAST_TIME)]
    scale: Annotated[int, Meta(ge=0, le=MOST_DIGITS)]
    tick_units: Annotated[int, Meta(ge=1)]
    volume_scale: Annotated[int, Meta(ge=0, le=MOST_DIGITS)]
    rows: Annotated[int, Meta(ge=1)]
    source: str
    hashes: dict[str, str]


def is_columns(folder: Path) -> bool:
    """Return whether a folder holds candles as columns."""
    return (folder / ABOUT).is_file()


def write_columns(file: CandleFile, folder: Path, source: str, *, replace: bool = False) -> None:
    """Write candles as columns to a folder. Raises DataError if it is there and not to be replaced."""
    if folder.exists() and not replace:
        raise DataError(f"{folder} is there already: give another name, or --force to replace it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        hashes = {}
        for name, field in _FIELDS.items():
            path = unfinished / f"{name}.npy"
            np.save(path, np.ascontiguousarray(getattr(file, field), dtype=np.int64))
            hashes[name] = _hash(path)
        about = About(
            FORM, file.symbol, file.interval, file.scale, file.tick_units, file.volume_scale, len(file), source, hashes
        )
        (unfinished / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n")
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_about(folder: Path) -> About:
    """Return what a folder of columns says of itself. Raises DataError if it says nothing sensible."""
    path = folder / ABOUT
    try:
        about = msgspec.json.decode(path.read_bytes(), type=About)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; make the folder by `atlas data import`") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not what was written there ({error}): import the candles anew") from error
    if about.form != FORM:
        raise DataError(f"{path} has form {about.form}, and this version reads {FORM}: import the candles anew")
    return about


def open_columns(folder: Path) -> CandleFile:
    """Return the candles of a folder, mapped into memory. Raises DataError for a missing, cut or damaged column.

    What lies in the columns is not looked at, but for the first time and the last: `check_columns` does that.
    """
    about = read_about(folder)
    columns = {field: _column(folder / f"{name}.npy", about.rows) for name, field in _FIELDS.items()}
    first, last = columns["times"][[0, -1]].tolist()
    if not 0 <= first <= last < LAST_TIME:
        raise DataError(f"{folder / 'time.npy'} begins with {first} and ends with {last}: import the candles anew")
    return CandleFile(
        path=folder, symbol=about.symbol, interval=about.interval, scale=about.scale, tick_units=about.tick_units,
        volume_scale=about.volume_scale, **columns,
    )  # fmt: skip


def check_columns(folder: Path) -> None:
    """Compare every column with the hash it was written with. Raises DataError for the first that differs."""
    hashes = read_about(folder).hashes
    for name in COLUMNS:
        if name not in hashes:
            raise DataError(f"{folder / ABOUT} tells no hash of {name}.npy: import the candles anew")
        path, written = folder / f"{name}.npy", hashes[name]
        found = _hash(path)
        if found != written:
            raise DataError(
                f"{path} has changed since it was written (SHA-256 {found[:12]}, not {written[:12]}): import it anew"
            )


def _column(path: Path, rows: int) -> NDArray[np.int64]:
    try:
        column: NDArray[np.int64] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what a damaged header is read with raises of all kinds
        raise DataError(f"{path} cannot be read ({error}): import the candles anew") from error
    if column.shape != (rows,) or column.dtype != np.int64:
        raise DataError(f"{path} holds {column.shape} of {column.dtype}, not {rows} of int64: import the candles anew")
    return column


def _hash(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): import the candles anew") from error
