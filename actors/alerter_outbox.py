"""What the alerter needs of the outbox. `system.py` hands it one over the database; behaviours do not import `db`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from atlas.picture import TradePicture


class Notice(msgspec.Struct, frozen=True):
    """One claimed row: something committed that the owner is to be told.

    `key` is the row's unique key. `attempt` counts from 1, this delivery included. `doubtful`: an earlier attempt had
    no known outcome, so this one may be a repeat. `payload` carries Decimals as strings and times as ISO 8601 UTC.
    """

    id: int
    key: str
    kind: str
    critical: bool
    payload: dict[str, Any]
    created_at: datetime
    attempt: int = 1
    doubtful: bool = False


class Told(msgspec.Struct, frozen=True):
    """A notice the channel has, since `at`, as the message `message_id`."""

    notice: Notice
    message_id: str
    at: datetime


class Outbox(Protocol):
    """The outbox of one account. Every method commits before it returns and raises DatabaseError if it cannot."""

    def claim(self, now: datetime) -> Notice | None:
        """Take the oldest row that is due, or None.

        Counts the attempt and writes down that its outcome is unknown, so that after a kill the row comes again (once
        the claim has run out) and as `doubtful`. Whoever claims it must report one of the three below.
        """

    def claim_more(self, now: datetime, most: int) -> list[Notice]:
        """Take up to `most` further rows that are due and not critical, oldest first; as `claim` does."""

    def waiting(self, now: datetime) -> int:
        """Return how many rows that are not critical are due and not claimed."""

    def entry_of(self, notice: Notice) -> Told | None:
        """Return the notice of the entry an exit belongs to, if the channel has that; None for any other notice."""

    def digest_of(self, notice: Notice) -> dict[str, Any] | None:
        """Return the numbers of a digest, None where there is no day to tell of."""

    def picture_of(self, notice: Notice) -> "TradePicture | None":
        """Return what a picture of an entry or exit shows, None where there is nothing to show."""

    def sent(self, notice_id: int, now: datetime, message_id: str | None) -> None:
        """Discord has it; `message_id` names it there if known."""

    def again(self, notice_id: int, at: datetime, error: str, *, doubtful: bool) -> None:
        """Not delivered as far as known: due again at `at`. `doubtful` stays set once it was."""

    def dropped(self, notice_id: int, now: datetime, reason: str) -> None:
        """It will never be delivered, for this reason."""

    def channel(self, now: datetime, state: str, error: str | None) -> None:
        """Keep the state of the Discord channel where health is shown: running, off, waiting or failed."""
