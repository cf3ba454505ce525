"""What is mutated, and which tests hold it: a module's own first, then the others of its area, the fastest first."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent.parent


class Area(NamedTuple):
    """The sources of an area, and every test file that may notice a mutant of them, in order."""

    sources: tuple[str, ...]
    left_out: dict[str, str]
    """Source → why it is not mutated."""
    own: dict[str, tuple[str, ...]]
    """Source → the tests that hold its rules, where they are not the file of the same name."""
    tests: tuple[str, ...]


def _sources(*patterns: str) -> tuple[str, ...]:
    found = (path for pattern in patterns for path in sorted(CHECKOUT.glob(pattern)))
    return tuple(str(path.relative_to(CHECKOUT)) for path in found if path.name != "__init__.py")


def _named(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{name}.py" for name in names.split())


AREAS = {
    "money": Area(
        sources=_sources("atlas/money/*.py", "atlas/risk.py"),
        left_out={},
        own={
            "atlas/money/book.py": _named("tests/money", "book ledger profit"),
            "atlas/money/closed.py": ("tests/money/test_profit.py", "tests/test_performance.py"),
            "atlas/money/entry.py": _sources("tests/test_risk*.py"),
            "atlas/risk.py": _sources("tests/test_risk*.py"),
        },
        tests=_sources("tests/money/test_*.py", "tests/test_risk*.py", "tests/test_performance.py"),
    ),
    "strat": Area(
        sources=_sources("atlas/strat/*.py"),
        left_out={
            "atlas/strat/drawing.py": "lays out text for the documentation: no rule is in it",
            "atlas/strat/reasons.py": "tells the table of setups in words: no rule is in it",
        },
        own={
            "atlas/strat/context.py": _named("tests/strat", "label_edges labels"),
            "atlas/strat/labels.py": _named("tests/strat", "label_edges labels research_settings"),
            "atlas/strat/setup.py": _named("tests/strat", "setups continuity"),
            "atlas/strat/setups.py": _named("tests/strat", "setup_table setups research_settings"),
            "atlas/strat/continuity.py": _named("tests/strat", "continuity continuity_edges full_continuity"),
            "atlas/strat/series.py": _named(
                "tests/strat", "series_memory setups labels series_properties research_settings"
            ),
            "atlas/strat/vectors.py": _named("tests/strat", "vectors_limits vectors_every_bar vectors"),
            "atlas/strat/vectors_context.py": _named("tests/strat", "vectors_limits vectors_context"),
            "atlas/strat/vectors_setups.py": _named("tests/strat", "vectors_limits research_settings vectors"),
        },
        tests=(
            *_named("tests/strat", "bar_types naming setup_table setups golden worked_cases"),
            *_named("tests/strat", "continuity continuity_edges full_continuity label_edges labels label_names"),
            *_named("tests/strat", "series_memory series_properties vectors_limits vectors_every_bar vectors"),
            *_named("tests/strat", "vectors_context research_settings march_2020"),
        ),
    ),
}


def module_of(source: str) -> str:
    """Return the dotted name of a source."""
    return source.removesuffix(".py").replace("/", ".")


def turns_of(area: Area, source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the test files that may notice a mutant of the source: its own, then the others that import it."""
    same_name = f"test_{Path(source).stem}"
    own = area.own.get(source) or tuple(test for test in area.tests if Path(test).stem.startswith(same_name))
    others = tuple(test for test in area.tests if test not in own and module_of(source) in _imported(test))
    return (own, others) if own else (others, ())  # without any of its own yet: these


def _imported(test: str) -> set[str]:
    """Return the modules of ours that a test file and the conftest.py beside it import, and what those import."""
    found: set[str] = set()
    waiting = [test, str(Path(test).parent / "conftest.py")]
    while waiting:
        path = CHECKOUT / waiting.pop()
        for module in _imports(path.read_text(encoding="utf-8")) - found if path.is_file() else ():
            found.add(module)
            waiting.append(module.replace(".", "/") + ".py")
    return found


@cache
def _imports(text: str) -> frozenset[str]:
    """Return the names of all that a source imports, at its top or in functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return frozenset(names)
