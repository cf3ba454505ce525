"""Many runs in virtual time, spread over processes, each of which has a database of its own."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random

from db.embedded import EmbeddedServer
from db.engine import connect
from tests.soak.virtual import Equivalence, Outcome, market

LENGTH = timedelta(hours=30)
"""Of the market: some 350 triggers and 240 trades."""

_mine: list[Equivalence] = []


def outcomes(server: EmbeddedServer, template: str, place: Path, seed: int, runs: int, jobs: int) -> Iterator[Outcome]:
    """Yield what became of each run, as they end. What a run raises is raised here."""
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_begin, initargs=(server.data_dir, template, place, seed)
    ) as pool:
        for done in as_completed([pool.submit(_run, seed, number) for number in range(runs)]):
            yield done.result()


def _begin(data_dir: Path, template: str, place: Path, seed: int) -> None:
    """Play the market undisturbed, for all the runs of this process."""
    logging.getLogger().addHandler(logging.NullHandler())  # Each crash is one that was made.
    name = f"virtual_{os.getpid()}"
    server = EmbeddedServer(data_dir, fsync=False)
    server.create_database(name, template=template)
    spool = place / name
    spool.mkdir()
    _mine.append(Equivalence(connect(server.url(name)), spool, market(seed, LENGTH)))


def _run(seed: int, number: int) -> Outcome:
    equivalence = _mine[0]
    return equivalence.run(equivalence.drawn(Random(f"{seed}:{number}")))
