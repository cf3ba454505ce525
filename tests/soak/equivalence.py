"""Run the same market again and again, each time with a crash, and compare with the undisturbed run.

Run by `scripts/equivalence`; a small version is `tests/soak/test_equivalence.py`.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from db import migrate
from db.embedded import EmbeddedServer
from tests.soak.killed_runs import Killed, KilledRuns
from tests.soak.virtual import Outcome
from tests.soak.virtual_runs import outcomes

TEMPLATE = "template_equivalence"


def main() -> int:
    """Make the runs; return 0 if nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--virtual", type=int, default=180, metavar="N", help="runs in virtual time (180)")
    parser.add_argument("--processes", type=int, default=20, metavar="N", help="runs of real processes (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the market and of the crashes (1)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes at once")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that nothing is left running.
    with tempfile.TemporaryDirectory(prefix="equivalence-") as name:
        place = Path(name)
        place.chmod(0o755)  # As root, Postgres runs as somebody else, who has to get in.
        server = EmbeddedServer(place / "postgres", fsync=False)
        server.start()
        try:
            server.create_database(TEMPLATE)
            migrate.upgrade(server.url(TEMPLATE))
            differ = virtual_part(server, place, wanted.seed, wanted.virtual, wanted.jobs)
            differ += process_part(server, place / "processes", wanted.seed, wanted.processes, wanted.jobs)
            return int(differ > 0)
        finally:
            server.stop(force=True)


def virtual_part(server: EmbeddedServer, place: Path, seed: int, runs: int, jobs: int) -> int:
    """Make the runs in virtual time and print what came of them; return how many differ in any row."""
    if runs == 0:
        return 0
    begun, ended = time.monotonic(), list[Outcome]()
    for number, outcome in enumerate(outcomes(server, TEMPLATE, place, seed, runs, jobs), 1):
        ended.append(outcome)
        crash = outcome.crash
        said = "; ".join(outcome.differences) or "the same"
        print(f"virtual {number:4}  {crash.actor} {crash.moment} message {crash.number}: {said}", flush=True)
    for name, count in sorted(Counter(outcome.crash.actor for outcome in ended).items()):
        print(f"  {count:4} crashes of {name}")
    differing = sum(bool(outcome.differences) for outcome in ended)
    print(
        f"virtual: {len(ended)} runs in {(time.monotonic() - begun) / 60:.1f} min, each of at least "
        f"{min((outcome.triggers for outcome in ended), default=0)} triggers; together "
        f"{sum(outcome.trades for outcome in ended)} trades, {sum(outcome.ledger for outcome in ended)} ledger rows, "
        f"{sum(outcome.outbox for outcome in ended)} outbox rows; {differing} runs differ",
        flush=True,
    )
    return differing


def process_part(server: EmbeddedServer, place: Path, seed: int, runs: int, jobs: int) -> int:
    """Make the runs of real processes; return in how many anything differs that no mark explains."""
    if runs == 0:
        return 0
    begun, ended = time.monotonic(), list[Killed]()
    for number, run in enumerate(KilledRuns(server, TEMPLATE, place, seed).outcomes(runs, jobs), 1):
        ended.append(run)
        found = run.compared
        print(
            f"process {number:4}  {run.kills} kills, {run.triggers} triggers: {found.same} the same, {found.missed} "
            f"missed, {found.filled_while_down} filled while down, {found.unseen} came and went while down, "
            f"{found.after_hole} after a hole, {len(found.unexplained)} unexplained, {run.audit} found by the audit",
            flush=True,
        )
        for line in found.unexplained:
            print(f"  {line}", flush=True)
    differing = sum(bool(run.compared.unexplained or run.audit) for run in ended)
    print(
        f"processes: {len(ended)} runs with {sum(run.kills for run in ended)} kills in "
        f"{(time.monotonic() - begun) / 60:.1f} min, each of at least {min(run.triggers for run in ended)} triggers; "
        f"together {sum(run.trades for run in ended)} trades, {sum(run.ledger for run in ended)} ledger rows, "
        f"{sum(run.alerts for run in ended)} outbox rows, {sum(run.compared.missed for run in ended)} missed, "
        f"{sum(run.compared.filled_while_down for run in ended)} filled while down, "
        f"{sum(run.compared.unseen for run in ended)} came and went while down, "
        f"{sum(run.compared.after_hole for run in ended)} after a hole; {differing} runs differ",
        flush=True,
    )
    return differing


if __name__ == "__main__":
    sys.exit(main())
