"""Which processes serve a data directory, as /proc tells it: a pid file alone proves nothing.

A killed server leaves its `postmaster.pid` behind; the number in it may since belong to anything. `pg_ctl status`
only asks whether such a process exists. Here it must be a Postgres that works in this very directory.
"""

from pathlib import Path

import msgspec


class Postmaster(msgspec.Struct, frozen=True):
    """A running server: its process number, where it listens, and whether it answers (not: starts, recovers, ends)."""

    pid: int
    socket_dir: Path
    port: int
    ready: bool


def running_postmaster(data_dir: Path) -> Postmaster | None:
    """Return the server of a data directory (a resolved path), or None: no pid file, a stale one, or a reused number.

    Raises PermissionError where the directory belongs to somebody else.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # pid, data directory, start time, port, socket directory, TCP address, shared memory, status
    if not lines or not lines[0].isdigit() or not _serves(int(lines[0]), data_dir):
        return None
    lines += [""] * (8 - len(lines))  # a server that has just begun has not written them all
    port = int(lines[3]) if lines[3].isdigit() else 0
    return Postmaster(int(lines[0]), Path(lines[4]), port, lines[7].strip() in ("ready", "standby"))


def recorded_pid(data_dir: Path) -> int | None:
    """Return the number in the pid file, whoever it belongs to now; None without one."""
    try:
        first = (data_dir / "postmaster.pid").read_text(encoding="utf-8").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first) if first.isdigit() else None


def serving_pids(data_dir: Path) -> list[int]:
    """Return every Postgres process working in a data directory, orphans of a killed server among them."""
    numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return sorted(pid for pid in numbers if _serves(pid, data_dir))


def exists(pid: int) -> bool:
    """Return whether any process, a zombie too, has this number."""
    return Path(f"/proc/{pid}").exists()


def _serves(pid: int, data_dir: Path) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        # The kernel adds " (deleted)" to a directory that is gone, so such a server no longer counts as this one's.
        return (process / "cwd").readlink() == data_dir and (process / "comm").read_text().strip() == "postgres"
    except OSError:  # gone meanwhile, a zombie, or somebody else's
        return False
