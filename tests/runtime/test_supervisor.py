"""Ordered start, reverse stop under one deadline, and the watch over what crashes or hangs."""

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.messages import Halt, Retired
from actors.runtime import Behaviour, Core, Effect, OwnThread, Policy, Post, Role, Step, Supervisor
from actors.runtime.watch import ActorHealth
from atlas.errors import DatabaseError, InternalError

THEN = datetime(2026, 3, 2, tzinfo=UTC)


class Nothing(msgspec.Struct):
    pass


class Worker(Behaviour[Nothing]):
    """Does what it is sent; notes its start and stop."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.state = Nothing()
        self._name, self._diary = name, diary

    def start(self, now: datetime) -> Iterable[Effect]:
        self._diary.append(f"{self._name} started")
        return ()

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        message()
        return ()

    def stop(self) -> None:
        self._diary.append(f"{self._name} stopped")


class Stopwatch:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class House:
    def __init__(self) -> None:
        self.diary: list[str] = []
        self.fatal: list[str] = []
        self.post = Post()
        self.stopwatch = Stopwatch()
        self.stalled: list[list[str]] = []
        self.supervisor = Supervisor(
            self.post,
            self.fatal.append,
            pulse_every=3600,
            hung_after=60,
            on_beat=self.stalled.append,
            clock=lambda: THEN,
            seconds=self.stopwatch,
        )
        self.gate = threading.Event()

    def role(self, name: str, behaviour: type[Worker] = Worker, policy: Policy | None = None) -> Role[Nothing]:
        policy = policy or Policy()
        return Role(name=name, make=lambda state: behaviour(name, self.diary), state=Nothing(), policy=policy)

    def thread(self, name: str, behaviour: type[Worker] = Worker, policy: Policy | None = None) -> OwnThread:
        return OwnThread(self.role(name, behaviour, policy), self.post)

    def block(self, name: str) -> None:
        """Make the actor hang until the gate opens; return once it does hang."""
        inside = threading.Event()

        def hang() -> None:
            inside.set()
            assert self.gate.wait(60)

        self.post.send("test", name, hang)
        assert inside.wait(30)

    def health(self, name: str) -> ActorHealth:
        return next(actor for actor in self.supervisor.health() if actor.name == name)

    def answered(self, child: OwnThread) -> None:
        """Return once the actor has handled all that was sent before, pulses too."""
        self.post.ask(child.name, lambda: None, timeout=30)


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.gate.set()
    assert house.supervisor.stop(timeout=30) == []


def core_of(house: House, *names: str) -> Core:
    core = Core(lambda message: [Step(None, name, message) for name in names], house.post)
    for name in names:
        core.add(house.role(name))
    return core


def test_children_start_in_order_and_stop_in_exact_reverse(house: House) -> None:
    core = core_of(house, "broker", "risk_monitor")
    house.supervisor.start([house.thread("journal"), core, house.thread("feed")], timeout=30)
    assert house.supervisor.stop(timeout=30) == []
    started = ["journal", "broker", "risk_monitor", "feed"]
    assert house.diary == [f"{name} started" for name in started] + [f"{name} stopped" for name in reversed(started)]
    assert {actor.state for actor in house.supervisor.health()} == {"stopped"}


def test_a_stuck_child_is_named_and_does_not_keep_the_others_from_stopping(house: House) -> None:
    journal, history, feed = (house.thread(name) for name in ("journal", "history", "feed"))
    house.supervisor.start([journal, history, feed], timeout=30)
    house.block("history")
    assert house.supervisor.stop(timeout=2) == ["history"]
    assert house.diary[3:] == ["feed stopped", "journal stopped"]
    assert (house.health("history").state, house.health("journal").state) == ("running", "stopped")


def test_with_no_time_left_the_rest_are_still_told_to_stop(house: House) -> None:
    journal, feed = house.thread("journal"), house.thread("feed")
    house.supervisor.start([journal, feed], timeout=30)
    house.block("feed")
    house.block("journal")
    assert house.supervisor.stop(timeout=0) == ["feed", "journal"]
    house.gate.set()
    assert journal.stop(timeout=30)
    assert feed.stop(timeout=30)


class Unstoppable:
    """A child whose stop raises."""

    name = "recorder"
    actors = ()
    broken = True

    def start(self, timeout: float) -> None:
        pass

    def stop(self, timeout: float) -> bool:
        if self.broken:
            raise OSError("the disk is full")
        return True

    def pulse(self, number: int) -> None:
        raise OSError(f"the disk is full at pulse {number}")

    def oldest_waiting(self) -> float:
        return 0.0


def test_a_child_that_raises_on_stop_is_a_leftover_with_its_reason(house: House) -> None:
    recorder = Unstoppable()
    house.supervisor.start([house.thread("journal"), recorder], timeout=30)
    assert house.supervisor.stop(timeout=30) == ["recorder"]
    assert house.diary == ["journal started", "journal stopped"]
    assert house.health("recorder").last_error == "OSError: the disk is full"
    recorder.broken = False


def test_a_child_that_raises_at_its_pulse_is_noted_and_the_others_are_pulsed(house: House) -> None:
    recorder, feed = Unstoppable(), house.thread("feed")
    recorder.broken = False
    house.supervisor.start([recorder, feed], timeout=30)
    house.supervisor.beat()
    house.answered(feed)
    assert house.health("recorder").last_error == "OSError: the disk is full at pulse 1"
    assert house.health("feed").last_progress == THEN


class Stuck(Unstoppable):
    """A child that uses up all the time it is given and still runs."""

    def __init__(self, name: str, stopwatch: Stopwatch) -> None:
        self.name = name
        self.stuck = True
        self.given: float | None = None
        self._stopwatch = stopwatch

    def stop(self, timeout: float) -> bool:
        if self.stuck:
            self.given = timeout
            self._stopwatch.seconds += timeout
        return not self.stuck


def test_all_stops_share_one_deadline_and_a_stuck_one_takes_half_of_what_is_left(house: House) -> None:
    children = [Stuck(name, house.stopwatch) for name in ("journal", "core", "history", "feed")]
    house.supervisor.start(children, timeout=30)
    assert house.supervisor.stop(timeout=24) == ["feed", "history", "core", "journal"]
    assert [child.given for child in children] == [3, 3, 6, 12]
    for child in children:
        child.stuck = False


class Refusing(Worker):
    def start(self, now: datetime) -> Iterable[Effect]:
        raise DatabaseError("the database refused")


def test_a_start_that_fails_ends_the_starting_and_those_started_can_be_stopped(house: House) -> None:
    children = [house.thread("journal"), house.thread("history", Refusing), house.thread("feed")]
    with pytest.raises(DatabaseError, match="the database refused"):
        house.supervisor.start(children, timeout=30)
    assert [(actor.name, actor.state) for actor in house.supervisor.health()] == [
        ("journal", "running"), ("history", "failed"),
    ]  # fmt: skip
    assert house.supervisor.stop(timeout=30) == []
    assert "journal stopped" in house.diary
    assert not [entry for entry in house.diary if entry.startswith("feed")]


class Slow(Worker):
    gate: threading.Event

    def start(self, now: datetime) -> Iterable[Effect]:
        assert self.gate.wait(60)
        return ()


def test_each_start_is_bounded(house: House) -> None:
    class Waiting(Slow):
        gate = house.gate

    with pytest.raises(InternalError, match=r"feed did not start within 0\.01 s"):
        house.supervisor.start([house.thread("feed", Waiting)], timeout=0.01)


# ── pulses ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_actor_answers_pulses_on_the_core_too(house: House) -> None:
    core, feed = core_of(house, "broker", "risk_monitor"), house.thread("feed")
    house.supervisor.start([core, feed], timeout=30)
    house.supervisor.beat()
    house.answered(feed)
    house.post.ask("broker", lambda: None, timeout=30)
    progress = {actor.name: actor.last_progress for actor in house.supervisor.health()}
    assert progress == {"core": None, "broker": THEN, "risk_monitor": THEN, "feed": THEN}


def test_pulses_come_by_themselves() -> None:
    post, fatal = Post(), []
    supervisor = Supervisor(post, fatal.append, pulse_every=0.01)
    supervisor.start([OwnThread(Role(name="feed", make=lambda state: Worker("feed", []), state=Nothing()), post)], 30)
    until = threading.Event()
    for _ in range(3000):
        if supervisor.health()[0].last_progress is not None:
            break
        until.wait(0.01)
    assert supervisor.health()[0].last_progress is not None
    assert supervisor.stop(timeout=30) == []
    assert fatal == []


def test_an_actor_that_answers_no_pulse_hangs_and_that_is_fatal_once(house: House) -> None:
    feed, history = house.thread("feed"), house.thread("history")
    house.supervisor.start([feed, history], timeout=30)
    house.block("feed")
    house.supervisor.beat()
    house.answered(history)
    house.stopwatch.seconds += 59
    house.supervisor.beat()
    assert house.fatal == []
    house.stopwatch.seconds += 2
    house.answered(history)
    house.supervisor.beat()
    house.supervisor.beat()
    assert house.fatal == ["feed hangs: no answer to a pulse for 61 s, 60 s allowed"]
    assert (house.health("feed").state, house.health("history").state) == ("hung", "running")


def test_an_actor_without_progress_is_named_at_every_beat_until_it_gets_on(house: House) -> None:
    feed, history = house.thread("feed"), house.thread("history")
    house.supervisor.start([feed, history], timeout=30)
    house.block("feed")
    house.supervisor.beat()
    house.answered(history)
    house.stopwatch.seconds += 30
    house.supervisor.beat()
    house.answered(history)
    house.stopwatch.seconds += 1
    house.supervisor.beat()
    assert house.stalled == [[], [], ["feed: no answer to a pulse for 31 s"]]
    house.gate.set()
    house.answered(feed)
    house.answered(history)
    house.supervisor.beat()
    assert house.stalled[3:] == [[]]
    assert house.fatal == []


def test_an_actor_far_behind_is_not_well_because_it_answers_old_pulses(house: House) -> None:
    feed = house.thread("feed")
    house.supervisor.start([feed], timeout=30)
    house.block("feed")
    house.supervisor.beat()
    second = threading.Event()

    def hang_again() -> None:
        second.set()
        assert again.wait(60)

    again = threading.Event()
    house.post.send("test", "feed", hang_again)
    house.stopwatch.seconds += 25
    house.supervisor.beat()
    house.gate.set()
    assert second.wait(30)  # The first pulse is answered by now, the second waits.
    house.stopwatch.seconds += 31
    house.supervisor.beat()
    again.set()
    assert house.stalled == [[], [], ["feed: no answer to a pulse for 31 s"]]
    house.answered(feed)


def test_pulses_go_on_when_the_sign_of_life_fails() -> None:
    def failing(stalled: list[str]) -> None:
        raise OSError("nobody listens")

    post, diary = Post(), []
    supervisor = Supervisor(post, diary.append, pulse_every=3600, on_beat=failing)
    role = Role(name="feed", make=lambda state: Worker("feed", diary), state=Nothing())
    supervisor.start([OwnThread(role, post)], 30)
    supervisor.beat()
    supervisor.beat()
    post.ask("feed", lambda: None, timeout=30)
    assert supervisor.health()[0].last_progress is not None
    assert supervisor.stop(timeout=30) == []


def test_a_machine_that_slept_is_not_taken_for_a_hung_actor(house: House) -> None:
    feed = house.thread("feed")
    house.supervisor.start([feed], timeout=30)
    house.supervisor.beat()
    house.answered(feed)
    house.stopwatch.seconds += 8 * 3600
    house.supervisor.beat()
    assert house.fatal == []


class OldInput(Unstoppable):
    """A child whose oldest input is very old."""

    name = "core"
    broken = False

    def oldest_waiting(self) -> float:
        return 75.0


def test_a_core_whose_oldest_input_waits_too_long_hangs(house: House) -> None:
    house.supervisor.start([OldInput()], timeout=30)
    house.supervisor.beat()
    assert house.stalled == [["core: its oldest input has waited 75 s"]]
    assert house.fatal == ["core hangs: its oldest input has waited 75 s, 60 s allowed"]


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def crash() -> None:
    raise ZeroDivisionError("one by nought")


def test_restarts_are_counted_with_the_last_error(house: House) -> None:
    core, feed = core_of(house, "broker"), house.thread("feed")
    house.supervisor.start([core, feed], timeout=30)
    house.post.send("test", "feed", crash)
    house.post.send("test", "broker", crash)
    house.answered(feed)
    house.post.ask("broker", lambda: None, timeout=30)
    for name in ("feed", "broker"):
        assert house.health(name).restarts == 2
        assert house.health(name).last_error == "ZeroDivisionError: one by nought"
        assert house.health(name).state == "running"


def test_a_retired_actor_is_shown_and_nothing_is_fatal(house: House) -> None:
    house.supervisor.start([house.thread("feed", policy=Policy(limit=0))], timeout=30)
    house.post.send("test", "feed", crash)
    with pytest.raises(InternalError, match="takes no more messages"):
        house.post.ask("feed", lambda: None, timeout=30)
    assert house.health("feed").state == "retired"
    assert house.fatal == []


def test_a_fatal_failure_ends_the_process_once_and_the_core_takes_no_more(house: House) -> None:
    core = Core(lambda message: [Step(None, "broker", message)], house.post)
    core.add(house.role("broker", policy=Policy(limit=5, action="exit", poison_exits=True)))
    house.supervisor.start([core], timeout=30)
    with pytest.raises(InternalError):
        house.post.ask("broker", crash, timeout=30)
    with pytest.raises(InternalError, match="the core takes no more inputs"):
        house.post.ask("broker", crash, timeout=30)
    assert house.fatal == ["broker: could not handle function: ZeroDivisionError: one by nought"]
    assert house.health("broker").state == "failed"


def test_what_the_supervisor_cannot_use_is_a_dead_letter(house: House) -> None:
    house.supervisor.tell(Halt(source="person", reason="lunch"))
    assert house.post.dead_letters[0].reason == "the supervisor has no use for it"
    house.supervisor.tell(Retired(name="scanner:BTC", reason="3 crashes"))
    assert house.health("scanner:BTC").state == "retired"
