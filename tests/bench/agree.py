"""Replay and backtest of every file of the shared candles, whole: are they the same? Run by `scripts/bench agree`.

The tests play a stretch of each, trade by trade; this plays all there is, as the two commands do. What is told is how
many fields of the two results differ, of trades, funnel, metrics and equity alike.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import structs

from atlas.backtest.engine import Played, backtest
from atlas.market.candle_file import read_candles
from atlas.market.products import built_in
from atlas.market.timeframes import seconds
from atlas.rules import AlertRules, GateRules, Rules, SizingRules, StratRules
from tests.backtest.oracle import differing, replayed
from tests.bench.figure import Figure, tell
from tests.bench.market import shared_folder

FRAMES = ("15m", "1h", "4h", "1d", "1w")
PRODUCTS = {"BTC": "BIP-20DEC30-CDE", "XBT": "BIP-20DEC30-CDE", "SOL": "SLP-20DEC30-CDE"}
PLAIN = Rules(alerts=AlertRules(full_continuity=False))
LOOSE = structs.replace(
    PLAIN,
    gates=GateRules(off=("magnitude", "reward_risk", "fees", "total_risk", "continuity")),
    sizing=SizingRules(position_policy="one_per_timeframe"),
)
"""As ATLAS trades, and with few gates: many trades, several at once."""


def played(path: Path) -> tuple[Played, tuple[str, ...]]:
    """Return a file as the product it is of, and the timeframes that can be made of it."""
    file = read_candles(path)
    (product,) = (PRODUCTS[name] for name in PRODUCTS if name in path.name)
    frames = tuple(frame for frame in FRAMES if (seconds(frame) or 0) % file.interval == 0)
    return Played(built_in(product, tick=file.tick), file), frames


def figures() -> Iterator[Figure]:
    """Yield how often the two differ, file by file, and how many trades they agree on."""
    agreed = 0
    for path in sorted((shared_folder() / "data" / "ohlcv").glob("*.csv.gz")):
        one, frames = played(path)
        for name, rules in (("plain", PLAIN), ("loose", LOOSE)):
            rules = structs.replace(rules, strat=StratRules(timeframes=frames))
            ours, theirs = backtest([one], rules), replayed([one], rules, plain=False)
            trades, found = len(ours.trades) + len(ours.open), differing(ours, theirs)
            agreed += trades
            what = f"{path.name.removesuffix('.csv.gz')}, {name}: {len(one.file):,} rows, {trades:,} trades"
            yield Figure("agree", what, len(found), "fields", most=0)
    yield Figure("agree", "trades compared", agreed, "", least=1)


def main() -> None:
    """Play and print; end with 1 if a field differs."""
    parser = argparse.ArgumentParser(prog="scripts/bench agree", description="Is a backtest the replay?")
    parser.add_argument("--json", action="store_true")
    wanted: Any = parser.parse_args()
    raise SystemExit(not tell(figures(), wanted.json))


if __name__ == "__main__":
    main()
