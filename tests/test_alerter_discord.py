"""The Discord client, over real HTTP against a server that behaves like Discord."""

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from actors.alerter_discord import ChannelGone, Delivered, Failed, Limited, Missing, Refused, Webhook
from atlas.errors import ConfigurationError
from tests.fakes.discord_limits import MOST_BYTES, RateLimit
from tests.fakes.discord_server import TOKEN, Answer, DiscordServer, rate_limited

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HELLO = {"embeds": [{"title": "hello @everyone"}]}


@pytest.fixture
def discord() -> Iterator[DiscordServer]:
    with DiscordServer() as server:
        yield server


@pytest.fixture
def webhook(discord: DiscordServer) -> Iterator[Webhook]:
    webhook = Webhook(discord.url, timeout=(5.0, 0.5))
    yield webhook
    webhook.close()


def test_a_message_is_delivered_and_its_id_known(discord: DiscordServer, webhook: Webhook) -> None:
    outcome = webhook.post(NOW, HELLO)
    assert isinstance(outcome, Delivered)
    assert outcome.message_id == "1000000000000000001"
    assert discord.requests[0].path.endswith("?wait=true")


def test_nobody_is_ever_mentioned(discord: DiscordServer, webhook: Webhook) -> None:
    webhook.post(NOW, {**HELLO, "allowed_mentions": {"parse": ["everyone"]}})
    assert discord.messages[0]["allowed_mentions"] == {"parse": []}


def test_the_sixth_message_in_two_seconds_waits(discord: DiscordServer, webhook: Webhook) -> None:
    outcomes = [webhook.post(NOW + timedelta(milliseconds=n), HELLO) for n in range(6)]
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 5 + [Limited]
    assert isinstance(outcomes[5], Limited)
    assert 1.9 < outcomes[5].seconds <= 2.1
    assert len(discord.requests) == 5
    assert isinstance(webhook.post(NOW + timedelta(seconds=2.1), HELLO), Delivered)


def test_a_process_started_anew_is_told_that_the_limit_is_used_up_and_asks_no_more() -> None:
    with DiscordServer(RateLimit(5, 60.0)) as discord:
        killed, started = Webhook(discord.url), Webhook(discord.url)
        for number in range(5):
            assert isinstance(killed.post(NOW + timedelta(milliseconds=number), HELLO), Delivered)
        assert isinstance(killed.post(NOW + timedelta(seconds=3), HELLO), Limited), "the fifth answer said so"
        outcomes = [started.post(NOW + timedelta(milliseconds=number), HELLO) for number in range(2)]
        killed.close()
        started.close()
    for outcome in outcomes:
        assert isinstance(outcome, Limited)
        assert 0 < outcome.seconds <= 60
    assert (len(discord.requests), discord.too_many) == (6, 1)


def test_a_429_is_obeyed_to_the_fraction(discord: DiscordServer, webhook: Webhook) -> None:
    discord.answers.append(rate_limited(1.337, header="1.337"))
    assert webhook.post(NOW, HELLO) == Limited(1.337, "Discord answered 429, retry after 1.337 s")
    assert isinstance(webhook.post(NOW + timedelta(seconds=1.3), HELLO), Limited)
    assert len(discord.requests) == 1, "nothing is asked before the time is over"
    assert isinstance(webhook.post(NOW + timedelta(seconds=1.34), HELLO), Delivered)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (rate_limited(0.4), 1.0),
        (Answer(429, {"Retry-After": "7"}, b"<html>error 1015</html>"), 7.0),
        (Answer(429, {}, b""), 60.0),
        (Answer(429, {"Retry-After": "nan"}, b'{"retry_after": -3}'), 60.0),
        (Answer(429, {"Retry-After": "1e9"}, b"[]"), 3600.0),
    ],
)
def test_the_longest_wait_named_is_taken_and_nonsense_is_not(
    discord: DiscordServer, webhook: Webhook, answer: Answer, seconds: float
) -> None:
    discord.answers.append(answer)
    outcome = webhook.post(NOW, HELLO)
    assert isinstance(outcome, Limited)
    assert outcome.seconds == seconds


def test_an_exhausted_bucket_is_waited_for_before_it_becomes_a_429(discord: DiscordServer, webhook: Webhook) -> None:
    discord.answers.append(Answer(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}))
    assert isinstance(webhook.post(NOW, HELLO), Delivered)
    assert webhook.post(NOW, HELLO) == Limited(1.5, "waiting for the rate limit")
    assert len(discord.requests) == 1


def test_a_clock_set_back_does_not_lengthen_the_wait(discord: DiscordServer, webhook: Webhook) -> None:
    discord.answers.append(rate_limited(30))
    webhook.post(NOW, HELLO)
    assert isinstance(webhook.post(NOW - timedelta(hours=5), HELLO), Delivered)


@pytest.mark.parametrize("status", [401, 403, 404, 301])
def test_a_refused_webhook_is_gone(discord: DiscordServer, webhook: Webhook, status: int) -> None:
    location = {"Location": discord.url} if status == 301 else {}
    discord.answers.append(Answer(status, location, b'{"message": "Unknown Webhook"}'))
    assert isinstance(webhook.post(NOW, HELLO), ChannelGone)
    assert len(discord.requests) == 1


