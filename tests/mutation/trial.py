"""One mutant's trial: a forked process imports the mutated module and runs the tests; what became of it is its exit.

What is slow to import and is not ours (pytest, hypothesis, numpy) is imported once, before the fork; all of ours after
it, so that whatever takes a name from the mutated module takes the mutated one. Nothing is written to the checkout.
"""

import ast
import gc
import importlib
import importlib.abc
import importlib.machinery
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import spec_from_loader
from types import CodeType, ModuleType
from typing import Literal, NamedTuple

from tests.mutation.mutants import Mutant

Outcome = Literal["killed", "endless", "survived", "untested"]
"""`endless`: it used up its time or memory, which is a way of being noticed. `untested`: no test ran at all."""

BEFOREHAND = ("pytest", "hypothesis", "hypothesis.strategies", "numpy", "msgspec")
SWITCHES = ("-q", "-x", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0")
"""Of pytest; with a timeout, pytest-timeout would take the alarm for itself."""
MEMORY = 4 * 1024**3
GENEROUS = 20
"""So many times its processor time a trial may take by the clock, where others want the processor too."""
NO_TEST_RAN = 5
"""pytest's exit code."""


class Turn(NamedTuple):
    """Test files, how much processor time they may use, s, and how many examples hypothesis draws for each test."""

    tests: tuple[str, ...]
    seconds: int
    examples: int


class Trial(NamedTuple):
    """What is to be tried: a module's tree, against tests in turns; a later turn comes only if all before passed."""

    module: str
    tree: ast.Module
    turns: tuple[Turn, ...]


class _Source(importlib.abc.InspectLoader, importlib.abc.MetaPathFinder):
    """Gives one module's code, whatever the file on disk says."""

    def __init__(self, module: str, file: str, code: CodeType) -> None:
        self._module, self._file, self._code = module, file, code

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return spec_from_loader(name, self, origin=self._file, is_package=False) if name == self._module else None

    def get_code(self, name: str) -> CodeType:
        return self._code

    def get_source(self, name: str) -> str | None:
        return None


def prepare() -> None:
    """Import what every trial needs and is not ours."""
    for name in BEFOREHAND:
        importlib.import_module(name)
    ours = [name for name in sys.modules if name.split(".")[0] in ("atlas", "actors", "db")]
    if ours:
        raise RuntimeError(f"{', '.join(ours)} imported before the first trial: no mutant of them would be seen")
    gc.freeze()


def outcomes(trials: Iterable[tuple[Mutant, Trial]], jobs: int) -> Iterator[tuple[Mutant, Outcome]]:
    """Yield what became of each mutant, `jobs` at a time, as they end."""
    running: dict[int, Mutant] = {}
    for mutant, trial in trials:
        if len(running) >= jobs:
            yield _wait(running)
        running[start(trial)] = mutant
    while running:
        yield _wait(running)


def start(trial: Trial, said: str = os.devnull) -> int:
    """Start the trial in a process of its own, what it says going to a file, and return its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = _run(trial, said)
    except BaseException:  # whatever it is: this process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def outcome_of(status: int) -> Outcome:
    """Return what a process's end says of its mutant."""
    if os.WIFSIGNALED(status):
        return "endless" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL) else "killed"
    code = os.waitstatus_to_exitcode(status)
    return {0: "survived", NO_TEST_RAN: "untested"}.get(code, "killed")  # type: ignore[return-value]  # all are outcomes


def _wait(running: dict[int, Mutant]) -> tuple[Mutant, Outcome]:
    while True:
        child, status = os.wait()
        if child in running:
            return running.pop(child), outcome_of(status)


def _draw(examples: int) -> None:
    """Set how hypothesis draws: always the same, none shrunk. Test files take it when they are imported: so, again."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutation",
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    for name in [name for name in sys.modules if name.rpartition(".")[2].startswith("test_")]:
        del sys.modules[name]


def _run(trial: Trial, said: str) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    output = os.open(said, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(output, stream)
    file = trial.module.replace(".", "/") + ".py"
    sys.meta_path.insert(0, _Source(trial.module, file, compile(trial.tree, file, "exec")))
    for turn in trial.turns:
        _draw(turn.examples)
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = math.ceil(used.ru_utime + used.ru_stime) + turn.seconds
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        signal.alarm(turn.seconds * GENEROUS)
        if code := int(pytest.main([*SWITCHES, *turn.tests])):
            return code
    return 0
