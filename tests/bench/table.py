"""Everything that is measured of the engines, in one run and one table. Run by `scripts/bench`.

The panel is left to `scripts/bench panel`, which fills a database first; `scripts/bench agree` measures nothing.
"""

import argparse
from collections.abc import Iterator

from tests.bench import labels, past, peers, sweep, ticks
from tests.bench.figure import Figure, tell


def figures() -> Iterator[Figure]:
    """Yield the figures of every part."""
    yield from labels.figures()
    yield from ticks.figures()
    yield from past.figures()
    yield from peers.figures()
    yield from sweep.figures()


def main() -> None:
    """Measure and print; end with 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="How fast all of it is.")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    raise SystemExit(not tell(figures(), wanted.json))


if __name__ == "__main__":
    main()
