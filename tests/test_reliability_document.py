"""docs/reliability.md names tests that are there."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([\w/]+\.py|…)(?:::(\w+|…))?`")


def test_every_fault_names_a_test_that_is_there() -> None:
    rows = [line for line in (CHECKOUT / "docs" / "reliability.md").read_text().splitlines() if line.startswith("| ")]
    faults = [row for row in rows if not row.startswith("| fault |")]
    assert len(faults) >= 30
    missing = []
    for row in faults:
        *_, tests = row.strip("| ").split(" | ")
        file, found = "", NAMED.findall(tests)
        assert found, f"no test: {row}"
        for named, test in found:
            file = file if named == "…" else named
            path = CHECKOUT / "tests" / file
            if not path.is_file() or (test not in ("", "…") and f"def {test}(" not in path.read_text()):
                missing.append(f"{file}::{test}")
    assert missing == []
