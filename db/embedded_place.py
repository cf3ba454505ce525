"""Where the embedded server keeps its data and its socket."""

import os
import re
import stat
from hashlib import sha256
from pathlib import Path

from atlas.errors import ConfigurationError
from db.embedded_account import ServerAccount

SOCKET_PATH_LIMIT = 107
"""Bytes in a Unix socket's path on Linux (sockaddr_un holds 108, with the closing zero)."""
SOCKET_FILE = ".s.PGSQL.5432"
ROOT_DATA_DIR = Path("/var/lib/atlas/postgres")


def default_data_dir() -> Path:
    """Return ATLAS_DATA_DIR, or as root ROOT_DATA_DIR, or `atlas/postgres` in the user's data home."""
    if chosen := os.environ.get("ATLAS_DATA_DIR"):
        return Path(chosen)
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "atlas" / "postgres"


def socket_dir_for(data_dir: Path) -> Path:
    """Return the socket's directory: named by a hash, beside the data where its path is short and plain, else in /tmp.

    The same for every process, whatever its environment; beside the data it is reached across private /tmp mounts.
    """
    name = f"socket-{sha256(os.fsencode(data_dir)).hexdigest()[:10]}"
    beside = data_dir.parent / name
    short = len(os.fsencode(beside / SOCKET_FILE)) <= SOCKET_PATH_LIMIT
    return beside if short and re.fullmatch(r"[\w./+-]+", str(beside), re.ASCII) else Path("/tmp") / f"atlas-{name}"


def prepare_socket_dir(data_dir: Path, account: ServerAccount) -> Path:
    """Make the socket's directory, open to the account only. Raises ConfigurationError if it is somebody else's."""
    directory = socket_dir_for(data_dir)
    try:
        directory.mkdir(mode=0o700)
        account.own(directory)
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigurationError(
                f"{directory} is not a closed directory of {account.name}: remove it, ATLAS makes it anew"
            ) from None
    return directory


def require_usable(data_dir: Path, account: ServerAccount) -> None:
    """Make the data directory's parent, or refuse a place where Postgres cannot work. Raises ConfigurationError."""
    if re.search(r'["$`\\\n]', str(data_dir)):
        raise ConfigurationError(f'ATLAS_DATA_DIR={data_dir}: Postgres cannot take a path with any of " $ ` \\ in it')
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        held = data_dir.exists() and any(data_dir.iterdir())
        foreign = held and not (data_dir / "PG_VERSION").exists()
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {data_dir} cannot be used by {account.name}: {error.strerror};"
            " mend its permissions, or set ATLAS_DATA_DIR to a place of your own"
        ) from None
    if foreign:
        raise ConfigurationError(
            f"{data_dir} holds other files and no Postgres data: set ATLAS_DATA_DIR to an empty place"
        )
    if not account.can_enter(data_dir.parent):
        raise ConfigurationError(
            f"Postgres runs as {account.name} here, who cannot enter {data_dir.parent}:"
            f" set ATLAS_DATA_DIR to a place like {ROOT_DATA_DIR}"
        )
