"""Give a reader mutated input for so many minutes. Run by `scripts/fuzz`; a case is named by seed and number.

A finding is anything raised that is not of ATLAS's own errors, or a case that takes too long; it ends the run with 1.
"""

import argparse
import os
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from types import FrameType

from atlas.errors import AtlasError
from tests.fuzz.targets import Target, opened

SLOW = 60
"""Seconds of one case after which it counts as hanging; the usual one takes a thousandth of one."""
MOST = 5
"""Findings after which a run ends early."""
SHARED = Path(__file__).resolve().parents[3] / "shared"


class Hanging(Exception):
    """One case has taken longer than it may."""


class Found:
    """What a run has seen: cases by how they ended, and the findings in words."""

    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()
        self.findings: list[str] = []


def attempt(target: Target, seed: int, number: int, found: Found) -> None:
    """Run one case and note how it ended."""
    try:
        target.case(Random(f"{seed}:{number}"))
    except AtlasError as error:
        found.ended[type(error).__name__] += 1
    except Exception as error:
        found.ended["finding"] += 1
        said = f"case {number} of seed {seed}: {error!r}\n{target.shown[:4000]}\n{traceback.format_exc()}"
        found.findings.append(said)
    else:
        found.ended["taken"] += 1


def main() -> int:
    """Run until the time is over; return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=("frames", "rest", "config", "files"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run this one case only, and show its input")
    wanted = parser.parse_args()
    named = os.environ.get("ATLAS_SHARED")
    shared = Path(named) if named else SHARED
    signal.signal(signal.SIGALRM, _hanging)
    found, number, begun = Found(), 0, time.monotonic()
    with opened(wanted.target, shared if (shared / "data" / "MANIFEST.md").is_file() else None) as target:
        if wanted.case is not None:
            attempt(target, wanted.seed, wanted.case, found)
            print(target.shown)
        while wanted.case is None and time.monotonic() - begun < wanted.minutes * 60 and len(found.findings) < MOST:
            signal.alarm(SLOW)
            attempt(target, wanted.seed, number, found)
            number += 1
        signal.alarm(0)
    for finding in found.findings:
        print(finding, file=sys.stderr)
    ends = ", ".join(f"{name} {count:,}" for name, count in found.ended.most_common())
    minutes = (time.monotonic() - begun) / 60
    cases = sum(found.ended.values())
    print(f"fuzz {wanted.target}: {cases:,} cases in {minutes:.1f} minutes, seed {wanted.seed}: {ends}")
    return 1 if found.findings else 0


def _hanging(signum: int, frame: FrameType | None) -> None:
    raise Hanging(f"one case has taken longer than {SLOW} s")


if __name__ == "__main__":
    sys.exit(main())
