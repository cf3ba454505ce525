"""Say which share of the branches the tests took, package by package, and the files that lag behind; 1 below the least.

Run by `scripts/coverage`, of the measurement COVERAGE_FILE names.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import coverage

LEAST = 0.90
PACKAGES = ("atlas", "actors", "db")


def main() -> None:
    """Print the table and end with 1 where a package is below the least."""
    raise SystemExit(tell(measured()))


def measured() -> dict[str, Any]:
    """Return each file's summary (`num_branches`, `covered_branches`) and `missing_branches`, by its path."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        found = coverage.Coverage()
        found.load()
        found.json_report(outfile=str(report))
        files: dict[str, Any] = json.loads(report.read_bytes())["files"]
    return files


def tell(files: dict[str, Any]) -> bool:
    """Print packages and laggards; return whether a package is below the least."""
    there: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for path, file in files.items():
        package = path.partition("/")[0]
        there[package] += file["summary"]["num_branches"]
        taken[package] += file["summary"]["covered_branches"]
    print("package   branches     taken    share")
    for package in PACKAGES:
        print(f"{package:<8}{there[package]:>10}{taken[package]:>10}{share(taken[package], there[package]):>9.1%}")
    summaries = {path: file["summary"] for path, file in files.items()}
    shares = {path: share(its["covered_branches"], its["num_branches"]) for path, its in summaries.items()}
    if behind := sorted((shares[path], path) for path in files if shares[path] < LEAST):
        print(f"\nfiles below {LEAST:.0%}, and from which line to which no test went (below 0: out of its function)")
    for part, path in behind:
        print(f"{part:>5.0%}  {path}  " + " ".join(f"{line}→{to}" for line, to in files[path]["missing_branches"]))
    return any(share(taken[package], there[package]) < LEAST for package in PACKAGES)


def share(taken: int, there: int) -> float:
    """Return the share taken; where there is no branch, all of them are."""
    return taken / there if there else 1.0


if __name__ == "__main__":
    main()
