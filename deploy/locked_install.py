"""Install a checkout of ATLAS into the environment this runs in: its runtime dependencies as the lock file pins them.

The lock file also holds what the tests need. What the package itself asks for is worked out by pip (`--dry-run
--report`), and exactly those entries are installed, each with its hashes. Called by install.sh and the Dockerfile.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = "atlas-strat"
ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>\S+)(?: ; .*?)?(?: \\)?$")


def main() -> None:
    """Install the checkout named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: locked_install.py CHECKOUT")
    checkout = Path(sys.argv[1])
    entries = locked((checkout / "requirements.lock").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        constraints, report, wanted = (Path(folder, name) for name in ("constraints", "report", "wanted"))
        constraints.write_text("".join(f"{name}=={version}\n" for name, (version, _) in entries.items()))
        pip("install", "--dry-run", "--quiet", "--report", str(report), "--constraint", str(constraints), str(checkout))
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
        names = sorted(normal(one["metadata"]["name"]) for one in found)
        names.remove(PROJECT)
        if loose := [name for name in names if name not in entries]:
            sys.exit(f"requirements.lock does not pin {', '.join(loose)}, which setup.cfg asks for: renew it")
        wanted.write_text("".join(entries[name][1] for name in names))
        pip("install", "--require-hashes", "--no-deps", "--requirement", str(wanted))
    pip("install", "--no-deps", str(checkout))


def locked(text: str) -> dict[str, tuple[str, str]]:
    """Return name → version and whole entry, hashes included, of a lock file in pip's format."""
    entries: dict[str, tuple[str, str]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        found = ENTRY.match(lines[0]) if lines else None
        if found is not None:
            entries[normal(found["name"])] = (found["version"], "\n".join(lines) + "\n")
    return entries


def normal(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip(*words: str) -> None:
    """Run pip of this environment."""
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=True)


if __name__ == "__main__":
    main()
