"""Many viewers of one page cost as much as one, and none sees what was before the change it was told of."""

import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.web.scene import Daemon, session_cookie
from web.panel import PAGES
from web.shared import MOST, Shared


class Counted:
    """Makes contents that tell how many were made before."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        return f"the {self.made}th"


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock: time stands still until its number is changed."""
    at = [100.0]
    monkeypatch.setattr("web.shared.time.monotonic", lambda: at[0])
    return at


def test_a_content_is_made_once_for_each_change(moment: list[float]) -> None:
    change, made = [1], Counted()
    one = Shared(lambda: change[0])
    assert [one.get("overview", made) for _ in range(24)] == ["the 1th"] * 24
    change[0] = 2
    assert [one.get("overview", made) for _ in range(24)] == ["the 2th"] * 24


def test_what_is_asked_for_differently_is_made_for_itself(moment: list[float]) -> None:
    one, made = Shared(lambda: 1), Counted()
    assert (one.get("trades?side=long", made), one.get("trades?side=short", made)) == ("the 1th", "the 2th")


def test_without_a_change_it_is_made_anew_after_a_second(moment: list[float]) -> None:
    one, made = Shared(lambda: 1), Counted()
    one.get("overview", made)
    moment[0] += 0.99
    assert one.get("overview", made) == "the 1th"
    moment[0] += 0.01
    assert one.get("overview", made) == "the 2th"


def test_where_no_change_is_known_nothing_is_shared(moment: list[float]) -> None:
    one, made = Shared(lambda: None), Counted()
    assert (one.get("overview", made), one.get("overview", made)) == ("the 1th", "the 2th")


def test_only_so_many_are_kept(moment: list[float]) -> None:
    one, made = Shared(lambda: 1), Counted()
    for number in range(MOST + 1):
        one.get(number, made)
    assert one.get(0, made) == f"the {MOST + 2}th"


def test_who_comes_while_it_is_made_waits_for_it(moment: list[float]) -> None:
    one, begun, go, got = Shared(lambda: 1), threading.Event(), threading.Event(), list[str]()

    def slow() -> str:
        begun.set()
        assert go.wait(60)
        return "made once"

    def never() -> str:
        raise AssertionError("made twice")

    def ask(make: Callable[[], str]) -> threading.Thread:
        thread = threading.Thread(target=lambda: got.append(one.get("overview", make)))
        thread.start()
        return thread

    first = ask(slow)
    assert begun.wait(60)
    others = [ask(never) for _ in range(5)]
    go.set()
    for thread in (first, *others):
        thread.join(60)
    assert got == ["made once"] * 6


def test_after_one_that_failed_the_next_makes_it(moment: list[float]) -> None:
    one = Shared(lambda: 1)

    def fail() -> str:
        raise RuntimeError("the database is away")

    with pytest.raises(RuntimeError):
        one.get("overview", fail)
    assert one.get("overview", lambda: "there") == "there"


@pytest.fixture
def watched(app: Flask, site: str) -> Iterator[Callable[[], str]]:
    """Return what waits for the stream's next event and then returns the overview's content, as a page does."""
    cookie = session_cookie(app)
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    stream, pages = (HTTPConnection(urlsplit(site).netloc, timeout=60) for _ in range(2))
    stream.request("GET", "/stream", headers=headers)
    told = stream.getresponse()

    def content() -> str:
        for _ in range(20):  # lines, of which a silent stream has two in 15 s
            if told.readline().startswith(b"event:"):
                break
        else:
            raise AssertionError("the stream told of no change")
        pages.request("GET", "/content/overview", headers=headers)
        return pages.getresponse().read().decode()

    yield content
    pages.close()
    stream.close()


def test_a_viewer_that_was_told_of_a_change_sees_it(busy: Daemon, watched: Callable[[], str]) -> None:
    assert "+$24.30" in watched()
    busy.quote("60700", seconds=1)
    while "+$64.30" not in watched():
        pass  # told of the listening itself: of the quote it is told once more, and only once


def test_a_content_with_a_form_is_of_one_session() -> None:
    assert [page.name for page in PAGES if page.of_session] == ["control"]
