"""Run the whole of ATLAS at speed for a while, with faults at random, and compare with an undisturbed run.

Run by `scripts/soak`. The market is held: it stands still while nobody listens, so that both runs see all of it. In the
first part the daemon is killed again and again; the rest is one process, whose memory is watched. At the end: the final
database against that of the undisturbed run, `atlas audit`, and the recording replayed to the byte.
"""

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
from sqlalchemy import func, select

from actors.night_compare import compared as replayed
from atlas import __version__
from atlas.errors import DatabaseError
from atlas.exchange.local import PRODUCTS, ExchangeOptions, LocalExchange, read_market
from atlas.exchange.local.instants import from_datetime
from db import migrate
from db.embedded import EmbeddedServer
from db.engine import session
from db.models import DeadLetterRow, HealthRow
from tests.bench.idle import resident_megabytes
from tests.fakes.discord_limits import RateLimit
from tests.fakes.discord_server import DiscordServer
from tests.soak.compare import Compared, Told, compared, halted, told
from tests.soak.disturbances import Disturbances, Struck
from tests.soak.market import START, written
from tests.soak.whole import ACCOUNT, Whole

NAME = "soak"
SPEED = 300.0
UNDISTURBED_SPEED = 7200.0
SHARE = 0.75
"""Of the time the market would take undisturbed: it stands still during many of the faults."""
KILLS_UNTIL = 0.4
"""Share of the time in which the daemon is killed; the rest is one process."""
PAUSE = 15.0
"""Seconds between two faults, on average."""
SETTLED = 600.0
"""Seconds after which the memory of a process is what it is to stay."""
MOST_GROWTH = 0.05
ALERTS = "[discord]\nburst = 0\n"
"""Each entry and exit is told, with its picture, an exit in its entry's message; where more wait than the two and a
half messages a second Discord takes, several in one. No list of very many: it does not name each."""


class Sample(msgspec.Struct, frozen=True):
    """The daemon at an instant: its process, seconds of its life, memory in MB, and the fullest mailbox."""

    pid: int
    age: float
    megabytes: float
    deepest: int


class Soak:
    """The disturbed run, from its first fault to its end."""

    def __init__(self, run: Whole, disturbances: Disturbances, chance: Random, seconds: float) -> None:
        self._run, self._disturbances, self._chance, self._seconds = run, disturbances, chance, seconds
        self.struck: list[Struck] = []
        self.samples: list[Sample] = []
        self._born: dict[int, float] = {}

    def last(self) -> None:
        """Strike until the time is up or the market is at its end, then let it come to its end."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < self._seconds and not self._run.market.finished:
            self._watch(self._chance.uniform(0.3, 1.7) * PAUSE)
            struck = self._disturbances.strike(kill=passed < KILLS_UNTIL * self._seconds)
            self.struck.append(struck)
            print(f"{passed / 60:6.1f} min  {struck.kind:18} well after {struck.recovered_after:5.1f} s", flush=True)
        while not self._run.played_out():
            self._watch(5)

    def _watch(self, seconds: float) -> None:
        """Look at the daemon every five seconds."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(5.0, left))
            assert self._run.daemon.poll() is None, f"the daemon ended: {self._run.said()}"
            pid = self._run.daemon.pid
            age = time.monotonic() - self._born.setdefault(pid, time.monotonic())
            try:
                with session(self._run.engine) as connection:
                    deepest = connection.execute(select(func.max(HealthRow.waiting))).scalar_one()
            except DatabaseError:
                deepest = None
            self.samples.append(Sample(pid, age, resident_megabytes(pid), int(deepest or 0)))


