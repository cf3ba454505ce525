"""From claimed notices to what is sent: one with its picture, several in one message, or a list of very many."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from actors.alerter_digest import DIGESTS, curve
from actors.alerter_embeds import TOTAL, compose, compose_list, weight
from actors.alerter_outbox import Notice, Outbox, Told
from atlas.errors import DatabaseError

MOST_EMBEDS = 10
"""Discord's limit of one message."""

EDITED_FOR = timedelta(minutes=55)
"""So long after an entry was told its exit is put into the same message: Discord limits edits after an hour."""

_log = logging.getLogger(__name__)


class Message(msgspec.Struct, frozen=True):
    """What one request tells. `picture` is a PNG for the first embed, `edits` the id of the message to be replaced."""

    notices: tuple[Notice, ...]
    embeds: tuple[dict[str, Any], ...]
    picture: bytes | None = None
    edits: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        return {"username": "ATLAS", "embeds": list(self.embeds)}


def one(notice: Notice, outbox: Outbox, account: str, now: datetime) -> Message:
    """Return the message of one notice; an exit while its entry's message is young becomes part of that."""
    told = _entry_of(notice, outbox)
    embed = compose(notice, account)
    picture = _picture(notice, outbox)
    if told is None or not timedelta(0) <= now - told.at < EDITED_FOR:
        return Message((notice,), (embed,), picture)
    before = compose(told.notice, account)
    if weight(embed) + weight(before) > TOTAL:
        return Message((notice,), (embed,), picture)
    return Message((notice,), (embed, before), picture, told.message_id)


def several(notices: Sequence[Notice], account: str) -> Message:
    """Return one message with an embed for each of the first notices, as many as Discord takes; the rest is left."""
    embeds: list[dict[str, Any]] = []
    left = TOTAL
    for notice in notices[:MOST_EMBEDS]:
        embed = compose(notice, account)
        left -= weight(embed)
        if left < 0 and embeds:
            break
        embeds.append(embed)
    return Message(tuple(notices[: len(embeds)]), tuple(embeds))


def listed(notices: Sequence[Notice], account: str) -> Message:
    """Return one message that names all the notices, a line each."""
    return Message(tuple(notices), (compose_list(notices, account),))


def _entry_of(notice: Notice, outbox: Outbox) -> Told | None:
    try:
        return outbox.entry_of(notice)
    except DatabaseError as error:
        _log.warning("alert %s is posted by itself: %s", notice.key, error)
        return None


def _picture(notice: Notice, outbox: Outbox) -> bytes | None:
    """A notice goes out without its picture where that cannot be drawn, whatever the reason."""
    try:
        # Pillow is loaded when there is something to draw.
        from atlas.picture import equity_png, trade_png

        if notice.kind in DIGESTS:
            days = curve(notice)
            return equity_png(days) if len(days) > 1 else None
        shown = outbox.picture_of(notice)
        return None if shown is None else trade_png(shown)
    except DatabaseError as error:
        _log.warning("alert %s goes out without its picture: %s", notice.key, error)
    except Exception:  # the words matter more than the picture
        _log.exception("the picture of alert %s could not be drawn", notice.key)
    return None
