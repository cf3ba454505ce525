"""What holds for the repository as a whole: its documents, its dependencies, the words that must not be in it."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    # Written in pieces, so that this file does not hold them itself.
    "a path of one machine": "/" + "(work|farm)/",
    "a temporary brief": "/tmp/" + "brief",
    "a tool's library": r"\." + r"library\b",
    "how the work was divided": r"\bsub" + r"agents?\b",
    "a package registry's host": "pypi" + r"\.org|pythonhosted" + r"\.org|registry\.npm" + r"js|deb\.deb" + r"ian\.org",
}
SILENCED = re.compile(r"#\s*(type: ignore|noqa)(\[[^\]]*\]|:\s*[A-Z0-9, ]+)?(?P<reason>.*)")


def tracked() -> list[Path]:
    """Return the files git knows or would add, or without git all that are not hidden or built."""
    if (CHECKOUT / ".git").exists():
        argv = ["git", "-c", "safe.directory=*", "-C", str(CHECKOUT), "ls-files", "-z", "-co", "--exclude-standard"]
        listed = subprocess.run(argv, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            names = [name for name in listed.stdout.split("\0") if name]
            return [path for name in names if (path := CHECKOUT / name).is_file()]
    return [path for path in CHECKOUT.rglob("*") if path.is_file() and not _built(path.relative_to(CHECKOUT))]


def _built(path: Path) -> bool:
    built = {"__pycache__", "build", "dist"}
    return any(part in built or (part.startswith(".") and part != ".ci") for part in path.parts)


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path.relative_to(CHECKOUT), content.decode("utf-8")))
    return found


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


def names(requirements: str) -> list[str]:
    """Return the normalised names in lines like `psycopg[binary]>=3.2,<4`."""
    lines = [line.strip() for line in requirements.splitlines() if line.strip()]
    return [re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", line)[0]).lower() for line in lines]


def runtime() -> list[str]:
    return names(setup()["options"]["install_requires"])


def locked() -> dict[str, str]:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", lock, re.MULTILINE))


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_search_reads_the_sources_and_the_scripts() -> None:
    read = {str(path) for path, _ in texts()}
    assert {"README.md", "scripts/lib.sh", ".ci/run", "setup.cfg", "atlas/errors.py", "tests/conftest.py"} <= read


def test_silenced_checks_have_their_reason_beside_them() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        if path.suffix == ".py"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := SILENCED.search(line)) and len(match["reason"].strip(" #-–:")) < 8
    ]
    assert found == []


def test_readme_names_the_two_commands_and_they_are_there() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for command in ("scripts/demo", "scripts/test", ".ci/run"):
        assert command in readme
        assert (CHECKOUT / command).is_file()


def test_readme_links_lead_somewhere() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert targets
    assert [target for target in targets if not (CHECKOUT / target).exists()] == []


def test_changelog_has_an_unreleased_section_with_entries() -> None:
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = changelog.partition("## [Unreleased]")[2].partition("\n## [")[0]
    assert re.search(r"^### (Added|Changed|Fixed|Removed|Deprecated|Security)\n- ", unreleased, re.MULTILINE)


@pytest.mark.parametrize("name", runtime())
def test_runtime_dependency_has_its_reason_written_down(name: str) -> None:
    decisions = (CHECKOUT / "docs" / "decisions.md").read_text(encoding="utf-8")
    reasons = {row[0].lower(): row[1] for row in re.findall(r"^\| (\S+) \| .+? \|(.*)\|$", decisions, re.MULTILINE)}
    assert len(reasons[name].strip()) > 8


@pytest.mark.parametrize("name", [*runtime(), *names(setup()["options.extras_require"]["test"])])
def test_dependency_is_locked(name: str) -> None:
    assert name in locked()


def test_every_locked_version_has_hashes_and_no_host() -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(pins) == len(locked()) > 40
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in lock
    assert not re.search(r"^--", lock, re.MULTILINE)
