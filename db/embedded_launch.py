"""Making the embedded server's cluster, and starting it, through initdb and pg_ctl. Called under its start lock."""

import logging
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from atlas.errors import DatabaseError
from db import embedded_process as process
from db.embedded_account import ServerAccount
from db.embedded_binaries import Binaries
from db.embedded_place import prepare_socket_dir, socket_dir_for

SUPERUSER = "atlas"
START_RETRY_SECONDS = 5.0
"""After a kill -9 the dead server's children hold its shared memory for a moment; within 0.5 s a start can fail."""
RECOVERY_SECONDS = 300
"""How long a server may replay its log after a crash before a start is said to have failed."""
LOG_LIMIT_BYTES = 10_000_000
"""A longer server log is put aside at a start; one older log is kept."""

_SETTINGS = """
# Set by ATLAS at initdb; the socket and TCP are set on the command line at each start.
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
"""
_log = logging.getLogger(__name__)


def initialise(data_dir: Path, account: ServerAccount, binaries: Binaries, *, fsync: bool) -> None:
    """Make the cluster, with data checksums. Raises DatabaseError with initdb's last words.

    It is made beside its place and moved there whole: a killed initdb leaves nothing that looks like a cluster.
    """
    unfinished = data_dir.with_name(f"{data_dir.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    account.own(unfinished)
    argv: list[str | Path] = [binaries.bin / "initdb", "-D", unfinished, "-U", SUPERUSER, "-E", "UTF8"]
    argv += ["--locale=C.UTF-8", "--data-checksums", "--auth-local=trust", "--auth-host=reject"]
    said = account.run(argv if fsync else [*argv, "--no-sync"])
    if said.returncode != 0:
        shutil.rmtree(unfinished)
        raise DatabaseError(f"initdb for {data_dir} failed: {_last_words(said.stdout)}")
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(_SETTINGS)
    unfinished.rename(data_dir)


def launch(data_dir: Path, account: ServerAccount, binaries: Binaries, *, fsync: bool) -> None:
    """Start the server and wait until it answers; tried for START_RETRY_SECONDS. Raises DatabaseError."""
    retrying = Retrying(
        stop=stop_after_delay(START_RETRY_SECONDS),
        wait=wait_fixed(0.1),
        retry=retry_if_exception_type(DatabaseError),
        reraise=True,
    )
    retrying(_launch_once, data_dir, account, binaries, fsync)


def await_settled(data_dir: Path) -> process.Postmaster | None:
    """Return the running server once it answers, or None if there is none; waits while one starts, recovers or ends."""
    retrying = Retrying(
        stop=stop_after_delay(RECOVERY_SECONDS),
        wait=wait_fixed(0.1),
        retry=retry_if_result(lambda found: found is not None and not found.ready),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    found: process.Postmaster | None = retrying(process.running_postmaster, data_dir)
    if found is not None and not found.ready:
        raise DatabaseError(
            f"the embedded Postgres in {data_dir} (process {found.pid}) has been neither up nor down"
            f" for {RECOVERY_SECONDS} s: see {data_dir / 'server.log'}"
        )
    return found


def shut_down(data_dir: Path, account: ServerAccount, binaries: Binaries) -> None:
    """Stop the server, rolling back what its clients have open. Raises DatabaseError if it lasts over a minute."""
    said = account.run([binaries.bin / "pg_ctl", "stop", "-w", "-t", "60", "-m", "fast", "-D", data_dir])
    if said.returncode != 0 and process.running_postmaster(data_dir) is not None:
        raise DatabaseError(f"the embedded Postgres in {data_dir} did not stop: {_last_words(said.stdout)}")
    with suppress(OSError):  # something of somebody's is in it, or it is gone already
        socket_dir_for(data_dir).rmdir()


def _launch_once(data_dir: Path, account: ServerAccount, binaries: Binaries, fsync: bool) -> None:
    _clear_stale(data_dir)
    socket_dir = prepare_socket_dir(data_dir, account)
    log = data_dir / "server.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    before = log.stat().st_size if log.exists() else 0
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
    }
    if not fsync:
        # Commits stay synchronous: tests kill servers, and what was committed must be there afterwards.
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    wait: list[str | Path] = ["-w", "-t", str(RECOVERY_SECONDS)]
    said = account.run([binaries.bin / "pg_ctl", "start", *wait, "-D", data_dir, "-l", log, "-o", options])
    if said.returncode != 0:
        words = said.stdout
        if log.exists():
            with log.open("rb") as file:
                file.seek(before)
                words = file.read().decode(errors="replace") or words
        raise DatabaseError(f"the embedded Postgres in {data_dir} did not start: {_last_words(words)}")


def _clear_stale(data_dir: Path) -> None:
    """Remove the pid file of a killed server where its number now belongs to another process.

    Postgres itself clears a file whose number is free, and checks the shared memory named in it; a used number it
    takes for a running server. Removing the file takes that check away, so first no process may work in the data.
    """
    pid = process.recorded_pid(data_dir)
    if pid is None:
        return
    orphans = process.serving_pids(data_dir)
    if orphans:
        raise DatabaseError(
            f"processes {', '.join(map(str, orphans))} of a killed Postgres still work in {data_dir}: end them"
        )
    if process.exists(pid):
        _log.warning("removing the stale postmaster.pid of %s: process %d is no Postgres of it", data_dir, pid)
        (data_dir / "postmaster.pid").unlink()
        for leftover in socket_dir_for(data_dir).glob(".s.PGSQL.*"):
            leftover.unlink()


def _last_words(output: str) -> str:
    """Return the end of a program's output, in one line; the reason is often in a line before the fatal one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-4:]) or "it said nothing"
