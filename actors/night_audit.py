"""The night audit: once a day the day before is replayed from its recording, in a process of its own.

That process has the lowest priority and ends with this one. What it finds becomes an event of the journal: a clean
night is shown by `atlas status` and `atlas doctor`, a difference is a critical alert.
"""

import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import msgspec

from actors.messages import Alert, Event, NightAudited
from actors.runtime.threads import utc_now

LOOK_EVERY = 60.0
AFTER = timedelta(minutes=10)
"""How long after the hour it begins: a day is replayed from a checkpoint to a few minutes past its midnight."""
AGAIN_AFTER = timedelta(hours=1)
"""When an audit that could not be made is tried again."""
FOUND_DIFFERENCES = 65
"""The exit code of an audit that found differences (DataError)."""

_log = logging.getLogger(__name__)


class Ready(Protocol):
    """Whether a day can be judged now."""

    def __call__(self, day: date) -> bool:
        """Return False where nothing was recorded that day, or where not all of it is in the database yet."""


class NightAudit:
    """A child of the supervisor with a thread of its own."""

    name = "night audit"
    actors: Sequence[str] = ()

    def __init__(
        self,
        command: Callable[[date], Sequence[str]],
        hour: int,
        tell: Callable[[Event], None],
        *,
        ready: Ready,
        audited: date | None,
        clock: Callable[[], datetime] = utc_now,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`command` gives the words that audit a day and print a NightAudited as JSON; `hour` is UTC.

        `audited` is the last day that was audited.
        """
        self._command, self._hour, self._tell, self._ready = command, hour, tell, ready
        self._audited, self._clock, self._look_every = audited, clock, look_every
        self._not_before = datetime.min.replace(tzinfo=UTC)
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self, timeout: float) -> None:
        """Start the thread; nothing is audited at once."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End; an audit under way is killed, it only reads."""
        self._ending.set()
        with self._lock:
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def pulse(self, number: int) -> None:
        """It holds no actor."""

    def oldest_waiting(self) -> float:
        """It holds no inputs."""
        return 0.0

    def _run(self) -> None:
        while not self._ending.wait(self._look_every):
            day = self._due()
            if day is not None:
                self._audit(day)

    def _due(self) -> date | None:
        now = self._clock()
        today = datetime.combine(now.date(), time(self._hour), UTC)
        day = (now - timedelta(days=1)).date()
        if now < max(today + AFTER, self._not_before) or self._audited == day or not self._ready(day):
            return None
        return day

    def _audit(self, day: date) -> None:
        _log.info("the night audit of %s begins", day)
        try:
            code, out, err = self._ended(self._command(day))
            found = msgspec.json.decode(out, type=NightAudited) if code in (0, FOUND_DIFFERENCES) and out else None
        except (OSError, msgspec.MsgspecError) as error:
            code, found, err = 70, None, str(error).encode()
        if self._ending.is_set():
            return
        if found is not None:
            self._audited = day
            level = logging.ERROR if found.differences else logging.INFO
            _log.log(level, "the night audit of %s: %d events, %d differ", day, found.events, found.differences)
            self._tell(found)
            return
        now = self._clock()
        self._not_before = now + AGAIN_AFTER
        lines = err.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else "it said nothing"
        _log.warning("the night audit of %s could not be made (exit code %d): %s", day, code, why)
        text = f"The night audit of {day} could not be made (exit code {code}): {why}. It is tried again in an hour."
        self._tell(Alert("night_audit_failed", day.isoformat(), now, text))

    def _ended(self, command: Sequence[str]) -> tuple[int, bytes, bytes]:
        """Run the command to its end; return its exit code and its words. A signal to our group does not reach it."""
        with self._lock:
            if self._ending.is_set():
                return 0, b"", b""
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        with self._process as process:
            out, err = process.communicate()
        return process.returncode, out, err
