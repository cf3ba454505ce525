"""Imports point one way, and the machine's clock is read where it may be: read from the syntax trees.

`violations` takes any tree of sources; the last tests show, on a small tree that breaks every rule, that each is found.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("atlas", "actors", "db", "web", "migrations")

OUTER_ATLAS = (
    "atlas.exchange",
    "atlas.cli",
    "atlas.config",
    "atlas.config_environment",
    "atlas.config_sections",
    "atlas.logs",
    "atlas.data",
    "atlas.picture",
    "atlas.backtest.sweep",
    "atlas.__main__",
)
"""The parts of atlas that may import libraries; all the rest of it is the domain."""
DB_MAY_IMPORT = ("actors.messages", "actors.alerter_outbox")
"""Of the actors: the words of the events it stores, and the outbox as the alerter wants it, which it implements."""
DOMAIN_LIBRARIES = frozenset(sys.stdlib_module_names) | {"numpy", "msgspec"}
MEETING_PLACES = ("actors.messages", "actors.route", "actors.runtime")
"""What every behaviour may import: the messages, the names to send them to, and what runs it."""
COMPOSERS = (
    "actors", "actors.system", "actors.system_states", "actors.system_upkeep", "actors.roles", "actors.outer_roles",
    "actors.past_market", "actors.past_levels", "actors.past_walk", "actors.past_walks", "actors.past_outcome",
    "actors.night_compare", "actors.system_shard",
)  # fmt: skip
"""What puts behaviours together; `roles` is the part of the system that replay shares."""
KNOW_THE_DATABASE = (
    "actors.journal", "actors.system", "actors.system_states", "actors.system_commands", "actors.system_upkeep",
    "actors.system_shard", "actors.night_compare",
)  # fmt: skip
CLOCK_READERS = ("atlas.exchange", "atlas.cli", "actors.runtime")
DRAWERS_OF_LOTS = (*CLOCK_READERS, "actors.system")
"""The system hands the actors that talk to the world their jitter."""
CLOCKED = ("atlas", "actors", "db")
CLOCKS = frozenset(
    f"{owner}.{name}"
    for owner, names in {
        "time": "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns localtime gmtime",
        "datetime": "now utcnow today",
        "datetime.datetime": "now utcnow today",
        "datetime.date": "today",
        "date": "today",
    }.items()
    for name in names.split()
)
CHANCE = ("random.", "secrets.", "uuid.uuid1", "uuid.uuid4", "os.urandom", "numpy.random.")
SEEDED = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.Generator"})


def within(module: str, *parts: str) -> bool:
    """Return whether a dotted name is one of these modules or inside one."""
    return any(module == part or module.startswith(part + ".") for part in parts)


def dotted(node: ast.AST) -> str | None:
    """Return `a.b.c` for such an expression, None for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else None
    return None


@dataclass(frozen=True)
class Import:
    """One imported module, absolute, e.g. `db.models.orders`; `deferred`: inside a function."""

    target: str
    line: int
    deferred: bool
    for_types: bool


