"""What a sweep is asked for: GRID.toml, the settings it varies, and the windows it walks through (docs/sweep.md)."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from atlas.errors import ConfigurationError

Parameters = dict[str, Any]
"""`section.key` → value, in the order of the grid."""

MOST_DAYS: Final = 36_500
"""What a window may last: more than any market has."""
Criterion = Literal["sharpe", "net", "expectancy", "profit_factor"]


class WalkForward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows of time, in days: settings are chosen in `train` and judged in the `test` right behind it.

    The next window begins `step` later, by default where the test before ended. `anchored`: every training begins where
    the first did.
    """

    train_days: int
    test_days: int
    step_days: int = 0
    anchored: bool = False
    choose_by: Criterion = "sharpe"


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What GRID.toml holds. `settings` are the same in every trial; `grid` has a list of values for each it varies.

    `data`, `products` and, where it is given, `funding` go together, in order. `resamples` and `seed` are those of the
    bootstrap.
    """

    data: tuple[str, ...]
    products: tuple[str, ...]
    grid: dict[str, Any]
    settings: dict[str, Any] = {}
    timeframes: tuple[str, ...] = ()
    preset: str = ""
    from_: str = ""
    to: str = ""
    tick: str = ""
    funding: tuple[str, ...] = ()
    exits_from: Literal["fill", "next_bar"] = "fill"
    high_first: bool = False
    trust_path: bool = False
    walk_forward: WalkForward | None = None
    resamples: int = 5_000
    seed: int = 1

    def trials(self) -> Iterator[Parameters]:
        """Yield every combination of the grid's values, the last varied fastest."""
        axes = dict(leaves(self.grid))
        for values in product(*axes.values()):
            yield dict(zip(axes, values, strict=True))


class Window(msgspec.Struct, frozen=True, order=True):
    """A stretch [start, end) of the past."""

    start: datetime
    end: datetime


class Walk(msgspec.Struct, frozen=True):
    """One step of a walk forward; without one, all of the time is for choosing and nothing is left to judge by."""

    train: Window
    test: Window | None


def read_grid(path: Path) -> Grid:
    """Read GRID.toml. Raises ConfigurationError naming what is wrong in it."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        written = {name: tree[name].isoformat() for name in ("from", "to") if isinstance(tree.get(name), date)}
        grid = msgspec.convert(tree | written, Grid)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; give a grid as docs/sweep.md describes") from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:  # also bytes, and numbers of 4300 digits
        raise ConfigurationError(f"{path}: {error}; docs/sweep.md tells what a grid holds") from error
    _check(path, grid)
    return grid


def _check(path: Path, grid: Grid) -> None:
    if not grid.data or len(grid.data) != len(grid.products):
        raise ConfigurationError(
            f"{path}: {len(grid.data)} data and {len(grid.products)} products: name one product for each data, in order"
        )
    twice = next((name for name in grid.products if grid.products.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{path}: products names {twice} twice; each product has one data")
    for key, values in leaves(grid.grid):
        if not isinstance(values, list) or not values:
            raise ConfigurationError(f"{path}: grid.{key} = {values!r} is no list of values; write [{values!r}]")
    walk = grid.walk_forward
    if walk is None:
        return
    for name, least in (("train_days", 1), ("test_days", 1), ("step_days", 0)):
        days = getattr(walk, name)
        if not least <= days <= MOST_DAYS:
            raise ConfigurationError(f"{path}: walk_forward.{name} = {days}: give {least} to {MOST_DAYS}")
    if walk.step_days and walk.step_days < walk.test_days:
        raise ConfigurationError(
            f"{path}: walk_forward.step_days = {walk.step_days} is below test_days = {walk.test_days}: the tests would "
            "overlap and count the same days twice"
        )


def walks(walk: WalkForward | None, start: datetime, end: datetime) -> list[Walk]:
    """Return the steps between two instants; the test of the last may be cut short by the end.

    Raises ConfigurationError if not even one fits.
    """
    if walk is None:
        return [Walk(Window(start, end), None)]
    train, test = timedelta(days=walk.train_days), timedelta(days=walk.test_days)
    found: list[Walk] = []
    begins = start
    while begins + train < end:
        split = begins + train
        found.append(Walk(Window(start if walk.anchored else begins, split), Window(split, min(split + test, end))))
        begins += timedelta(days=walk.step_days) or test
    if not found:
        raise ConfigurationError(
            f"walk_forward: {walk.train_days} days of training leave nothing to test between {start:%Y-%m-%d} and "
            f"{end:%Y-%m-%d}; train on fewer days, or give more data"
        )
    assert all(a.test is not None and b.test is not None and a.test.end <= b.test.start for a, b in pairwise(found))
    return found


def tree_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `section.key` → value as the tree settings are."""
    tree: dict[str, Any] = {}
    for key, value in leaves(dict(parameters)):
        *sections, last = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = value
    return tree


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted name and value of every leaf: `a.b = 1`, `"a.b" = 1` and `[a] b = 1` are the same."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
