"""What the daemon does about itself beside trading: retention, the disks, the night audit, the dead man's switch."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Engine

from actors.disk_watch import DiskWatch
from actors.messages import Alert, Event
from actors.night_audit import NightAudit
from actors.opening import Ticker
from actors.runtime.post import Post
from actors.runtime.retention import prune_recordings, recorded_between, recordings
from actors.runtime.threads import utc_now
from actors.runtime.watch import Child
from actors.signs import Signs
from atlas.config import Settings
from db.embedded import EmbeddedServer
from db.engine import session
from db.keeper import Keeper
from db.repositories import daemon, night_audit

RETENTION_EVERY = 3600.0
LOOK_AT_DISKS_EVERY = 30.0
LOOK_AT_SERVER_EVERY = 2.0

_log = logging.getLogger(__name__)


class Upkeep(msgspec.Struct, frozen=True):
    """Where it is to be done. `disks` are places on every disk that is written to.

    `audit` gives the words of the command that audits a day, None where there is none. `server` is the embedded server,
    None for one elsewhere.
    """

    account: str
    recording: Path
    disks: tuple[Path, ...]
    audit: Callable[[date], Sequence[str]] | None = None
    server: EmbeddedServer | None = None

    def children(
        self, settings: Settings, engine: Engine, post: Post, signs: Signs, spool_empty: Callable[[], bool]
    ) -> list[Child]:
        """Return what does it, to be started when all actors are. Raises DatabaseError."""
        upkeep = settings.upkeep
        disks = DiskWatch(self.disks, upkeep.disk_percent, post)
        found: list[Child] = [
            Ticker("retention", RETENTION_EVERY, lambda: self._forget(settings, engine)),
            Ticker("disk watch", LOOK_AT_DISKS_EVERY, disks.look),
        ]
        if self.server is not None:
            found.append(self._keeper(self.server, post))
        if upkeep.audit and self.audit is not None:
            found.append(self._night_audit(self.audit, upkeep.audit_hour, engine, post, spool_empty))
        if upkeep.ping_url.get_secret_value():
            found.append(Ticker("dead man's switch", upkeep.ping_seconds, signs.ping, waited_for=False))
        return found

    def _keeper(self, server: EmbeddedServer, post: Post) -> Ticker:
        def tell(text: str) -> None:
            now = utc_now()
            post.send("keeper", "journal", Alert("database_revived", f"{now:%Y%m%dT%H%M%S.%f}", now, text, True))

        return Ticker("embedded database", LOOK_AT_SERVER_EVERY, Keeper(server, tell).look)

    def _forget(self, settings: Settings, engine: Engine) -> None:
        """Delete what is older than the settings keep it; of money nothing ever is."""
        now, days = utc_now(), settings.recorder.days
        gone = prune_recordings(self.recording.parent, self.recording, now, timedelta(days=days))
        if gone:
            _log.info("recordings deleted after %d days: %s", days, ", ".join(gone))
        with session(engine) as connection:
            actors = daemon.forget_health(connection, now - timedelta(days=settings.upkeep.health_days))
        if actors:
            _log.info("health of actors that are no more deleted: %s", ", ".join(actors))

    def _night_audit(
        self,
        audit: Callable[[date], Sequence[str]],
        hour: int,
        engine: Engine,
        post: Post,
        spool_empty: Callable[[], bool],
    ) -> NightAudit:
        def tell(event: Event) -> None:
            post.send("night audit", "journal", event)

        def ready(day: date) -> bool:
            begin = datetime.combine(day, time(), UTC)
            end = begin + timedelta(days=1)
            return spool_empty() and any(
                recorded_between(directory, begin, end) for directory in recordings(self.recording.parent)
            )

        with session(engine) as connection:
            last = night_audit.last(connection, self.account)
        return NightAudit(audit, hour, tell, ready=ready, audited=None if last is None else last.day)
