"""How the actors of the core take turns: the order of inputs decides everything."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from actors.messages import EventBatch, Fatal
from actors.runtime import After, Behaviour, Core, Effect, Post, Reply, Role, Send, Sink, Step
from actors.runtime.dispatch import DAWN
from actors.runtime.kit import Kit, role_of
from atlas.errors import ConfigurationError, InternalError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Nothing(msgspec.Struct):
    pass


class Scripted(Behaviour[Nothing]):
    """Answers each message with what a function makes of it, and keeps what it saw."""

    def __init__(self, script: Callable[[Any], Iterable[Effect]] = lambda message: ()) -> None:
        self.state = Nothing()
        self.script = script
        self.seen: list[tuple[datetime, Any]] = []

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        self.seen.append((now, message))
        return self.script(message)


class Timed(msgspec.Struct, frozen=True):
    """An input of the test: steps as (seconds after noon or None, name, message)."""

    steps: tuple[tuple[float | None, str, Any], ...]


def route(message: Timed) -> list[Step]:
    return [Step(None if seconds is None else at(seconds), to, what) for seconds, to, what in message.steps]


@pytest.fixture
def kits() -> Iterator[Callable[..., Kit]]:
    made: list[Kit] = []

    def make(**behaviours: Behaviour[Any]) -> Kit:
        made.append(Kit(behaviours, route, outside=["alerter"]))
        return made[-1]

    yield make
    for kit in made:
        kit.close()


def test_messages_are_handled_in_the_order_they_were_sent(kits: Callable[..., Kit]) -> None:
    fan = Scripted(lambda message: [Send("b", f"{message}1"), Send("a", f"{message}2"), Send("b", f"{message}3")])
    order: list[tuple[str, Any]] = []

    def b_script(message: Any) -> Iterable[Effect]:
        order.append(("b", message))
        return [Send("a", f"{message}+")] if message.endswith("1") else []

    def a_script(message: Any) -> Iterable[Effect]:
        order.append(("a", message))
        return []

    kit = kits(fan=fan, a=Scripted(a_script), b=Scripted(b_script))
    kit.run(Timed(((0, "fan", "x"),)))
    assert order == [("b", "x1"), ("a", "x2"), ("b", "x3"), ("a", "x1+")]


def test_all_a_step_causes_comes_before_the_next_step_and_the_next_input(kits: Callable[..., Kit]) -> None:
    order: list[str] = []

    def chain(message: str) -> Iterable[Effect]:
        order.append(message)
        return [Send("chain", message + ".")] if len(message) < 4 else []

    kit = kits(chain=Scripted(chain))
    kit.run(Timed(((0, "chain", "a"), (0, "chain", "b"))))
    kit.run(Timed(((0, "chain", "c"),)))
    assert order == ["a", "a.", "a..", "a...", "b", "b.", "b..", "b...", "c", "c.", "c..", "c..."]


def test_an_input_put_during_an_input_comes_after_it(kits: Callable[..., Kit]) -> None:
    order: list[str] = []
    kit: Kit

    def script(message: str) -> Iterable[Effect]:
        order.append(message)
        if message == "first":
            kit.core.put(Timed(((0, "a", "second"),)))
            return [Send("a", "caused by first")]
        return []

    kit = kits(a=Scripted(script))
    kit.run(Timed(((0, "a", "first"),)))
    assert order == ["first", "caused by first", "second"]


# ── market time ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_now_is_market_time_and_never_goes_back(kits: Callable[..., Kit]) -> None:
    watcher = Scripted()
    kit = kits(watcher=watcher)
    kit.run(Timed(((None, "watcher", "early"),)))
    kit.run(Timed(((5, "watcher", "five"), (3, "watcher", "late"), (None, "watcher", "untimed"))))
    assert watcher.seen == [(DAWN, "early"), (at(5), "five"), (at(5), "late"), (at(5), "untimed")]


def test_due_timers_fire_before_the_step_each_at_its_own_time(kits: Callable[..., Kit]) -> None:
    arm = {"arm": [After(10, "ten"), After(3, "three"), After(10, "ten again"), After(30, "thirty")]}
    watcher = Scripted(lambda message: arm.get(message, []))
    kit = kits(watcher=watcher)
    kit.run(Timed(((0, "watcher", "arm"),)))
    kit.run(Timed(((9.5, "watcher", "nine"),)))
    kit.run(Timed(((10, "watcher", "step at ten"),)))
    assert watcher.seen[1:] == [
        (at(3), "three"), (at(9.5), "nine"), (at(10), "ten"), (at(10), "ten again"), (at(10), "step at ten"),
    ]  # fmt: skip


def test_timers_of_different_actors_fire_in_due_order(kits: Callable[..., Kit]) -> None:
    order: list[str] = []

    def note(message: Any) -> Iterable[Effect]:
        if isinstance(message, tuple):
            return [After(seconds, f"{seconds}") for seconds in message]
        order.append(message)
        return []

    kit = kits(a=Scripted(note), b=Scripted(note))
    kit.run(Timed(((0, "a", (4, 2)), (0, "b", (3, 1)))))
    kit.run(Timed(((60, "a", "end"),)))
    assert order == ["1", "2", "3", "4", "end"]


def test_what_a_timer_causes_runs_before_the_next_timer_and_may_arm_one_due_at_once(kits: Callable[..., Kit]) -> None:
    watcher = Scripted(
        lambda message: {"arm": [After(1, "one"), After(3, "three")], "one": [Send("watcher", "sent"), After(1, "two")]}
        .get(message, [])
    )  # fmt: skip
    kit = kits(watcher=watcher)
    kit.run(Timed(((0, "watcher", "arm"),)))
    kit.run(Timed(((9, "watcher", "end"),)))
    assert watcher.seen[1:] == [(at(1), "one"), (at(1), "sent"), (at(2), "two"), (at(3), "three"), (at(9), "end")]


class Starting(Scripted):
    def start(self, now: datetime) -> Iterable[Effect]:
        return [After(60, "minute"), Send("other", f"started at {now:%Y}")]


def test_a_timer_armed_before_the_first_market_time_counts_from_it(kits: Callable[..., Kit]) -> None:
    starting, other = Starting(), Scripted()
    kit = kits(starting=starting, other=other)
    assert other.seen == [(DAWN, "started at 1970")]
    kit.run(Timed(((0, "other", "first"),)))
    kit.run(Timed(((59, "other", "not yet"),)))
    assert starting.seen == []
    kit.run(Timed(((61, "other", "now"),)))
    assert starting.seen == [(at(60), "minute")]


def test_market_time_of_the_run_before_is_taken_up() -> None:
    starting = Starting()
    kit = Kit({"starting": starting, "other": Scripted()}, route, market_time=NOON)
    kit.run(Timed(((3600, "other", "an hour later"),)))
    assert starting.seen == [(at(60), "minute")]
    kit.close()


# ── the journal's batches ───────────────────────────────────────────────────────────────────────────────────────────


def test_all_events_of_an_input_are_one_batch(kits: Callable[..., Kit]) -> None:
    a = Scripted(lambda message: [Send("journal", f"a {message}"), Send("b", message)])
    b = Scripted(lambda message: [Send("journal", f"b {message}"), Send("alerter", "straight")])
    kit = kits(a=a, b=b)
    kit.run(Timed(((1, "a", "x"), (2, "a", "y"))))
    kit.run(Timed(((3, "b", "z"),)))
    assert kit.batches == [
        EventBatch(number=2, at=at(2), events=("a x", "b x", "a y", "b y")),
        EventBatch(number=3, at=at(3), events=("b z",)),
    ]
    assert kit.to("alerter") == ["straight"] * 3


def test_an_input_without_events_makes_no_batch(kits: Callable[..., Kit]) -> None:
    kit = kits(a=Scripted())
    kit.run(Timed(((1, "a", "x"),)))
    assert kit.batches == []
    assert kit.core.number == 2


# ── what cannot be delivered ────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_to_nobody_is_a_dead_letter_and_the_sender_goes_on(kits: Callable[..., Kit]) -> None:
    kit = kits(a=Scripted(lambda message: [Send("nobody", "lost"), Send("journal", "kept")]))
    kit.run(Timed(((1, "a", "x"),)))
    [letter] = kit.post.dead_letters
    assert (letter.sender, letter.to, letter.reason) == ("a", "nobody", "nobody is called 'nobody'")
    assert kit.batches[0].events == ("kept",)


def test_an_input_that_cannot_be_routed_is_a_dead_letter(kits: Callable[..., Kit]) -> None:
    a = Scripted()
    kit = kits(a=a)
    kit.run("no steps in a string")
    assert "it cannot be routed: AttributeError" in kit.post.dead_letters[0].reason
    kit.run(Timed(((1, "a", "x"),)))
    assert [message for _, message in a.seen] == ["x"]


def test_an_input_for_nobody_is_refused(kits: Callable[..., Kit]) -> None:
    with pytest.raises(InternalError, match="no actor of the core is called 'nobody': it has a"):
        kits(a=Scripted()).run("x", to="nobody")


def test_a_stopped_actor_gets_dead_letters_and_the_others_go_on(kits: Callable[..., Kit]) -> None:
    a, b = Scripted(lambda message: [Send("b", message), Send("journal", message)]), Scripted()
    kit = kits(a=a, b=b)
    assert kit.core.ref("b").stop(timeout=5)
    kit.run(Timed(((1, "a", "x"),)))
    assert b.seen == []
    assert kit.post.dead_letters[0].reason == "b has stopped"
    assert kit.batches[0].events == ("x",)


def test_two_actors_of_one_name_are_refused() -> None:
    with pytest.raises(InternalError, match="two actors are called 'a'"):
        Kit([role_of("a", Scripted()), role_of("a", Scripted())], route)


def test_no_actor_is_added_after_the_beginning(kits: Callable[..., Kit]) -> None:
    with pytest.raises(InternalError, match="after it began"):
        kits(a=Scripted()).core.add(role_of("b", Scripted()))


# ── on a thread ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Live:
    """A real core on its thread, with sinks."""

    def __init__(self, **behaviours: Behaviour[Any]) -> None:
        self.post = Post()
        self.journal, self.supervisor = Sink(), Sink()
        self.post.bind("journal", self.journal)
        self.post.bind("supervisor", self.supervisor)
        self.core = Core(route, self.post)
        for name, behaviour in behaviours.items():
            self.core.add(role_of(name, behaviour))

    def end(self) -> None:
        assert self.core.stop(timeout=30)


def test_a_tell_from_another_thread_is_an_input_and_an_ask_is_answered() -> None:
    live = Live(a=Scripted(lambda message: [Reply(f"re: {message}"), Send("b", message)]), b=Scripted())
    live.core.start(timeout=30)
    live.core.ref("a").tell("told")
    assert live.post.ask("a", "asked", timeout=30) == "re: asked"
    assert live.core.progress().taken == 3
    live.end()


def test_an_ask_that_becomes_a_dead_letter_says_so() -> None:
    live = Live(a=Scripted(lambda message: [Send("b", 1 / 0)]))
    live.core.start(timeout=30)
    with pytest.raises(InternalError, match="a could not handle str: failed twice: ZeroDivisionError"):
        live.post.ask("a", "asked", timeout=30)
    live.end()


def test_inputs_waiting_at_the_stop_are_taken_and_later_ones_are_dead_letters() -> None:
    gate = threading.Event()
    seen: list[Any] = []

    def script(message: Any) -> Iterable[Effect]:
        assert gate.wait(30)
        seen.append(message)
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)
    for message in "xyz":
        live.core.put(Timed(((0, "a", message),)))
    assert not live.core.stop(timeout=0)
    gate.set()
    live.end()
    assert seen == ["x", "y", "z"]
    live.core.put(Timed(((0, "a", "too late"),)))
    assert live.post.dead_letters[-1].reason == "the core has stopped"
    assert not live.core.ref("a").is_alive()


def test_the_core_shows_how_long_its_oldest_input_waits() -> None:
    gate, inside = threading.Event(), threading.Event()

    def script(message: Any) -> Iterable[Effect]:
        inside.set()
        assert gate.wait(30)
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)
    assert live.core.progress().oldest_waiting == 0
    live.core.put(Timed(((0, "a", "x"),)))
    live.core.put(Timed(((0, "a", "y"),)))
    assert inside.wait(30)
    first = live.core.progress()
    assert first.waiting == 1
    assert live.core.progress().oldest_waiting > first.oldest_waiting > 0
    gate.set()
    live.end()


# ── on the thread that brings the input ─────────────────────────────────────────────────────────────────────────────


def input_of(message: Any) -> Timed:
    return Timed(((0, "a", message),))


def test_an_input_that_is_handed_is_taken_by_the_thread_that_brings_it_before_it_goes_on() -> None:
    threads: list[int] = []

    def script(message: Any) -> Iterable[Effect]:
        threads.append(threading.get_ident())
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)
    live.core.hand(input_of("x"))
    assert threads == [threading.get_ident()]
    assert live.core.progress().taken == 2
    live.end()


def test_an_input_handed_while_one_is_taken_waits_for_it() -> None:
    gate, inside = threading.Event(), threading.Event()
    seen: list[Any] = []

    def script(message: Any) -> Iterable[Effect]:
        seen.append(message)
        inside.set()
        assert gate.wait(30)
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)
    live.core.put(input_of("x"))
    assert inside.wait(30)
    live.core.hand(input_of("y"))
    assert seen == ["x"]
    assert live.core.progress().waiting == 1
    gate.set()
    live.end()
    assert seen == ["x", "y"]


def test_what_a_behaviour_hands_to_its_own_core_is_an_input_behind_this_one() -> None:
    seen: list[Any] = []

    def script(message: Any) -> Iterable[Effect]:
        seen.append(message)
        if message == "x":
            live.core.hand(input_of("y"))
            seen.append("x is over")
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)
    live.core.hand(input_of("x"))
    live.end()
    assert seen == ["x", "x is over", "y"]


def test_what_is_handed_before_the_start_is_taken_at_it_and_after_the_stop_it_is_a_dead_letter() -> None:
    behaviour = Scripted()
    live = Live(a=behaviour)
    live.core.hand(input_of("early"))
    assert not behaviour.seen
    live.core.start(timeout=30)
    live.end()
    assert [message for _, message in behaviour.seen] == ["early"]
    live.core.hand(input_of("late"))
    assert live.post.dead_letters[-1].reason == "the core has stopped"


def test_inputs_of_many_threads_are_taken_one_at_a_time_and_those_of_each_thread_in_its_order() -> None:
    seen: list[tuple[int, int]] = []
    inside: list[Any] = []

    def script(message: Any) -> Iterable[Effect]:
        inside.append(message)
        assert inside == [message]
        seen.append(message)
        inside.clear()
        return []

    live = Live(a=Scripted(script))
    live.core.start(timeout=30)

    def bring(sender: int) -> None:
        for number in range(2_000):
            # One that cannot be handed just then is put, and the next may be handed again.
            (live.core.hand if (number + sender) % 3 else live.core.put)(input_of((sender, number)))

    senders = [threading.Thread(target=bring, args=(sender,)) for sender in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    try:
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    live.end()
    assert not live.post.dead_letters
    for sender in range(4):
        assert [number for who, number in seen if who == sender] == list(range(2_000))


def test_a_behaviour_that_cannot_start_stops_the_start() -> None:
    class Unconfigured(Scripted):
        def start(self, now: datetime) -> Iterable[Effect]:
            raise ConfigurationError("no account")

    live = Live(a=Unconfigured())
    with pytest.raises(ConfigurationError, match="no account"):
        live.core.start(timeout=30)
    live.end()


def test_a_fault_of_the_core_itself_is_fatal_and_the_thread_lives_on() -> None:
    class BrokenPost(Post):
        def send(self, sender: str, to: str, message: Any) -> None:
            if message == "breaks the post":
                raise OSError("a fault of the runtime")
            super().send(sender, to, message)

    post, supervisor = BrokenPost(), Sink()
    post.bind("supervisor", supervisor)
    core = Core(route, post)
    core.add(Role(name="a", make=lambda state: Scripted(), state=Nothing()))
    core.start(timeout=30)
    core.put(Timed(((0, "somebody outside", "breaks the post"),)))
    core.put(Timed(((0, "a", "never taken"),)))
    assert core.stop(timeout=30)
    [fatal] = supervisor.messages
    assert isinstance(fatal, Fatal)
    assert fatal.reason == "fault of the core at input 2: OSError: a fault of the runtime"
    assert [letter.text for letter in post.dead_letters] == [repr(Timed(((0, "a", "never taken"),)))]
