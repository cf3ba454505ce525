"""Runs of real processes, sockets and kill -9 against a held market, each compared with an undisturbed one."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec

from db.embedded import EmbeddedServer
from tests.soak.compare import Compared, Told, compared, halted, told
from tests.soak.market import HISTORY, START, written
from tests.soak.whole import Whole

LENGTH = timedelta(hours=30)
SPEED = 600.0
"""Ten minutes of market a second: what is lost between two commits of the journal is seconds, as in earnest."""
FASTER = 4
"""The undisturbed run is so much faster: nothing it decides depends on it."""
MOST_KILLS = 3


class Killed(msgspec.Struct, frozen=True):
    """One run: how often it was killed, what it traded, what `atlas audit` found wrong, and how it compares."""

    kills: int
    triggers: int
    trades: int
    ledger: int
    alerts: int
    audit: int
    compared: Compared


class KilledRuns:
    """Plays one seeded market again and again, on a server and from a migrated template of its own."""

    def __init__(
        self, server: EmbeddedServer, template: str, place: Path, seed: int,
        *, length: timedelta = LENGTH, speed: float = SPEED, history: timedelta = HISTORY,
    ) -> None:  # fmt: skip
        place.mkdir(parents=True, exist_ok=True)
        self._server, self._template, self._place, self._seed = server, template, place, seed
        self._length, self._speed = length, speed
        self._files: Mapping[str, Path] = written(place, seed, length, history)
        self.databases: list[str] = []

    def undisturbed(self) -> Told:
        """Play it undisturbed; return what that left."""
        with self._whole("undisturbed", self._speed * FASTER) as run:
            run.to_the_end()
            run.stop()
            return told(run.engine)

    def killed(self, number: int, undisturbed: Told, moments: Sequence[float] = ()) -> Killed:
        """Play it with kills at `moments` (shares of its length), else with one to three at random, and compare."""
        chance = Random(f"{self._seed}:killed:{number}")
        moments = moments or sorted(chance.uniform(0.05, 0.95) for _ in range(chance.randint(1, MOST_KILLS)))
        with self._whole(f"killed_{number}", self._speed) as run:
            away = []
            for share in moments:
                run.reached(START + self._length * share)
                away.append(run.killed())
            run.to_the_end()
            run.stop()
            found, halts = told(run.engine), halted(run.engine)
            wrong = len(run.atlas("audit")["differences"])
        return Killed(
            kills=len(away),
            triggers=len(found.triggers),
            trades=len(found.positions),
            ledger=sum(map(len, found.ledger.values())),
            alerts=len(found.alerts),
            audit=wrong,
            compared=compared(undisturbed, found, [*away, *halts]),
        )

    def outcomes(self, count: int, jobs: int) -> Iterator[Killed]:
        """Yield what became of so many runs, as they end. What a run raises is raised here."""
        undisturbed = self.undisturbed()
        pool = ThreadPoolExecutor(jobs)
        try:
            for done in as_completed([pool.submit(self.killed, number, undisturbed) for number in range(count)]):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # Who ends it early waits for the runs under way only.

    def _whole(self, name: str, speed: float) -> Whole:
        database = f"{self._place.name}_{name}_{self._seed}"
        self.databases.append(database)
        self._server.create_database(database, template=self._template)
        return Whole(self._place / name, self._server.url(database), self._files, speed)
