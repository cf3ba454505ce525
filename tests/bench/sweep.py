"""How a sweep scales: one process and two, and two Dask workers beside a bare probe. Run by `scripts/bench sweep`.

The probe is two processes that play half of the same backtests each and send nothing but how many; what it reaches in
the same minute is all this machine gives two processes then. Rounds of probe and Dask take turns, and the medians are
compared. Here wall time counts, for two processes share a machine and not a CPU clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import structs

from atlas.backtest.engine import Played
from atlas.backtest.sweep.distributed import on_scheduler
from atlas.backtest.sweep.grid import Window
from atlas.backtest.sweep.task import Task, run
from atlas.backtest.sweep.workers import on_this_machine
from atlas.data.column_files import open_columns
from atlas.market.past import span
from atlas.market.products import built_in
from tests.bench.figure import Figure, tell
from tests.bench.market import CHECKOUT, market_columns
from tests.bench.past import GENERAL, past_of

DASK_CONFIG = CHECKOUT / "deploy" / "dask.yaml"
PRODUCT = "BIP-20DEC30-CDE"
ROUNDS = 3


def tasks(count: int) -> list[Task]:
    """Return backtests of the year, each with another threshold."""
    past = past_of(GENERAL)
    begins, ends = span(past.files[0])
    gates = [
        structs.replace(past.rules.gates, min_magnitude=past.rules.gates.min_magnitude * (50 + n) / 100)
        for n in range(count)
    ]
    rules = [structs.replace(past.rules, gates=each) for each in gates]
    return [Task(each, PRODUCT, Window(begins, ends), past.path) for each in rules]


def played() -> dict[str, Played]:
    """Return what every task plays."""
    file = open_columns(market_columns())
    return {PRODUCT: Played(built_in(PRODUCT, tick=file.tick), file)}


def _probe(some: Sequence[Task], ready: Any, go: Any, done: Any) -> None:
    """Play tasks as soon as both processes are ready."""
    past = played()
    run(some[0], past[PRODUCT])  # what a worker does once is not what is measured
    ready.release()
    go.wait()
    for task in some:
        run(task, past[PRODUCT])
    done.put(len(some))


def bare(work: Sequence[Task]) -> float:
    """Return the seconds two bare processes take."""
    context = get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Queue()
    halves = [work[n::2] for n in range(2)]
    processes = [context.Process(target=_probe, args=(half, ready, go, done)) for half in halves]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    begun = time.perf_counter()
    go.set()
    for _ in processes:
        done.get()
    took = time.perf_counter() - begun
    for process in processes:
        process.join()
    return took


@contextmanager
def dask(workers: int) -> Iterator[str]:
    """Start a scheduler and workers as processes of their own, set as docs/sweep.md has it; yield the address."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atlas-bench-")))
        told = place / "scheduler.json"
        environ = os.environ | {"PYTHONPATH": str(CHECKOUT), "HOME": str(place), "DASK_CONFIG": str(DASK_CONFIG)}
        log = stack.enter_context((place / "log").open("wb"))

        def start(*argv: str) -> None:
            command = [sys.executable, "-m", "dask", *argv, "--no-dashboard", "--scheduler-file", str(told)]
            process = subprocess.Popen(command, cwd=place, env=environ, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        _until(told.exists, place / "log")
        for _ in range(workers):
            start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(place))
        _until(lambda: (place / "log").read_bytes().count(b"Registered to:") >= workers, place / "log")
        yield json.loads(told.read_text())["address"]


def _until(ready: Callable[[], bool], log: Path) -> None:
    """Wait for the cluster, a minute at most; then end with what it has said."""
    ends = time.monotonic() + 60
    while not ready():
        if time.monotonic() > ends:
            raise SystemExit(f"the Dask cluster does not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def figures(count: int = 64) -> Iterator[Figure]:
    """Yield everything that is measured."""
    work, past = tasks(count), played()
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        took = {}
        for workers in (1, 2):
            begun = time.perf_counter()
            assert len(list(on_this_machine(work, past, workers, Path(folder)))) == count
            took[workers] = time.perf_counter() - begun
            yield Figure("sweep", f"{count} backtests of a year, {workers} process(es)", took[workers], "s")
    yield Figure("sweep", "two processes to one, start included", took[1] / took[2], "x")
    work = tasks(2 * count)  # of a minute with the probe beside it
    with dask(2) as address:
        shares, rates = [], []
        list(on_scheduler(address, work[:2], past))  # imports
        before = bare(work)
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            assert len(list(on_scheduler(address, work, past))) == len(work)
            distributed = time.perf_counter() - begun
            after = bare(work)
            shares.append((before + after) / 2 / distributed)
            rates.append(len(work) / distributed)
            before = after
    yield Figure("sweep", "two Dask workers", median(rates), "backtests/s")
    yield Figure("sweep", "two Dask workers to two bare processes", median(shares), "x", least=0.93)


def main() -> None:
    """Measure and print; end with 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench sweep", description="How a sweep scales.")
    parser.add_argument("--backtests", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    raise SystemExit(not tell(figures(wanted.backtests), wanted.json))


if __name__ == "__main__":
    main()