def main() -> int:
    """Soak; return 0 if nothing was lost, doubled, or differs without a mark that says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="of the market and of the faults (1)")
    parser.add_argument("--speed", type=float, default=SPEED, help="exchange seconds a second (300)")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that nothing is left running.
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ThreadPoolExecutor(1) as pool:
        place = Path(name)
        place.chmod(0o755)  # As root, Postgres runs as somebody else, who has to get in.
        servers = [EmbeddedServer(place / part, fsync=False) for part in ("postgres", "undisturbed_postgres")]
        try:
            for server in servers:
                server.start()
                server.create_database(NAME)
                migrate.upgrade(server.url(NAME))
            return soak(place, servers, wanted.minutes, wanted.seed, wanted.speed, pool)
        finally:
            for server in servers:
                server.stop(force=True)


def soak(
    place: Path, servers: list[EmbeddedServer], minutes: float, seed: int, speed: float, pool: ThreadPoolExecutor
) -> int:
    """Play the market undisturbed and, beside it, disturbed; print what came of it; return 1 if anything is wrong."""
    length = timedelta(minutes=int(minutes * speed * SHARE))
    files = written(place, seed, length)
    wanted: Future[Told] = pool.submit(_undisturbed, place, servers[1], files)
    begun = datetime.now(UTC)
    with DiscordServer(RateLimit()) as discord, local_exchange(files, speed) as exchange:
        run = Whole(
            place / "disturbed", servers[0].url(NAME), files, speed, webhook=discord.url, silence=8.0, more=ALERTS,
            exchange=exchange,
        )  # fmt: skip
        with run:
            run.reached(START + timedelta(hours=1))
            chance = Random(f"{seed}:soak")
            soaked = Soak(run, Disturbances(run, exchange, servers[0], discord, chance), chance, minutes * 60)
            soaked.last()
            stopped = run.stop()
            found, halts = told(run.engine), halted(run.engine)
            with session(run.engine) as connection:
                letters = connection.execute(select(func.count()).select_from(DeadLetterRow)).scalar_one()
            audit = run.atlas("audit")["differences"]
            recorded = next(iter(run.place.rglob("decider.json"))).parents[1]
            again = replayed(recorded, begun, datetime.now(UTC), run.url, ACCOUNT, __version__)
    result = compared(wanted.result(), found, [*(each.away for each in soaked.struck), *halts])
    print(f"stopped in {stopped:.1f} s")
    footers = Counter(discord.told)
    doubled = [footer for footer, times in footers.items() if times > 1 and "possibly repeated" not in footer]
    memory = _memory(soaked.samples)
    _report(result, soaked, len(discord.told))
    edited, pictures = _discord(discord)
    print(f"audit: {len(audit)} differences; {letters} dead letters; {len(doubled)} alerts repeated without saying so")
    print(f"live = replay: {again.events} events of {again.inputs} inputs, {again.differences} differ {again.first}")
    for footer in doubled:
        print(f"  REPEATED {footer}")
    for line in result.unexplained:
        print(f"  UNEXPLAINED {line}")
    for fault in discord.refused:
        print(f"  REFUSED {fault}")
    untold = not edited or not pictures
    wrong = (result.unexplained, audit, letters, doubled, discord.refused, untold, again.differences)
    return int(any(wrong) or memory > MOST_GROWTH)


def local_exchange(files: Mapping[str, Path], speed: float) -> LocalExchange:
    """The held market in this process, where faults can be asked of it."""
    played = [(file, PRODUCTS[name]) for name, file in files.items()]
    options = ExchangeOptions(
        ws_port=0, rest_port=0, speed=speed, hold=True, rest_limit=1000, rest_burst=1000, connections_per_second=1000
    )
    return LocalExchange(read_market(played, from_datetime(START)), options)


def _undisturbed(place: Path, server: EmbeddedServer, files: dict[str, Path]) -> Told:
    with Whole(place / "undisturbed", server.url(NAME), files, UNDISTURBED_SPEED) as run:
        run.to_the_end()
        run.stop()
        return told(run.engine)


def _memory(samples: list[Sample]) -> float:
    """Print the memory of the last process ten minutes after its start and at the end; return how much it has grown."""
    last = [sample for sample in samples if sample.pid == samples[-1].pid]
    then, now = next((each for each in last if each.age >= SETTLED), last[-1]), last[-1]
    grown = now.megabytes / then.megabytes - 1
    print(
        f"memory of the last process: {then.megabytes:.0f} MB after {then.age / 60:.0f} min, {now.megabytes:.0f} MB at "
        f"its end after {now.age / 60:.0f} min: {grown:+.1%}"
    )
    return grown


def _discord(discord: DiscordServer) -> tuple[int, int]:
    """Print what the webhook took and what it did not; return how many edits and pictures there were."""
    edited = sum(request.method == "PATCH" for request in discord.requests)
    pictures = sum(bool(request.files) for request in discord.requests)
    print(
        f"Discord: {len(discord.requests)} requests, {edited} of them edits, {pictures} with a picture; "
        f"{discord.too_many} beyond its rate, {len(discord.refused)} over a limit of its messages"
    )
    return edited, pictures


def _report(result: Compared, soaked: Soak, messages: int) -> None:
    print("fault               times   p50     p99   (seconds from its end until all was well)")
    for kind in sorted({each.kind for each in soaked.struck}):
        times = sorted(each.recovered_after for each in soaked.struck if each.kind == kind)
        p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
        print(f"{kind:18} {len(times):6} {p50:6.1f}  {p99:6.1f}")
    depths = sorted(sample.deepest for sample in soaked.samples)
    print(f"deepest mailbox: p50 {depths[len(depths) // 2]}, p99 {depths[int(len(depths) * 0.99)]}, most {depths[-1]}")
    refused = "".join(f", {count} {gate}" for gate, count in sorted(result.refused.items()))
    print(
        f"triggers: {result.same} the same, {result.missed} missed, {result.filled_while_down} filled while down, "
        f"{result.unseen} unseen, {result.after_hole} after a hole{refused}, "
        f"{len(result.unexplained)} unexplained; {messages} alerts delivered"
    )


if __name__ == "__main__":
    sys.exit(main())
