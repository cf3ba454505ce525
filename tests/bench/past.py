"""How fast the past is played, by replay and by backtest. Run by `scripts/bench past`.

On the common strategy and with everything on (15m 1h 4h 1d 1w, continuity, risk, funding), a year of made minutes. What
is told in seconds of a fresh process is all of it, imports and load included; what is told in bars a second is in one
process, without its start. Times are CPU time, which on a quiet machine is the time it takes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from atlas.backtest.engine import Played, backtest
from atlas.backtest.result import Outcome
from atlas.backtest.track import instant
from atlas.cli.options import Choice
from atlas.cli.past import Asked, PastOptions, asked
from atlas.market.past import span
from atlas.market.products import KNOWN
from tests.bench.figure import Figure, tell
from tests.bench.market import ANSWERS, BARS, CHECKOUT, kept, market_columns, market_csv, shared_folder

GENERAL = PastOptions(data=(), product=("BIP-20DEC30-CDE",), timeframes="15m,1h,4h,1d,1w")
COMMON = PastOptions(data=(), preset="common")
ROUNDS = 3
PARTS = (1, 2, 4, 8)


class Ran(Struct, frozen=True):
    """What a process took: CPU seconds, the most memory in MB, and what it printed."""

    seconds: float
    memory: float
    out: str


def fresh(*argv: str) -> Ran:
    """Run `atlas …` in a fresh process to its end, its modules compiled before as those of an installed package are."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"PYTHONPATH": str(CHECKOUT), "PYTHONPYCACHEPREFIX": str(kept() / "bytecode")}
    return ran([sys.executable, "-m", "atlas", *argv], environ)


def ran(argv: Sequence[str], environ: Mapping[str, str]) -> Ran:
    """Run a process to its end."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(argv, stdout=out, env=environ)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}")
        out.seek(0)
        return Ran(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read())


def best(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the least CPU seconds a call takes."""
    found = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        call()
        found = min(found, time.process_time() - begun)
    return found


def past_of(options: PastOptions, *data: Path) -> Asked:
    """Return files as the commands read them."""
    return asked(Choice(), structs.replace(options, data=data or (market_columns(),)))


def searched(past: Asked) -> Outcome:
    """Backtest."""
    played = [Played(product, file) for product, file in zip(past.products, past.files, strict=True)]
    return backtest(played, past.rules, past.start, past.end, past.path)


def walked(past: Asked) -> Outcome:
    """Replay."""
    from actors.past_outcome import Told
    from atlas.cli.replay_past import past_market, rare_collections

    told = Told(past.rules)
    with rare_collections():
        for batch in past_market(past, kept=False).events():
            for event in batch.events:
                told.take(event)
    return told.outcome()


ENGINES: dict[str, Callable[[Asked], Outcome]] = {"backtest": searched, "replay": walked}


def figures(engines: tuple[str, ...] = ("backtest", "replay")) -> Iterator[Figure]:
    """Yield everything that is measured."""
    yield Figure("start-up", "atlas --help", min(fresh("--help").seconds for _ in range(ROUNDS)), "s CPU")
    general = {"backtest": 1_500_000.0, "replay": 100_000.0}  # what common is held against are the peers
    whole = {"backtest": 1.5, "replay": 4.0}
    for engine in engines:  # First, while this process is small: a child begins with its peak.
        yield from _whole_processes(engine, whole[engine])
    for engine in engines:
        for name, options in (("common", COMMON), ("general", GENERAL)):
            past = past_of(options)
            took = best(partial(ENGINES[engine], past), ROUNDS if engine == "backtest" else 1)
            least = general[engine] if name == "general" else None
            yield Figure(engine, f"{name}, warm", BARS / took, "bars/s", least=least)
        yield from _linear(engine)


def _whole_processes(engine: str, most: float) -> Iterator[Figure]:
    csv, columns = str(market_csv()), str(market_columns())
    for data, kind, limit in ((columns, "columns", most), (csv, "csv.gz", most)):
        runs = [fresh(engine, "--preset", "common", "--data", data, "--json") for _ in range(ROUNDS)]
        yield Figure(engine, f"common, fresh process, {kind}", min(run.seconds for run in runs), "s CPU", limit)
        yield Figure(engine, f"common, peak memory, {kind}", max(run.memory for run in runs), "MB", 200)
    for exits, answer in ANSWERS.items():
        argv = (engine, "--preset", "common", "--exits-from", exits, "--data", columns, "--json")
        trades, won, net = _answer(fresh(*argv))
        right = (trades, net) == answer[::2] and answer[1] in (None, won)
        yield Figure(engine, f"common, exits from {exits}: right to the cent", float(right), "", None, 1)


def _answer(run: Ran) -> tuple[int, int, str]:
    """Return how many trades, how many of them won before fees, and the net."""
    found = json.loads(run.out)
    won = sum(Decimal(trade["gross"]) > 0 for trade in found["trades"])
    return len(found["trades"]), won, str(Decimal(found["metrics"]["net_profit"]).quantize(Decimal("0.01")))


def _linear(engine: str) -> Iterator[Figure]:
    """Yield what eight parts cost of eight times one part: 1 is linear."""
    whole = past_of(GENERAL)
    begins, ends = span(whole.files[0])
    shortest = (ends - begins) / PARTS[-1]
    cut = [structs.replace(whole, start=begins, end=begins + shortest * n) for n in PARTS]
    yield _growth(engine, "bars", [best(partial(ENGINES[engine], each), 2) for each in cut])
    names = tuple(KNOWN)[:8]
    month = begins + timedelta(days=30)
    several = []
    for n in PARTS:
        options = structs.replace(GENERAL, product=names[:n], tick="0.01")
        past = past_of(options, *[market_columns()] * n)
        several.append(structs.replace(past, start=begins, end=month))
    yield _growth(engine, "symbols", [best(partial(ENGINES[engine], each), 2) for each in several])
    trades = past_of(GENERAL, *sorted((shared_folder() / "data" / "ticks").glob("*.csv.gz"))[:1])
    (file,) = trades.files
    ends_of = [instant(int(file.times[len(file) * n // PARTS[-1] - 1]) + 1) for n in PARTS]
    cut = [structs.replace(trades, start=span(file)[0], end=end) for end in ends_of]
    yield _growth(engine, "trades", [best(partial(ENGINES[engine], each), 2) for each in cut])


def _growth(engine: str, what: str, took: list[float]) -> Figure:
    shown = " ".join(f"{seconds:.2f}" for seconds in took)
    return Figure(engine, f"{what} 1 2 4 8: {shown} s", took[-1] / took[0] / PARTS[-1], "x linear", 1.3)


def main() -> None:
    """Measure and print; end with 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench past", description="How fast the past is played.")
    parser.add_argument("engine", nargs="*", choices=[*ENGINES, []], default=[])
    parser.add_argument("--json", action="store_true")
    wanted: Any = parser.parse_args()
    raise SystemExit(not tell(figures(tuple(wanted.engine) or tuple(ENGINES)), wanted.json))


if __name__ == "__main__":
    main()