class Source:
    """One file: its dotted module name, its imports, and the calls that read a clock or draw lots."""

    def __init__(self, path: Path, root: Path) -> None:
        parts = list(path.relative_to(root).with_suffix("").parts)
        self.path = path.relative_to(root)
        self.package = ".".join(parts[:-1])
        self.module = ".".join(parts) if parts[-1] != "__init__" else self.package
        self.tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        self.names: dict[str, str] = {}
        self.imports = list(self._imports(self.tree, deferred=False, for_types=False))

    def _imports(self, node: ast.AST, *, deferred: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    self.names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
                    yield Import(alias.name, child.lineno, deferred, for_types)
            elif isinstance(child, ast.ImportFrom):
                base = self._absolute(child)
                for alias in child.names:
                    self.names[alias.asname or alias.name] = f"{base}.{alias.name}"
                    yield Import(f"{base}.{alias.name}", child.lineno, deferred, for_types)
            elif isinstance(child, ast.Call) and (named := self._imported_by_name(child)):
                yield Import(named, child.lineno, deferred, for_types)
                yield from self._imports(child, deferred=deferred, for_types=for_types)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                types = isinstance(child, ast.If) and (dotted(child.test) or "").endswith("TYPE_CHECKING")
                yield from self._imports(child, deferred=deferred or inside, for_types=for_types or types)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])

    @staticmethod
    def _imported_by_name(call: ast.Call) -> str | None:
        if (dotted(call.func) or "").split(".")[-1] in ("import_module", "__import__") and call.args:
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                return first.value
        return None

    def uses(self) -> Iterator[tuple[int, str]]:
        """Yield every imported name used, in full (`dt.now` as `datetime.datetime.now`), with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
                first, _, rest = name.partition(".")
                if full := self.names.get(first):
                    yield node.lineno, f"{full}.{rest}" if rest else full


def sources(root: Path) -> list[Source]:
    return [Source(path, root) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def violations(root: Path) -> list[str]:
    """Return every broken rule as `file:line: what, and the rule`."""
    found = []
    every = sources(root)
    modules = {source.module for source in every}
    for source in every:
        for imported in source.imports:
            found += [f"{source.path}:{imported.line}: {rule}" for rule in broken_by_import(source, imported, modules)]
        found += [f"{source.path}:{line}: {rule}" for line, rule in broken_by_use(source)]
    return sorted(set(found))


def broken_by_import(source: Source, imported: Import, modules: Set[str]) -> Iterator[str]:
    module, target = source.module, imported.target
    what = f"{module} imports {target}"
    top = target.split(".")[0]

    if within(module, "atlas") and top in ("actors", "db", "web", "migrations"):
        if not within(module, "atlas.cli"):
            yield f"{what}: atlas never imports actors, db or web"
        elif not (imported.deferred or imported.for_types):
            yield f"{what}: atlas.cli reaches outward inside functions only"
    elif within(module, "atlas") and not within(module, *OUTER_ATLAS):
        if within(target, *OUTER_ATLAS):
            yield f"{what}: the domain imports domain modules only, not {', '.join(OUTER_ATLAS)}"
        elif top != "atlas" and top not in DOMAIN_LIBRARIES:
            yield f"{what}: the domain imports the standard library, numpy and msgspec only"

    if within(target, "pykka") and not within(module, "actors.runtime", "actors.system"):
        yield f"{what}: Pykka is imported in actors.runtime and actors.system only"
    if within(module, "actors"):
        if within(target, "db") and module not in KNOW_THE_DATABASE:
            yield f"{what}: of the actors only the journal and system.py import db"
        if within(target, "web"):
            yield f"{what}: actors never import web"
        if within(target, "actors"):
            if within(target, *MEETING_PLACES) or target == "actors":
                pass
            elif within(module, *MEETING_PLACES):
                yield f"{what}: the runtime, the messages and their route know no behaviour"
            elif (
                module not in COMPOSERS
                and behaviour_of(target, modules) != behaviour_of(module, modules)
            ):
                yield f"{what}: behaviours never import one another, they meet in actors.messages"
    if within(module, "web") and within(target, "actors"):
        yield f"{what}: web never imports actors"
    if within(module, "db", "migrations") and within(target, "actors", "web") and not within(target, *DB_MAY_IMPORT):
        yield f"{what}: db imports no web, and of the actors only {', '.join(DB_MAY_IMPORT)}"


def behaviour_of(module: str, modules: Set[str]) -> str:
    """Return the behaviour a module of actors belongs to: of `actors.feed_clock.Printed` it is `actors.feed`.

    A behaviour may be split over files named after it, `feed.py`, `feed_clock.py` …; they count as one.
    """
    words = module.split(".")[1].split("_")
    names = (f"actors.{'_'.join(words[:count])}" for count in range(1, len(words)))
    return next((name for name in names if name in modules), f"actors.{'_'.join(words)}")


def broken_by_use(source: Source) -> Iterator[tuple[int, str]]:
    if not within(source.module, *CLOCKED):
        return
    for line, name in source.uses():
        if name in CLOCKS and not within(source.module, *CLOCK_READERS):
            yield line, f"{source.module} uses {name}: only {', '.join(CLOCK_READERS)} read the machine's clock"
        elif name.startswith(CHANCE) and not within(name, *SEEDED) and not within(source.module, *DRAWERS_OF_LOTS):
            yield line, f"{source.module} uses {name}: no randomness; derive ids, seed generators"


def test_the_checkout_breaks_no_rule() -> None:
    found = violations(CHECKOUT)
    assert not found, "\n" + "\n".join(found)


def test_the_panel_does_not_load_pykka() -> None:
    code = "import sys, web.app, db.embedded; sys.exit('pykka' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, timeout=100)


def test_the_checkout_has_the_packages_the_rules_speak_of() -> None:
    assert len(sources(CHECKOUT)) > 20
    for name in ("atlas.strat", "atlas.money", "atlas.market", "atlas.exchange", "atlas.cli", "actors.runtime", "db"):
        assert (CHECKOUT / name.replace(".", "/") / "__init__.py").is_file(), name


BROKEN = {
    "domain imports a library": ("atlas/strat/a.py", "import requests", "standard library, numpy and msgspec only"),
    "domain imports a library in a function": ("atlas/risk.py", "def f():\n    import rich", "numpy and msgspec only"),
    "domain imports the exchange": ("atlas/market/a.py", "from atlas.exchange import rest", "domain modules only"),
    "domain imports the exchange, relative": ("atlas/market/a.py", "from ..exchange import x", "domain modules only"),
    "domain imports db for its types": (
        "atlas/money/a.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import db.models",
        "atlas never imports",
    ),
    "exchange imports actors": ("atlas/exchange/a.py", "from actors import messages", "atlas never imports"),
    "config imports db": ("atlas/config.py", "def f():\n    import db", "atlas never imports"),
    "cli imports db at its top": ("atlas/cli/a.py", "from db import embedded", "inside functions only"),
    "cli imports db in a class": ("atlas/cli/a.py", "class A:\n    import db", "inside functions only"),
    "by name": ("atlas/risk.py", "import importlib\nimportlib.import_module('db.models')", "atlas never imports"),
    "behaviour imports another": ("actors/feed.py", "from actors.scanner import Scanner", "never import one another"),
    "behaviour imports another, relative": ("actors/feed.py", "from . import scanner", "never import one another"),
    "behaviour imports pykka": ("actors/feed.py", "from pykka import ActorRef", "Pykka is imported"),
    "db imports pykka": ("db/a.py", "import pykka", "Pykka is imported"),
    "behaviour imports db": ("actors/history.py", "from db.models import Candle", "only the journal and system.py"),
    "runtime imports db": ("actors/runtime/a.py", "import db.engine", "only the journal and system.py"),
    "runtime imports a behaviour": ("actors/runtime/a.py", "import actors.feed", "know no behaviour"),
    "messages import a behaviour": ("actors/messages.py", "from actors.feed import X", "know no behaviour"),
    "route imports a behaviour": ("actors/route.py", "import actors.feed", "know no behaviour"),
    "behaviour imports the system": ("actors/scanner.py", "import actors.system", "never import one another"),
    "clock in the system": ("actors/system.py", "import time\nx = time.time", "machine's clock"),
    "web imports actors": ("web/a.py", "def f():\n    from actors import messages", "web never imports actors"),
    "db imports web": ("db/a.py", "from web import create_app", "db imports no web"),
    "db imports a behaviour": ("db/a.py", "from actors.scanner import Scanner", "of the actors only"),
    "now in the domain": ("atlas/risk.py", "from datetime import datetime\nx = datetime.now()", "machine's clock"),
    "now by another name": ("actors/feed.py", "import datetime as d\nx = d.datetime.now(d.UTC)", "machine's clock"),
    "now handed on": ("actors/feed.py", "from time import monotonic\nclock = monotonic", "machine's clock"),
    "clock in db": ("db/a.py", "import time\nx = time.time()", "machine's clock"),
    "random id": ("actors/feed.py", "from uuid import uuid4\nx = uuid4()", "no randomness"),
    "unseeded draw": ("atlas/risk.py", "import random\nx = random.random()", "no randomness"),
    "global numpy draw": ("atlas/risk.py", "import numpy as np\nx = np.random.normal()", "no randomness"),
}

KEPT = {
    "domain": ("atlas/strat/a.py", "import math, numpy as np\nfrom msgspec import Struct\nfrom atlas import risk"),
    "seeded": ("atlas/risk.py", "import numpy as np, random\nx = np.random.default_rng(7), random.Random(7)"),
    "exchange": ("atlas/exchange/a.py", "import websockets\nimport time\nx = time.monotonic()"),
    "cli inside a function": ("atlas/cli/a.py", "def f():\n    import db.embedded, actors.system, web"),
    "behaviour": ("actors/feed.py", "from actors.messages import Bar\nfrom actors.runtime.behaviour import Send"),
    "behaviour's other file": ("actors/feed_clock.py", "import actors.feed_reader"),
    "db": ("db/a.py", "from actors.messages import Filled\nfrom atlas.errors import DatabaseError"),
    "journal": ("actors/journal.py", "from db import engine"),
    "system": ("actors/system.py", "import pykka\nimport db\nfrom actors import feed, scanner, journal"),
    "roles": ("actors/roles.py", "from actors import feed, scanner\nfrom actors.route import RISK"),
    "route": ("actors/scanner.py", "from actors.route import RISK"),
    "jitter": ("actors/system.py", "import random\njitter = random.random"),
    "runtime": ("actors/runtime/a.py", "import pykka\nfrom actors.messages import Pulse\nimport time\nx = time.time()"),
    "web": ("web/a.py", "import flask\nfrom db import models\nfrom atlas.money import rounding"),
    "not a clock": ("atlas/risk.py", "from datetime import datetime\nx = datetime.fromisoformat('2026-01-01')"),
}


def tree_with(tmp_path: Path, file: str, text: str) -> Path:
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "feed.py").touch()
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_broken_rule_is_found_and_named(tmp_path: Path, case: tuple[str, str, str]) -> None:
    file, text, rule = case
    found = violations(tree_with(tmp_path, file, text))
    assert found, "nothing found"
    assert all(line.startswith(f"{file}:") and rule in line for line in found), found


@pytest.mark.parametrize("case", KEPT.values(), ids=KEPT)
def test_what_the_rules_allow_is_not_reported(tmp_path: Path, case: tuple[str, str]) -> None:
    assert violations(tree_with(tmp_path, *case)) == []
