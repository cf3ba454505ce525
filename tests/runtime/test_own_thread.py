"""Actors with their own thread: wall timers, asks, crashes, and an end that loses nothing silently."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pykka
import pytest

from actors.messages import Crashed, Fatal, Flush
from actors.runtime import After, AfterWall, Behaviour, Effect, OwnThread, Policy, Post, Reply, Role, Send, Sink
from actors.runtime.sabotage import Saboteur
from atlas.errors import DatabaseError, InternalError, UnavailableError

THEN = datetime(2026, 3, 2, tzinfo=UTC)


class Written(msgspec.Struct):
    rows: list[str] = []


class Writer(Behaviour[Written]):
    """Keeps rows; flushes them when asked; does as some of them say."""

    def __init__(self, state: Written, opened: list[str], closed: list[str]) -> None:
        self.state = state
        self._opened, self._closed = opened, closed

    def start(self, now: datetime) -> Iterable[Effect]:
        self._opened.append("started")
        return ()

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        if isinstance(message, Flush):
            return [Reply(len(self.state.rows))]
        if callable(message):
            return list(message() or ())
        self.state.rows.append(message)
        return [Send("reader", (now, message))]

    def resume(self, now: datetime) -> Iterable[Effect]:
        self._opened.append("resumed")
        return ()

    def stop(self) -> None:
        self._closed.append("closed")


class Inbox(Sink):
    """A sink that can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = threading.Condition()

    def tell(self, message: Any) -> None:
        with self._grown:
            super().tell(message)
            self._grown.notify_all()

    def wait_for(self, count: int) -> list[Any]:
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.messages) >= count, timeout=30), self.messages
            return self.messages


class Stage:
    def __init__(self) -> None:
        self.post = Post()
        self.reader, self.supervisor, self.journal = Inbox(), Inbox(), Inbox()
        for name in ("reader", "supervisor", "journal"):
            self.post.bind(name, getattr(self, name))
        self.saboteur = Saboteur()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.started: list[OwnThread] = []

    def start(self, name: str = "writer", *, timeout: float = 30, policy: Policy | None = None,
              make: Callable[[Written], Behaviour[Written]] | None = None) -> OwnThread:  # fmt: skip
        role = Role(
            name=name,
            make=make or (lambda state: Writer(state, self.opened, self.closed)),
            state=Written(rows=[]),
            policy=policy or Policy(),
            tail=0,
        )
        thread = OwnThread(role, self.post, clock=lambda: THEN, receiver=self.saboteur.receive)
        self.started.append(thread)
        thread.start(timeout)
        return thread


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for thread in stage.started:
        assert thread.stop(timeout=30)


def test_messages_come_in_order_with_the_wall_time(stage: Stage) -> None:
    stage.start()
    for row in "abc":
        stage.post.send("test", "writer", row)
    assert stage.reader.wait_for(3) == [(THEN, "a"), (THEN, "b"), (THEN, "c")]


def test_an_ask_is_answered_by_a_reply(stage: Stage) -> None:
    stage.start()
    stage.post.send("test", "writer", "a")
    assert stage.post.ask("writer", Flush(), timeout=30) == 1


def test_an_ask_has_a_timeout(stage: Stage) -> None:
    stage.start()
    gate = threading.Event()
    stage.post.send("test", "writer", lambda: [Send("reader", "inside")] if gate.wait(30) else [])
    with pytest.raises(UnavailableError, match=r"writer gave no answer to Flush within 0\.01 s"):
        stage.post.ask("writer", Flush(), timeout=0.01)
    gate.set()


def test_an_ask_to_nobody_says_so(stage: Stage) -> None:
    with pytest.raises(UnavailableError, match="no actor is called 'writer'"):
        stage.post.ask("writer", Flush(), timeout=1)


def test_wall_timers_fire_in_due_order(stage: Stage) -> None:
    stage.start()
    stage.post.send("test", "writer", lambda: [AfterWall(0.05, "later"), AfterWall(0.01, "soon")])
    assert [row for _, row in stage.reader.wait_for(2)] == ["soon", "later"]


def test_a_flood_of_messages_does_not_starve_a_timer(stage: Stage) -> None:
    stage.start()
    over = threading.Event()

    def again() -> list[Effect]:
        return [] if over.is_set() else [Send("writer", again)]

    stage.post.send("test", "writer", lambda: [AfterWall(0.01, "timer"), Send("writer", again)])
    assert stage.reader.wait_for(1) == [(THEN, "timer")]
    over.set()


def test_market_timers_are_refused_off_the_core(stage: Stage) -> None:
    stage.start()
    with pytest.raises(InternalError, match="only Send, Reply and AfterWall"):
        stage.post.ask("writer", lambda: [After(1, "x")], timeout=30)


def test_a_crash_keeps_mailbox_timers_address_and_state(stage: Stage) -> None:
    thread = stage.start()
    ref = thread.ref
    stage.saboteur.crash_at("writer", lambda message: message == "b", error=KeyboardInterrupt)
    gate = threading.Event()
    stage.post.send("test", "writer", lambda: [AfterWall(0.01, "timer")] if gate.wait(30) else [])
    for row in "abc":
        stage.post.send("test", "writer", row)
    gate.set()
    assert sorted(row for _, row in stage.reader.wait_for(4)) == ["a", "b", "c", "timer"]
    assert stage.post.ask("writer", Flush(), timeout=30) == 4
    assert ref.is_alive()
    assert [type(message) for message in stage.journal.messages] == [Flush, Crashed]


def test_a_rebuilt_behaviour_replays_nothing_and_the_old_one_lets_go_of_the_world(stage: Stage) -> None:
    stage.start()
    stage.saboteur.crash_at("writer", 2)
    stage.post.send("test", "writer", "a")
    stage.post.send("test", "writer", "b")
    assert [row for _, row in stage.reader.wait_for(2)] == ["a", "b"]
    assert (stage.opened, stage.closed) == (["started", "resumed"], ["closed"])


