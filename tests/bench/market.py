"""The made market everybody is measured on: a year of minutes by the shared generator, made once and kept."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from atlas.data.column_files import is_columns, open_columns, write_columns
from atlas.errors import UnavailableError
from atlas.market.candle_file import CandleFile, read_candles

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SEED, FIRST_PRICE = 1000, 60_000
BARS = 525_600
ANSWERS: Final = {"fill": (2735, 2118, "-157713.93"), "next_bar": (2733, None, "-152897.37")}
"""`--exits-from` → trades, winners and net of the common strategy on it, found independently (shared bench/README)."""


def kept() -> Path:
    """Return the folder in which it is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir()) / "atlas-bench"


def shared_folder() -> Path:
    """Return the shared folder. Raises UnavailableError without one."""
    folder = Path(os.environ.get("ATLAS_SHARED") or CHECKOUT.parent / "shared")
    if not (folder / "bench" / "market.py").is_file():
        raise UnavailableError(f"{folder / 'bench' / 'market.py'} is not there: say by ATLAS_SHARED where it is")
    return folder


def market_csv(seed: int = SEED) -> Path:
    """Return the market as a gzipped candle file. Raises UnavailableError without the shared folder."""
    path = kept() / f"made_BTC-USD_1m-{seed}.csv.gz"
    if path.exists():
        return path
    maker = shared_folder() / "bench" / "market.py"
    kept().mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    argv = [sys.executable, str(maker), str(seed), str(FIRST_PRICE), str(unfinished)]
    subprocess.run(argv, check=True, timeout=600)
    unfinished.rename(path)
    return path


def market_columns(seed: int = SEED) -> Path:
    """Return the market as a folder of columns."""
    folder = kept() / f"made_{seed}"
    if not is_columns(folder):
        write_columns(read_candles(market_csv(seed)), folder, f"market.py {seed} {FIRST_PRICE}", replace=True)
    return folder


def market(seed: int = SEED) -> CandleFile:
    """Return the market's candles."""
    return open_columns(market_columns(seed))
