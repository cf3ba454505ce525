"""`atlas alerts`: against a server that behaves like Discord."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from atlas.cli.alerts import alerts
from atlas.errors import ConfigurationError, CredentialError, TemporaryError, UnavailableError
from tests.fakes.discord_server import TOKEN, Answer, DiscordServer, rate_limited


def asked(place: Path, url: str, *words: str) -> Result:
    """Run `atlas alerts …` with a webhook; an error of ours is left in the result."""
    file = place / "atlas.toml"
    file.write_text(f'[discord]\nwebhook_url = "{url}"\n' if url else "")
    return CliRunner().invoke(alerts, [*words, "--config", str(file)])


def test_message_is_delivered_and_its_id_told(tmp_path: Path) -> None:
    with DiscordServer() as discord:
        result = asked(tmp_path, discord.url, "test", "--json")
        assert result.exit_code == 0, result.output
        assert '"delivered": true' in result.output
        (message,) = discord.messages
    assert "arrive here" in message["embeds"][0]["description"]


def test_failed_service_is_named_with_what_to_do(tmp_path: Path) -> None:
    with DiscordServer() as discord:
        assert asked(tmp_path, discord.url, "failed", "atlas.service").exit_code == 0
        (message,) = discord.messages
    embed = message["embeds"][0]
    assert embed["title"] == "Service failed"
    assert "journalctl -u atlas.service" in embed["description"]


def test_short_limit_is_waited_for(tmp_path: Path) -> None:
    with DiscordServer() as discord:
        discord.answers.append(rate_limited(0.05, header="0.05"))
        assert asked(tmp_path, discord.url, "test").exit_code == 0
        assert len(discord.messages) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), CredentialError),
        (Answer(500), UnavailableError),
        (rate_limited(600.0), TemporaryError),
    ],
)
def test_refusal_is_told_without_the_token(tmp_path: Path, answer: Answer, error: type[Exception]) -> None:
    with DiscordServer() as discord:
        discord.answers.append(answer)
        result = asked(tmp_path, discord.url, "test")
        assert discord.messages == []
    assert isinstance(result.exception, error)
    assert TOKEN not in str(result.exception)


def test_missing_webhook_says_where_to_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)
    result = asked(tmp_path, "", "test")
    assert isinstance(result.exception, ConfigurationError)
    assert "DISCORD_WEBHOOK_URL" in str(result.exception)
