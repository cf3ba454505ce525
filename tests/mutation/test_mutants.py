"""What is mutated and how, and what a trial of a mutant says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants_of

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def becomes(source: str) -> set[str]:
    """Return what stands in the place of the source's statements, in each mutant."""
    return {mutant.becomes for mutant in mutants_of("a.py", source)}


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("w = high > prior", {"w = high >= prior", "w = high <= prior"}),
        ("w = low <= prior", {"w = low < prior", "w = low > prior"}),
        ("w = kind == three", {"w = kind != three"}),
        ("w = over == 0", {"w = over != 0", "w = over <= 0", "w = over >= 0", "w = over == 1", "w = over == -1"}),
        ("w = kind is None", {"w = kind is not None"}),
        ("w = side not in held", {"w = side in held"}),
        ("w = price * size", {"w = price / size"}),
        ("w += fee", {"w -= fee", "pass"}),
        ("w = up and down", {"w = up or down", "w = down", "w = up"}),
        ("w = not missed", {"w = missed"}),
        ("w = -change", {"w = change"}),
        ("if verified:\n    w = bar", {"if not verified:"}),
        ("w = a if first else b", {"w = a if not first else b"}),
        ("w = [p for p in held if p]", {"w = [p for p in held]"}),
        ("w = True", {"w = False"}),
        ("w = Decimal('0.015')", {"w = Decimal('0.016')"}),
        ("w = 'long'", {"w = 'short'"}),
        ("w = 'flip'", {"w = 'another_flip'"}),
        ("w = min(a, b)", {"w = max(a, b)"}),
        ("w = any(a)", {"w = all(a)"}),
        ("w = np.less(a, b)", {"w = np.less_equal(a, b)"}),
        ("w = bars[a:b]", {"w = bars[:b]", "w = bars[a:]"}),
        ("def f():\n    return w", {"return None"}),
        ("def f():\n    f()", {"pass"}),
        ("def f(a):\n    a = w\n    b = w", {"pass"}),
        ("def f():\n    self.state = w", {"pass"}),
        ("def f():\n    raise DataError('so', 1)", {"pass"}),
        ("def f():\n    if w == a:\n        return None\n    return None", {"if w != a:", "pass"}),
        ("while w:\n    break", {"while not w:", "pass"}),
    ],
)
def test_each_slip_is_tried(source: str, mutants: set[str]) -> None:
    assert becomes(source) == mutants


@pytest.mark.parametrize(
    "source",
    [
        '"""What it is."""',
        "import math",
        "Side = Literal['long', 'short']",
        "def f(price: Literal['long']) -> Literal['short']: ...",
        "class Bar(Struct, frozen=True): ...",
        "w = f'{price} is'",
        "w = 'a text for people'",
        "w = text.rstrip('.')",
        "def __repr__(self):\n    return 1",
        "if TYPE_CHECKING:\n    w = 1",
    ],
)
def test_what_holds_no_rule_is_left_alone(source: str) -> None:
    assert becomes(source) == set()


def test_a_mutant_is_known_by_its_place_and_not_by_its_line() -> None:
    source = "def f(a):\n    g(1)\n    g(1)\n"
    before, after = mutants_of("a.py", source), mutants_of("a.py", f"import math\n\n\n{source}")
    assert [mutant.identity for mutant in before] == [mutant.identity for mutant in after]
    assert len({mutant.identity for mutant in before}) == len(before) == 6
    assert {mutant.occurrence for mutant in before} == {1, 2}


def test_mutants_of_a_long_statement_are_told_by_the_part_that_changes() -> None:
    long = ", ".join(f"name_{n}=bar.name_{n}" for n in range(20))
    assert becomes(f"w = Setup({long}, high=a > b)") == {"a >= b", "a <= b"}


TOLL = '''
def toll(wheels, stops):
    """So many wheels pay so much."""
    if wheels > 4:
        return 9
    while stops > 0:
        stops -= 1
    return 3
'''
TEST = """
from toll import toll

def test_a_lorry_pays_nine():
    assert toll(8, 0) == 9

def test_a_car_pays_three():
    assert toll(3, 2) == 3
"""
TRY = """
import ast, sys
from pathlib import Path
from tests.mutation import mutants, trial

trial.prepare()
source = Path("toll.py").read_text()
turns = tuple(trial.Turn(("test_toll.py",), 1, int(examples)) for examples in sys.argv[1:])
tried = [(m, trial.Trial("toll", m.applied_to(ast.parse(source)), turns)) for m in mutants.mutants_of("", source)]
for mutant, outcome in trial.outcomes(tried, jobs=2):
    print(outcome, mutant.was, "→", mutant.becomes)
"""


DRAWN = """
from hypothesis import given
from hypothesis import strategies as st
from toll import toll

drawn = set()

@given(st.integers(5, 1000))
def test_the_fifteenth_lorry_pays_nine(wheels):
    drawn.add(wheels)
    assert len(drawn) < 15 or toll(wheels, 0) == 9
"""


def tried(folder: Path, test: str, *examples: int) -> dict[str, str]:
    """What becomes of each mutant of the toll, tried in turns with so many examples."""
    (folder / "toll.py").write_text(TOLL)
    (folder / "test_toll.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\n")
    said = subprocess.run(
        [sys.executable, "-c", TRY, *map(str, examples)],
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return dict(reversed(line.split(" ", 1)) for line in said.stdout.splitlines())


def test_a_mutant_is_killed_runs_on_or_survives(tmp_path: Path) -> None:
    outcomes = tried(tmp_path, TEST, 10, 20)
    assert outcomes["if wheels > 4: → if wheels <= 4:"] == "killed"
    assert outcomes["return 3 → return 2"] == "killed"
    assert outcomes["stops -= 1 → stops += 1"] == "endless"
    assert outcomes["if wheels > 4: → if wheels >= 4:"] == "survived"
    assert outcomes["while stops > 0: → while stops >= 0:"] == "survived"
    assert len(outcomes) == 18


@pytest.mark.parametrize(("examples", "outcome"), [((10,), "survived"), ((10, 20), "killed")])
def test_a_later_turn_draws_more_examples(tmp_path: Path, examples: tuple[int, ...], outcome: str) -> None:
    assert tried(tmp_path, DRAWN, *examples)["return 9 → return 8"] == outcome
