"""What a sweep has to do: products with their pasts, the rules of each trial, the windows, and so the backtests."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atlas import __version__
from atlas.backtest.engine import Played, stretch
from atlas.backtest.limits import check
from atlas.backtest.sweep.grid import Grid, Parameters, Walk, Window, leaves, tree_of, walks
from atlas.backtest.sweep.summary import Runs
from atlas.backtest.sweep.task import Run, Task
from atlas.cli.options import Choice
from atlas.cli.past import PastOptions, asked, deciding
from atlas.market.past import span
from atlas.market.path import PathRules
from atlas.rules import Rules

Key = tuple[Any, ...]
"""`Task.key`."""


class Plan:
    """What there is to do: the products with their pasts, the rules of each trial, the windows, the tasks."""

    def __init__(self, choice: Choice, grid: Grid) -> None:
        """Raises ConfigurationError, UsageError, DataError for anything that would fail later in a worker."""
        options = _options(grid)
        base = choice.with_overrides(tree_of(grid.settings))
        past = asked(base, options)
        self.path = past.path
        self.played: Mapping[str, Played] = {
            product.id: Played(product, file, funding)
            for product, file, funding in zip(past.products, past.files, past.funding, strict=True)
        }
        # What --set gives wins over the file, so it goes into each trial last.
        self.trials: list[tuple[Parameters, Rules]] = []
        seen: set[str] = set()
        for parameters in grid.trials():
            chosen = choice.with_overrides(tree_of({**dict(leaves(grid.settings)), **parameters}))
            rules, _ = deciding(chosen, options, past.names, past.files)
            check(rules, past.path)
            if rules.fingerprint() not in seen:  # two ways to write the same rules are one trial
                seen.add(rules.fingerprint())
                self.trials.append((parameters, rules))
        start, end = stretch(past.files, past.start, past.end)
        self.walks: list[Walk] = walks(grid.walk_forward, start, end)
        self.pasts = {name: _fingerprint(played, past.path) for name, played in self.played.items()}
        self.tasks = list(self._tasks())

    @property
    def windows(self) -> list[Window]:
        """Every window that is played, each once."""
        found = {window for walk in self.walks for window in (walk.train, walk.test) if window is not None}
        return sorted(found)

    def _tasks(self) -> Iterator[Task]:
        for window in self.windows:
            for name, played in self.played.items():
                begins, ends = span(played.file)
                if begins < window.end and window.start < ends:
                    for _, rules in self.trials:
                        yield Task(rules, name, window, self.path)

    def parameters_of(self, rules: Rules) -> Parameters:
        """Return what a trial varied."""
        return next(parameters for parameters, its in self.trials if its is rules)

    def of_trial(self, rules: Rules, runs: Mapping[Key, Run]) -> Runs:
        """Return the runs of one trial."""
        return {(task.product, task.window): runs[task.key] for task in self.tasks if task.rules is rules}


def _options(grid: Grid) -> PastOptions:
    return PastOptions(
        data=tuple(Path(name) for name in grid.data),
        product=grid.products,
        timeframes=",".join(grid.timeframes) or None,
        tick=grid.tick or None,
        funding=tuple(Path(name) for name in grid.funding),
        from_=grid.from_ or None,
        to=grid.to or None,
        high_first=grid.high_first,
        trust_path=grid.trust_path,
        preset=grid.preset or None,
        exits_from=grid.exits_from,
    )


def _fingerprint(played: Played, path: PathRules) -> str:
    """Return 16 hex digits of what a result depends on besides rules and window.

    That is prices, product, path, version and past funding.
    """
    digest = sha256(msgspec.json.encode([__version__, played.product, path], order="sorted"))
    if played.funding is not None:
        digest.update(np.ascontiguousarray(played.funding.hours).data)
        digest.update(msgspec.json.encode(played.funding.rates))
    for name in played.file.__struct_fields__:
        value = getattr(played.file, name)
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value).data)
        elif name not in ("path", "symbol"):
            digest.update(f"{name}={value};".encode())
    return digest.hexdigest()[:16]