def test_a_400_refuses_the_message_and_says_why(discord: DiscordServer, webhook: Webhook) -> None:
    outcome = webhook.post(NOW, {"embeds": [{"title": "x" * 257}]})
    assert isinstance(outcome, Refused)
    assert "256 or fewer" in outcome.reason


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_5xx_is_to_be_tried_again_and_may_have_arrived(discord: DiscordServer, webhook: Webhook, status: int) -> None:
    discord.answers.append(Answer(status, {}, b"upstream"))
    assert webhook.post(NOW, HELLO) == Failed(f"Discord answered {status}: upstream", doubtful=True)


@pytest.mark.parametrize("answer", [Answer(hang=True, accept=True), Answer(hang_up=True, accept=True)])
def test_silence_after_the_request_is_doubtful(discord: DiscordServer, webhook: Webhook, answer: Answer) -> None:
    discord.answers.append(answer)
    outcome = webhook.post(NOW, HELLO)
    assert isinstance(outcome, Failed)
    assert outcome.doubtful
    assert len(discord.messages) == 1, "it had arrived"


def test_a_refused_connection_is_not_doubtful() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        webhook = Webhook(f"http://127.0.0.1:{unused.getsockname()[1]}/api/webhooks/1/{TOKEN}")
        outcome = webhook.post(NOW, HELLO)
    webhook.close()
    assert isinstance(outcome, Failed)
    assert not outcome.doubtful
    assert TOKEN not in outcome.reason
    assert "[token]" in outcome.reason


def test_a_picture_goes_along(discord: DiscordServer, webhook: Webhook) -> None:
    assert isinstance(webhook.post(NOW, HELLO, picture=b"\x89PNG"), Delivered)
    assert [request.files for request in discord.requests] == [{"bars.png": b"\x89PNG"}]
    (embed,) = discord.messages[0]["embeds"]
    assert embed == {**HELLO["embeds"][0], "image": {"url": "attachment://bars.png"}}


def test_a_413_is_sent_again_without_its_picture(discord: DiscordServer, webhook: Webhook) -> None:
    discord.refuse_pictures = True
    assert isinstance(webhook.post(NOW, HELLO, picture=b"\x89PNG"), Delivered)
    assert [len(request.files) for request in discord.requests] == [1, 0]
    assert discord.messages[0]["embeds"] == HELLO["embeds"], "and nothing refers to the picture"


def test_the_token_is_in_no_log_outcome_or_repr(
    discord: DiscordServer, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    discord.answers.extend([Answer(404, {}, TOKEN.encode()), Answer(hang_up=True), Answer(hang=True), Answer()])
    with caplog.at_level(logging.DEBUG):
        outcomes = [webhook.post(NOW, HELLO) for _ in range(4)]
    assert "/api/webhooks/" in caplog.text, "urllib3 writes the path to its log"
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(outcomes) + repr(webhook)


@pytest.mark.parametrize(
    "url", ["", "discord.com/api/webhooks/1/abc", "http://discord.com/api/webhooks/1/abcdef", "https://"]
)
def test_a_webhook_that_is_no_https_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"discord\.com/api/webhooks") as caught:
        Webhook(url)
    assert "abcdef" not in str(caught.value)


# ── edits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def posted(webhook: Webhook, picture: bytes | None = None) -> str:
    outcome = webhook.post(NOW, HELLO, picture=picture)
    assert isinstance(outcome, Delivered)
    assert outcome.message_id is not None
    return outcome.message_id


def test_an_edit_replaces_the_message_and_its_picture_in_place(discord: DiscordServer, webhook: Webhook) -> None:
    message_id = posted(webhook, b"\x89PNG old")
    outcome = webhook.edit(NOW, message_id, {"embeds": [{"title": "new"}]}, picture=b"\x89PNG new")
    assert outcome == Delivered(message_id)
    (shown,) = discord.shown.values()
    assert (shown["embeds"][0]["title"], shown["files"]) == ("new", {"bars.png": b"\x89PNG new"})
    assert shown["allowed_mentions"] == {"parse": []}


def test_an_edit_without_a_picture_takes_the_old_one_away(discord: DiscordServer, webhook: Webhook) -> None:
    message_id = posted(webhook, b"\x89PNG old")
    webhook.edit(NOW, message_id, {"embeds": [{"title": "new"}]})
    assert discord.shown[message_id]["files"] == {}


def test_a_message_that_was_deleted_or_is_too_old_is_missing_and_the_webhook_is_not_gone(
    discord: DiscordServer, webhook: Webhook
) -> None:
    first, second = posted(webhook), posted(webhook)
    discord.deleted.add(first)
    discord.aged.add(second)
    for message_id, said in ((first, "Unknown Message"), (second, "older than 1 hour")):
        outcome = webhook.edit(NOW, message_id, HELLO)
        assert isinstance(outcome, Missing)
        assert said in outcome.reason


def test_a_webhook_that_is_gone_is_gone_for_edits_too(discord: DiscordServer, webhook: Webhook) -> None:
    message_id = posted(webhook)
    discord.answers.append(Answer(404, {}, b'{"message": "Unknown Webhook", "code": 10015}'))
    assert isinstance(webhook.edit(NOW, message_id, HELLO), ChannelGone)


def test_files_of_more_than_ten_megabytes_are_left_out(discord: DiscordServer, webhook: Webhook) -> None:
    assert isinstance(webhook.post(NOW, HELLO, picture=b"\x89PNG" + bytes(MOST_BYTES)), Delivered)
    assert [len(request.files) for request in discord.requests] == [1, 0]
