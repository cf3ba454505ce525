"""Channels other than Discord, by the library apprise (the extra `channels`): mail, Telegram, ntfy and many more.

A channel's URL holds its secret: it appears in no outcome, no `repr`, and the library's own log is switched off.
"""

import logging
from datetime import datetime
from hashlib import sha256
from typing import Any

from actors.alerter_discord import Delivered, Failed, Missing, Outcome
from atlas.errors import ConfigurationError


class AppriseChannel:
    """One channel. `name` is its scheme and a hash of its URL, under which its deliveries and its health are kept.

    Raises ConfigurationError if the library is not installed or does not know the URL's form.
    """

    def __init__(self, url: str) -> None:
        try:
            import apprise
        except ImportError:
            raise ConfigurationError(
                "`channels.urls` is set, but the library apprise is not installed: install ATLAS with the extra "
                "`channels`, or leave the setting out"
            ) from None
        scheme = url.partition("://")[0]
        # It would write URLs and what services answer.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._apprise = apprise
        self._channel = apprise.Apprise()
        if not self._channel.add(url):
            raise ConfigurationError(
                f"`channels.urls` = (hidden, scheme {scheme[:20]!r}) is wrong: apprise knows no such channel; write it "
                "as apprise documents it, e.g. ntfys://host/topic"
            )
        self.name = f"channel:{scheme[:20]}-{sha256(url.encode()).hexdigest()[:6]}"

    def __repr__(self) -> str:
        return f"AppriseChannel({self.name}, URL hidden)"

    def close(self) -> None:
        """There is no connection to be closed."""

    def post(self, now: datetime, message: dict[str, Any], *, picture: bytes | None = None) -> Outcome:
        """Send a message, its embeds as plain text, and return what became of it; never raises."""
        title, body = plain(message)
        attached: Any = None
        if picture is not None:
            from apprise.attachment.memory import AttachMemory

            attached = AttachMemory(content=picture, name="bars.png", mimetype="image/png")  # type: ignore[no-untyped-call]  # apprise's
        try:
            taken = bool(
                self._channel.notify(
                    title=title, body=body, body_format=self._apprise.NotifyFormat.TEXT, attach=attached
                )
            )
        except Exception as error:  # what it raises depends on the service; its text may hold the URL
            return Failed(f"{self.name}: {type(error).__name__}", doubtful=True)
        return Delivered(None) if taken else Failed(f"{self.name} did not take it", doubtful=True)

    def edit(
        self, now: datetime, message_id: str, message: dict[str, Any], *, picture: bytes | None = None
    ) -> Outcome:
        """No channel's messages are edited."""
        return Missing(f"{self.name} cannot edit")


def channels_of(urls: str) -> list[AppriseChannel]:
    """Return a channel for each URL between spaces or lines, each once. Raises ConfigurationError."""
    return [AppriseChannel(url) for url in dict.fromkeys(urls.split())]


def plain(message: dict[str, Any]) -> tuple[str, str]:
    """Return title and text of a message: the first embed's title, then each embed's words, a line for each field."""
    embeds = message["embeds"]
    parts = []
    for number, embed in enumerate(embeds):
        lines = [embed.get("title", "")] if number else []
        lines += [embed.get("description", "")]
        lines += [f"{field['name']}: {field['value']}" for field in embed.get("fields", ())]
        lines += [embed.get("footer", {}).get("text", "")]
        parts.append("\n".join(line for line in lines if line))
    return embeds[0].get("title", "ATLAS"), "\n\n".join(parts)
