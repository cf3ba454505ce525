"""Names, and what becomes of a message that finds nobody."""

from typing import Any

import pykka
import pytest

from actors.messages import DeadLetter
from actors.runtime import Post, Sink


class Stopped:
    def tell(self, message: Any) -> None:
        raise pykka.ActorDeadError("gone")


def test_a_message_reaches_its_name() -> None:
    post, sink = Post(), Sink()
    post.bind("reader", sink)
    post.send("writer", "reader", "hello")
    assert sink.messages == ["hello"]
    assert post.buried == 0


def test_dead_letters_are_kept_counted_and_shown_to_journal_and_listener() -> None:
    heard: list[DeadLetter] = []
    post, journal = Post(heard.append, keep=2), Sink()
    post.bind("journal", journal)
    post.bind("feed", Stopped())
    for number in range(3):
        post.send("writer", "feed", number)
    assert [letter.text for letter in post.dead_letters] == ["1", "2"]
    assert post.buried == 3
    assert journal.messages == heard
    assert [letter.reason for letter in heard] == ["feed has stopped"] * 3


def test_a_dead_letter_about_a_dead_letter_goes_no_further() -> None:
    heard: list[DeadLetter] = []
    post = Post(heard.append)
    post.bind("journal", Stopped())
    post.send("writer", "journal", "lost")
    post.send("writer", "journal", heard[0])
    assert post.buried == 2
    assert len(heard) == 1


def test_a_failing_listener_does_not_stop_the_sender(caplog: pytest.LogCaptureFixture) -> None:
    def listener(letter: DeadLetter) -> None:
        raise OSError("the listener's disk is full")

    post = Post(listener)
    post.send("writer", "nobody", "lost")
    assert post.buried == 1
    assert "the listener's disk is full" in caplog.text


def test_a_huge_message_is_cut_in_its_dead_letter() -> None:
    post = Post()
    post.send("writer", "nobody", "x" * 100_000)
    assert len(post.dead_letters[0].text) == 2000


def test_what_goes_to_nobody_can_be_left_out_on_purpose() -> None:
    outside = Sink()
    post = Post(otherwise=outside)
    post.send("writer", "nobody", "unheard")
    assert (outside.messages, post.buried) == (["unheard"], 0)
