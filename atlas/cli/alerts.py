"""`atlas alerts`: does the Discord webhook work, and a word to it from a service that is not the daemon."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json
from atlas.errors import AtlasError, ConfigurationError, CredentialError, DataError, TemporaryError, UnavailableError

if TYPE_CHECKING:
    from actors.alerter_discord import Outcome

TRIES = 3
"""So often a message is tried: Discord answers most faults within seconds, and nobody waits here for longer."""


@click.group()
def alerts() -> None:
    """Alerts: test, failed."""


@alerts.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def test(choice: Choice, as_json: bool) -> None:
    """Send one message to the webhook and every other channel, and say what became of it.

    The exit code is 0 if all have it, 77 if the webhook is refused, 69 if one of them cannot be reached.
    """
    _send(choice, "info", f"A test: alerts of account {choice.account} arrive here.", as_json)


@alerts.command()
@shared
@click.argument("unit")
@click.option("--json", "as_json", is_flag=True)
def failed(choice: Choice, unit: str, as_json: bool) -> None:
    """Say that the service UNIT has failed and stays down; systemd asks for it (deploy/systemd)."""
    text = f"The service {unit} has failed and stays down. Look with `journalctl -u {unit} -e` and `atlas doctor`."
    _send(choice, "service_failed", text, as_json)


def _send(choice: Choice, kind: str, text: str, as_json: bool) -> None:
    """Send one notice outside the outbox: the daemon, whose outbox that is, may be what has failed."""
    from actors.alerter_apprise import channels_of
    from actors.alerter_discord import Delivered, Webhook
    from actors.alerter_embeds import compose
    from actors.alerter_outbox import Notice

    url = choice.settings.discord.webhook_url.get_secret_value()
    others = channels_of(choice.settings.channels.urls.get_secret_value())
    if not url and not others:
        raise ConfigurationError(
            "there is no Discord webhook: set DISCORD_WEBHOOK_URL in the environment or as a systemd credential, or "
            "`webhook_url` in the section [discord] of atlas.toml"
        )
    now = datetime.now(UTC)
    notice = Notice(0, f"{kind}:{now:%Y%m%dT%H%M%S}", kind, kind == "service_failed", {"text": text}, now)
    message = {"embeds": [compose(notice, choice.account)]}
    told: dict[str, str | None] = {}
    channels: list[tuple[str, Any]] = [("Discord", Webhook(url))] if url else []
    channels += [(each.name, each) for each in others]
    for name, channel in channels:
        try:
            outcome = _tried(channel, message)
        finally:
            channel.close()
        if not isinstance(outcome, Delivered):
            raise _error(outcome)
        told[name] = outcome.message_id
        if not as_json:
            as_message = f", as message {outcome.message_id}" if outcome.message_id else ""
            click.echo(f"{name} has it{as_message}")
    if as_json:
        print_json({"delivered": True, "message_id": told.get("Discord"), "channels": list(told)})


def _tried(webhook: Any, message: dict[str, Any]) -> "Outcome":
    """Return what became of a message at last; a limit of a few seconds is waited for."""
    from time import sleep

    from actors.alerter_discord import Failed, Limited

    for left in reversed(range(TRIES)):
        outcome: Outcome = webhook.post(datetime.now(UTC), message)
        match outcome:
            case Limited(seconds, _) if left and seconds <= 10:
                sleep(seconds)
            case Failed(_, False) if left:
                sleep(1)
            case _:
                break
    return outcome


def _error(outcome: "Outcome") -> AtlasError:
    """Return the error an outcome is; what may have arrived is not sent twice."""
    from actors.alerter_discord import ChannelGone, Failed, Limited

    match outcome:
        case ChannelGone(reason):
            return CredentialError(f"the webhook is refused: {reason}; copy its URL anew from the channel's settings")
        case Limited(_, reason):
            return TemporaryError(f"nothing was sent: {reason}")
        case Failed(reason, doubtful):
            return UnavailableError(f"{'it may not have arrived' if doubtful else 'nothing was sent'}: {reason}")
        case _:
            return DataError(f"Discord did not take the message: {outcome}")