def test_one_actors_exit_stops_no_other(stage: Stage) -> None:
    stage.start()
    other = stage.start("other")
    with pytest.raises(InternalError, match="failed twice: SystemExit"):
        stage.post.ask("writer", lambda: [Send("reader", raise_exit())], timeout=30)
    assert stage.post.ask("writer", Flush(), timeout=30) == 0
    assert other.ref.is_alive()
    assert stage.post.ask("other", Flush(), timeout=30) == 0


def raise_exit() -> None:
    raise SystemExit(3)


def test_exit_policy_tells_the_supervisor(stage: Stage) -> None:
    stage.start(policy=Policy(limit=0, action="exit"))
    stage.saboteur.crash_at("writer", 1)
    stage.post.send("test", "writer", "a")
    fatal = next(message for message in stage.supervisor.wait_for(2) if isinstance(message, Fatal))
    assert fatal.name == "writer"
    assert "1 restarts within 300 s, 0 allowed" in fatal.reason


def test_a_crashing_journal_is_not_told_of_its_own_crash() -> None:
    stage = Stage()
    stage.post = Post()
    stage.post.bind("supervisor", stage.supervisor)
    journal = stage.start("journal")
    stage.saboteur.crash_at("journal", lambda message: message == "a", times=2)
    stage.post.send("test", "journal", "a")
    assert stage.post.ask("journal", Flush(), timeout=30) == 0
    assert [type(message) for message in stage.supervisor.messages] == [Crashed, Crashed]
    assert journal.stop(timeout=30)


def test_a_fault_of_the_shell_itself_is_fatal() -> None:
    class BrokenPost(Post):
        def send(self, sender: str, to: str, message: Any) -> None:
            if to == "reader":
                raise OSError("a fault of the runtime")
            super().send(sender, to, message)

    stage = Stage()
    stage.post = BrokenPost()
    stage.post.bind("supervisor", stage.supervisor)
    thread = stage.start()
    stage.post.send("test", "writer", "a")
    assert stage.supervisor.wait_for(1) == [
        Fatal(name="writer", reason="fault of the shell: OSError('a fault of the runtime')")
    ]
    assert thread.stop(timeout=30)


# ── start and stop ──────────────────────────────────────────────────────────────────────────────────────────────────


class BadStart(Writer):
    def start(self, now: datetime) -> Iterable[Effect]:
        raise self.failure

    failure: BaseException


def bad_start(stage: Stage, failure: BaseException) -> Callable[[Written], BadStart]:
    def make(state: Written) -> BadStart:
        made = BadStart(state, stage.opened, stage.closed)
        made.failure = failure
        return made

    return make


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(DatabaseError("refused"), DatabaseError), (ValueError("odd"), InternalError), (SystemExit(1), InternalError)],
)
def test_a_start_that_fails_raises_where_it_was_asked_for(
    stage: Stage, failure: BaseException, raised: type[BaseException]
) -> None:
    with pytest.raises(raised, match=str(failure)):
        stage.start(make=bad_start(stage, failure))
    assert stage.closed == ["closed"]
    assert stage.started[0].stop(timeout=30)


def test_a_start_that_hangs_is_given_up(stage: Stage) -> None:
    gate = threading.Event()

    class Slow(Writer):
        def start(self, now: datetime) -> Iterable[Effect]:
            assert gate.wait(30)
            return ()

    with pytest.raises(InternalError, match=r"writer did not start within 0\.01 s"):
        stage.start(timeout=0.01, make=lambda state: Slow(state, [], []))
    gate.set()


def test_stop_handles_what_waits_then_lets_go(stage: Stage) -> None:
    thread = stage.start()
    for row in "abc":
        stage.post.send("test", "writer", row)
    assert thread.stop(timeout=30)
    assert [row for _, row in stage.reader.messages] == ["a", "b", "c"]
    assert stage.closed == ["closed"]
    assert thread.stop(timeout=30)  # Twice is harmless.


def test_what_comes_after_the_stop_is_a_dead_letter_and_an_ask_learns_of_it(stage: Stage) -> None:
    thread = stage.start()
    gate = threading.Event()
    stage.post.send("test", "writer", lambda: [Send("reader", "go")] if gate.wait(30) else [])
    assert not thread.stop(timeout=0)
    stage.post.send("test", "writer", "behind the stop")
    asked = thread.ref.ask(Flush(), block=False)
    gate.set()
    assert asked.get(timeout=30).reason == "writer has stopped"
    assert thread.stop(timeout=30)
    stage.post.send("test", "writer", "after the end")
    texts = [letter.text for letter in stage.post.dead_letters]
    assert texts == ["'behind the stop'", "Flush()", "'after the end'"]


def test_the_threads_do_not_keep_the_process_alive(stage: Stage) -> None:
    stage.start()
    [thread] = [each for each in threading.enumerate() if each.name.startswith("ThreadActor")]
    assert thread.daemon


def test_a_name_is_free_again_once_its_actor_has_stopped(stage: Stage) -> None:
    first = stage.start()
    with pytest.raises(InternalError, match="two actors are called 'writer'"):
        stage.start()
    assert first.stop(timeout=30)
    stage.start()
    assert stage.post.ask("writer", Flush(), timeout=30) == 0


def test_no_actor_stays_registered_with_pykka_after_its_stop() -> None:
    stage = Stage()
    thread = stage.start()
    assert thread.ref in pykka.ActorRegistry.get_all()
    thread.stop(timeout=30)
    assert thread.ref not in pykka.ActorRegistry.get_all()
