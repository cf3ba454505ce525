"""Other tools of research on the common strategy, each in an environment of its own. Run by `scripts/bench peers`.

`--install` makes the environments with pip, beside the made market; a peer that is not installed is left out. Each
plays the year in a fresh process (tests/bench/peer_*.py) and tells the CPU seconds of the playing alone; ATLAS plays it
in this process just before and just after, and the ratio is to the mean of the two. The tools differ in what they can
express: their trades and net stand beside their speed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from atlas.errors import UnavailableError
from atlas.market.products import KNOWN
from tests.bench.figure import Figure, tell
from tests.bench.market import BARS, CHECKOUT, kept, market_columns, market_csv
from tests.bench.past import COMMON, ENGINES, Ran, best, fresh, past_of, ran


class Peer(Struct, frozen=True):
    """A tool: what pip installs, and by which factor each engine of ATLAS is to be faster."""

    requirement: str
    replay: float | None
    backtest: float | None


PEERS = {
    "backtesting": Peer("backtesting==0.6.6", replay=2.0, backtest=None),
    "vectorbt": Peer("vectorbt==1.2.0", replay=None, backtest=1.0),
    "nautilus": Peer("nautilus_trader==1.221.0", replay=10.0, backtest=150.0),
}


def environment(name: str) -> Path:
    """Return the folder of a peer's environment."""
    return kept() / "peers" / name


def install() -> None:
    """Make the environment of every peer. Raises UnavailableError if pip cannot."""
    for name, peer in PEERS.items():
        folder = environment(name)
        if not (folder / "bin" / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        argv = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                "--only-binary", ":all:", peer.requirement]  # fmt: skip
        if subprocess.run(argv, check=False).returncode:
            raise UnavailableError(f"pip could not install {peer.requirement} into {folder}: see above")


def installed() -> list[str]:
    """Return the peers whose tool is in its environment."""
    return [name for name in PEERS if any(environment(name).glob(f"lib/python*/site-packages/{name}*"))]


def process(name: str, *files: str) -> Ran:
    """Run a peer over files in a process of its own."""
    script = CHECKOUT / "tests" / "bench" / f"peer_{name}.py"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return ran([str(environment(name) / "bin" / "python"), str(script), *files], environ)


def play(name: str) -> dict[str, Any]:
    """Return what a peer says of the year: seconds, trades, net."""
    told: dict[str, Any] = json.loads(process(name, str(market_csv())).out.splitlines()[-1])
    return told


def figures() -> Iterator[Figure]:
    """Yield each installed peer's speed, and how much faster ATLAS is."""
    names = installed()
    if not names:
        return
    past = past_of(COMMON)
    ours = {engine: [best(partial(each, past), 2)] for engine, each in ENGINES.items()}
    for name in names:
        told = play(name)
        yield Figure("peers", f"{name}: {told['trades']} trades, {told['net']:,.2f}", BARS / told["seconds"], "bars/s")
        for engine, each in ENGINES.items():
            ours[engine].append(best(partial(each, past), 2))
            faster = told["seconds"] / (sum(ours[engine][-2:]) / 2)
            yield Figure("peers", f"{engine} to {name}", faster, "x", least=getattr(PEERS[name], engine))
    if "vectorbt" in names:
        yield from _eight_symbols("csv.gz", str(market_csv()))
        yield from _eight_symbols("columns", str(market_columns()))


def _eight_symbols(kind: str, market: str) -> Iterator[Figure]:
    """Yield how much sooner the year is done as that of eight symbols, each read, all of a fresh process counted."""
    products = tuple(KNOWN)[:8]
    pairs = [word for name in products for word in ("--product", name, "--data", market)]
    # So many units that a contract of any of them is bought, and what pays for them.
    bought = ("--set", "sizing.units=1000", "--set", "account.starting_equity=1000000000000")
    ours = fresh("backtest", "--preset", "common", *pairs, "--tick", "0.01", *bought, "--json")
    traded = Counter(trade["symbol"] for trade in json.loads(ours.out)["trades"])
    if len(traded) < len(products):
        raise SystemExit(f"of {', '.join(products)} only {', '.join(traded)} traded: that is no eight symbols")
    theirs = process("vectorbt", *[market] * len(products))
    yield Figure("peers", f"backtest, eight symbols, {kind}: {traded.total()} trades", ours.seconds, "s CPU")
    yield Figure("peers", f"vectorbt, eight symbols, {kind}", theirs.seconds, "s CPU")
    yield Figure("peers", f"backtest to vectorbt, eight, {kind}", theirs.seconds / ours.seconds, "x", least=5.0)


def main() -> None:
    """Install if asked to, measure and print; end with 1 if a figure is below its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description="ATLAS beside other tools.")
    parser.add_argument("--install", action="store_true", help="make their environments first")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if wanted.install:
        install()
    if not installed():
        raise SystemExit("atlas: no peer is installed: run scripts/bench peers --install")
    raise SystemExit(not tell(figures(), wanted.json))


if __name__ == "__main__":
    main()
