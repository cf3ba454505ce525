"""Critical alerts while the database is away: once they are in the spool they count as committed, and may be sent.

The journal offers them, the outbox gives them to the alerter when it cannot read its own table, and when the row turns
up after all, it is known to be delivered. In memory only: after a kill the drained spool tells again (at least once).
"""

import threading
from collections import deque
from datetime import datetime
from typing import Any

from actors.alerter_outbox import Notice

REMEMBERED = 1000
"""Keys of rows kept: a commit whose answer got lost is spooled, and offered, after its row may have been sent."""


class Urgent:
    """Notices that are not in the database yet, with negative ids. Used by the journal's and the alerter's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[datetime, Notice]] = {}
        self._delivered: dict[str, str | None] = {}
        self._rows: deque[str] = deque(maxlen=REMEMBERED)
        self._number = 0

    def offer(self, key: str, kind: str, payload: dict[str, Any], at: datetime) -> None:
        """Let a notice be sent before its row is there."""
        with self._lock:
            waiting = {notice.key for _, notice in self._waiting.values()}
            if key in self._delivered or key in self._rows or key in waiting:
                return
            self._number -= 1
            notice = Notice(self._number, key, kind, True, payload, at, attempt=0)
            self._waiting[notice.id] = (at, notice)

    def claim(self, now: datetime) -> Notice | None:
        """Return the oldest notice that is due, or None. It stays until `sent` or `dropped`."""
        with self._lock:
            for due, notice in self._waiting.values():
                if due <= now:
                    tried = Notice(**{**_fields(notice), "attempt": notice.attempt + 1})
                    self._waiting[notice.id] = (due, tried)
                    return tried
        return None

    def again(self, notice_id: int, at: datetime, *, doubtful: bool) -> None:
        """Not delivered as far as known: due again at `at`."""
        with self._lock:
            found = self._waiting.get(notice_id)
            if found is not None:
                notice = Notice(**{**_fields(found[1]), "doubtful": doubtful or found[1].doubtful})
                self._waiting[notice_id] = (at, notice)

    def sent(self, notice_id: int, message_id: str | None) -> None:
        """Delivered: its row will be marked when it turns up."""
        with self._lock:
            found = self._waiting.pop(notice_id, None)
            if found is not None:
                self._delivered[found[1].key] = message_id

    def dropped(self, notice_id: int) -> None:
        """Not to be sent from here any more; its row will be tried like any other."""
        with self._lock:
            self._waiting.pop(notice_id, None)

    def settle(self, key: str) -> tuple[bool, str | None]:
        """The row of `key` is there: return whether it was delivered, and Discord's id, and forget it."""
        with self._lock:
            self._rows.append(key)
            for notice_id in [id_ for id_, (_, notice) in self._waiting.items() if notice.key == key]:
                del self._waiting[notice_id]
            return key in self._delivered, self._delivered.pop(key, None)


def _fields(notice: Notice) -> dict[str, Any]:
    return {name: getattr(notice, name) for name in notice.__struct_fields__}
