"""Who runs the embedded server: Postgres refuses to run as root, so root hands it to an unprivileged account."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from atlas.errors import ConfigurationError

PREFERRED = ("atlas", "postgres", "nobody")
"""As root and without existing data: the first of these accounts that the machine has."""


class ServerAccount(msgspec.Struct, frozen=True):
    """The account the server's processes run as; `switch` where that is not the account of this process (root)."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(self, argv: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a command as this account, in `/`, with a bare environment (no PG… variable reaches it).

        Output is captured, stderr within stdout. Raises OSError where the program cannot be executed.
        """
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [os.fspath(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env=environment,
            umask=0o077,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def can_run(self, program: Path) -> bool:
        """Return whether this account can execute `program --version`."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except OSError:
            return False

    def can_enter(self, directory: Path) -> bool:
        """Return whether this account can reach a directory through all its parents."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory]).returncode == 0

    def own(self, path: Path) -> None:
        """Hand a file or directory this process made to the account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def account_for(data_dir: Path) -> ServerAccount:
    """Return the account that runs the server of a data directory: our own, or as root its owner or a PREFERRED one.

    Raises ConfigurationError for a user without a passwd entry, which initdb and libpq cannot work with.
    """
    uid = os.geteuid()
    if uid != 0:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise ConfigurationError(
                f"user id {uid} has no entry in /etc/passwd, which Postgres needs: run as a user that has one"
                " (in a container: useradd, or --user NAME), or set ATLAS_DATABASE_URL to a server elsewhere"
            ) from None
        return ServerAccount(entry.pw_name, uid, entry.pw_gid, switch=False)
    owner = data_dir.stat().st_uid if (data_dir / "PG_VERSION").exists() else 0
    if owner != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            raise ConfigurationError(
                f"{data_dir} belongs to user id {owner}, which has no entry in /etc/passwd: add one,"
                " or chown the directory"
            ) from None
        return ServerAccount(entry.pw_name, owner, entry.pw_gid, switch=True)
    for name in PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerAccount(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise ConfigurationError(
        f"Postgres does not run as root and none of the users {', '.join(PREFERRED)} exists:"
        " run 'useradd --system atlas'"
    )
