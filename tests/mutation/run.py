"""Mutation testing: would the tests notice if a rule were written a little differently? Run by `scripts/mutate`.

Every mutant of the area's sources is tried against the tests that hold it. Those that no test notices must stand on
the area's list with the reason why they change nothing; one that does not ends the run with 1.
"""

import argparse
import ast
import json
import os
import sys
import tempfile
import time
from collections import Counter
from typing import NamedTuple

from tests.mutation.areas import AREAS, CHECKOUT, Area, module_of, turns_of
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.survivors import Listed, as_entry, listed, path_of, stale
from tests.mutation.trial import Outcome, Trial, Turn, outcome_of, outcomes, prepare, start

FEW, MANY = 10, 100
"""Examples that hypothesis draws for each test: before the last turn, and in it."""
AT_LEAST = 10
TIMES = 5
"""A mutant may use this many times the processor time the tests take by themselves, and at least ten seconds."""


class Tried(NamedTuple):
    """What became of the mutants of one source."""

    source: str
    results: list[tuple[Mutant, Outcome]]
    seconds: float

    @property
    def survivors(self) -> list[Mutant]:
        """Those no test noticed, in the order of the source."""
        alive = [mutant for mutant, outcome in self.results if outcome in ("survived", "untested")]
        return sorted(alive, key=lambda mutant: (mutant.line, mutant.identity))


def main() -> int:
    """Try every mutant, print what survived, return 1 where one is not on the list."""
    wanted = _arguments()
    area = AREAS[wanted.area]
    sources = [source for source in area.sources if source not in area.left_out and wanted.only in (None, source)]
    if not sources:
        print(f"atlas: {wanted.only} is none of {', '.join(area.sources)}, or is left out", file=sys.stderr)
        return 2
    os.chdir(CHECKOUT)
    prepare()
    began = time.monotonic()
    last = FEW if wanted.quick else MANY
    everything = _allowed(sources[0], area.tests, last)
    entries = [entry for entry in listed(wanted.area) if entry.file in sources]
    known = {entry.identity for entry in entries}
    tried = [_try(area, source, everything, known, wanted.jobs, quick=wanted.quick) for source in sources]
    _allowed(sources[0], area.tests, last)  # had somebody broken the tests meanwhile, all would seem killed
    return _report(wanted.area, tried, entries, time.monotonic() - began, as_json=wanted.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials at a time (one a core)")
    parser.add_argument("--only", metavar="FILE", help="one source of the area, e.g. atlas/money/fees.py")
    parser.add_argument("--quick", action="store_true", help="without the last turn: more may survive")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _try(
    area: Area, source: str, everything: int, known: set[tuple[str, str, str, str, int]], jobs: int, *, quick: bool
) -> Tried:
    began = time.monotonic()
    text = (CHECKOUT / source).read_text(encoding="utf-8")
    tree = ast.parse(text)
    own, others = turns_of(area, source)
    turns = [Turn(own, _allowed(source, own, FEW), FEW)]
    if others:
        turns.append(Turn(others, everything, FEW))
    thorough = turns if quick else [*turns, Turn((*own, *others), everything, MANY)]
    module, mutants = module_of(source), mutants_of(source, text)
    trials = (
        # One that is listed, with the reason why no input can tell it, needs no hundred inputs a test to say so again.
        (mutant, Trial(module, mutant.applied_to(tree), tuple(turns if mutant.identity in known else thorough)))
        for mutant in mutants
    )
    results = list(outcomes(trials, jobs))
    tried = Tried(source, results, time.monotonic() - began)
    counts = Counter(outcome for _, outcome in results)
    survived = len(tried.survivors)
    endless = f" ({counts['endless']} by running on)" if counts["endless"] else ""
    killed = len(results) - survived
    print(
        f"{source}: {len(results)} mutants, {killed} killed{endless}, {survived} survived, {tried.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    for mutant in tried.survivors:
        print(f"  :{mutant.line} {mutant.was} → {mutant.becomes}", file=sys.stderr, flush=True)
    return tried


def _allowed(source: str, tests: tuple[str, ...], examples: int) -> int:
    """Return the processor time a mutant may use in these tests, s. Ends the run if they fail without a mutation."""
    tree = ast.parse((CHECKOUT / source).read_text(encoding="utf-8"))
    with tempfile.NamedTemporaryFile() as said:
        _, status, used = os.wait4(start(Trial(module_of(source), tree, (Turn(tests, 3600, examples),)), said.name), 0)
        if outcome_of(status) != "survived":
            print(said.read().decode(errors="replace"), file=sys.stderr)
            print("atlas: without a mutation the tests fail (above): mend that first", file=sys.stderr)
            sys.exit(70)
    return max(AT_LEAST, int(TIMES * (used.ru_utime + used.ru_stime)))


def _report(area: str, tried: list[Tried], entries: list[Listed], seconds: float, *, as_json: bool) -> int:
    mutants = [mutant for each in tried for mutant, _ in each.results]
    alive = [mutant for each in tried for mutant in each.survivors]
    reasons = {entry.identity: entry.reason for entry in entries}
    unlisted = [mutant for mutant in alive if mutant.identity not in reasons]
    gone = stale(entries, mutants)
    there = {mutant.identity for mutant in alive}
    noticed = [entry for entry in entries if entry.identity not in there and entry not in gone]
    told = {
        "area": area,
        "seconds": round(seconds, 1),
        "mutants": len(mutants),
        "killed": len(mutants) - len(alive),
        "survivors": [
            {**_fields(mutant), "line": mutant.line, "reason": reasons.get(mutant.identity)} for mutant in alive
        ],
        "stale": [entry._asdict() for entry in gone],
        "noticed_now": [entry._asdict() for entry in noticed],
    }
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(area, told, alive, reasons, gone, noticed)
    return 1 if unlisted or gone else 0


def _fields(mutant: Mutant) -> dict[str, str | int]:
    names = ("file", "function", "was", "becomes", "occurrence")
    return dict(zip(names, mutant.identity, strict=True))


def _print(
    area: str,
    told: dict[str, object],
    alive: list[Mutant],
    reasons: dict[tuple[str, str, str, str, int], str],
    gone: list[Listed],
    noticed: list[Listed],
) -> None:
    for mutant in alive:
        if (reason := reasons.get(mutant.identity)) is not None:
            print(f"{mutant.file}:{mutant.line} {mutant.was} → {mutant.becomes}\n    survives: {reason}")
    for entry in noticed:
        print(f"{entry.file} {entry.was} → {entry.becomes}\n    is listed, and a test notices it now: remove it")
    for entry in gone:
        print(f"{entry.file} {entry.was} → {entry.becomes}\n    is listed, and is no mutant any more: mend it")
    unlisted = [mutant for mutant in alive if mutant.identity not in reasons]
    if unlisted:
        print(f"\nNo test notices these. Write the test, or the reason into {path_of(area).relative_to(CHECKOUT)}:\n")
        for mutant in unlisted:
            print(f"# {mutant.file}:{mutant.line}\n{as_entry(mutant)}")
    print(
        f"{told['mutants']} mutants, {told['killed']} killed, {len(alive)} survived, {len(unlisted)} of them not "
        f"on the list; {told['seconds']} s"
    )


if __name__ == "__main__":
    sys.exit(main())
