"""The facts about Pykka 4.5 that the runtime is built on or around.

If one of these fails after an upgrade, read `actors/runtime` against the new Pykka before moving the pin.
"""

import gc
import inspect
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pykka
import pytest
from pykka import _actor, _threading
from pykka._envelope import Envelope
from pykka.messages import _ActorStop


class Plain(pykka.ThreadingActor):
    """Calls what it is sent, and returns what comes of it."""

    use_daemon_thread = True

    def __init__(self, on_start: Any = None) -> None:
        super().__init__()
        self._at_start = on_start
        self.hooks: list[str] = []

    def on_start(self) -> None:
        if self._at_start is not None:
            self._at_start()

    def on_stop(self) -> None:
        HOOKS.append("on_stop")

    def on_failure(self, *_: Any) -> None:
        HOOKS.append("on_failure")

    def on_receive(self, message: Any) -> Any:
        return message()


HOOKS: list[str] = []


@pytest.fixture(autouse=True)
def _registry_of_our_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    HOOKS.clear()
    monkeypatch.setattr(pykka.ActorRegistry, "_actor_refs", [])
    yield
    for ref in pykka.ActorRegistry.get_all():
        ref.stop(timeout=30)


def fail() -> None:
    raise ValueError("a behaviour's fault")


def ended(ref: pykka.ActorRef[Any]) -> bool:
    return ref.actor_stopped.wait(30)


def wait_until_gone(ref: pykka.ActorRef[Any]) -> None:
    """Return once the actor's thread has run its hooks and its teardown: only then is its inbox empty for good."""
    assert ended(ref)
    for thread in threading.enumerate():
        if thread.name.startswith("Plain"):
            thread.join(30)


# ── what we build on ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_version_is_the_one_measured_and_pinned() -> None:
    assert version("pykka").startswith("4.5.")


def test_the_hooks_for_new_actor_types_have_their_names() -> None:
    for hook in ("_create_actor_inbox", "_create_future", "_start_actor_loop"):
        assert "Internal method for implementors of new actor types" in (getattr(pykka.Actor, hook).__doc__ or "")
    assert inspect.isfunction(pykka.Actor._stop)
    assert inspect.isfunction(pykka.Actor._actor_loop_teardown)


class Homemade(pykka.Actor):
    """An actor type of our own: no thread, an inbox that anyone may look into."""

    last: Any = None

    @staticmethod
    def _create_actor_inbox() -> Any:
        class Open:
            def __init__(self) -> None:
                self.envelopes: list[Envelope[Any]] = []

            def put(self, envelope: Envelope[Any], /) -> None:
                self.envelopes.append(envelope)

            def get(self) -> Envelope[Any]:
                return self.envelopes.pop(0)

            def empty(self) -> bool:
                return not self.envelopes

        return Open()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        Homemade.last = self


def test_start_uses_our_inbox_and_our_loop_and_references_reach_them() -> None:
    ref = Homemade.start()
    assert Homemade.last.actor_ref is ref
    assert ref.actor_inbox is Homemade.last.actor_inbox
    ref.tell("told")
    future = ref.ask("asked", block=False)
    told, asked = ref.actor_inbox.envelopes
    assert (told.message, told.reply_to) == ("told", None)
    assert (asked.message, asked.reply_to) == ("asked", future)
    asked.reply_to.set("answer")
    assert future.get(timeout=1) == "answer"
    Homemade.last._stop()


def test_a_stop_is_an_ordinary_envelope_with_the_stop_message() -> None:
    ref = Homemade.start()
    future = ref.stop(block=False)
    [envelope] = ref.actor_inbox.envelopes
    assert isinstance(envelope.message, _ActorStop)
    Homemade.last._stop()
    envelope.reply_to.set(None)
    assert future.get(timeout=1) is True
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("too late")


def test_a_reference_does_not_keep_its_actor_alive() -> None:
    ref = Homemade.start()
    Homemade.last._stop()
    Homemade.last = None
    gc.collect()
    assert ref._actor_weakref() is None


def test_the_running_loop_only_needs_get_and_the_teardown_is_ours_to_replace() -> None:
    running = inspect.getsource(_actor.Actor._actor_loop_running)
    assert "self.actor_inbox.get()" in running
    assert "self.actor_inbox.empty()" not in running
    assert "_actor_loop_teardown()" in inspect.getsource(_actor.Actor._actor_loop)


# ── the traps we avoid ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exception_in_a_tell_kills_the_actor_and_its_waiting_messages_vanish() -> None:
    gate, handled = threading.Event(), []
    ref = Plain.start()
    ref.tell(lambda: gate.wait(30))
    ref.tell(fail)
    ref.tell(lambda: handled.append("the message behind"))
    gate.set()
    wait_until_gone(ref)
    assert not ref.is_alive()
    assert (handled, HOOKS) == ([], ["on_failure"])
    assert ref.actor_inbox.empty()


def test_an_exception_in_an_ask_leaves_the_actor_alive() -> None:
    ref = Plain.start()
    with pytest.raises(ValueError, match="a behaviour's fault"):
        ref.ask(fail, timeout=30)
    assert ref.is_alive()
    assert ref.ask(lambda: "alive", timeout=30) == "alive"


def test_an_exception_in_on_start_runs_no_hook() -> None:
    ref = Plain.start(on_start=fail)
    wait_until_gone(ref)
    assert HOOKS == []
    assert ref not in pykka.ActorRegistry.get_all()


EXIT_IN_ON_START = """
import threading, pykka

class Leaver(pykka.ThreadingActor):
    use_daemon_thread = True
    def on_start(self):
        raise SystemExit

ref = Leaver.start()
for thread in threading.enumerate():
    if thread.name.startswith("Leaver"):
        thread.join(30)
print(ref.is_alive())
"""


def test_an_exit_in_on_start_leaves_a_dead_thread_that_seems_alive() -> None:
    assert output_of(EXIT_IN_ON_START) == "True"


EXIT_IN_ONE = """
import pykka

class Plain(pykka.ThreadingActor):
    use_daemon_thread = True
    def on_receive(self, message):
        raise SystemExit

one, other = Plain.start(), Plain.start()
one.tell("exit")
print(other.actor_stopped.wait(30))
"""


def test_an_exit_in_one_actor_stops_all() -> None:
    assert output_of(EXIT_IN_ONE) == "True"


def output_of(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_an_ask_without_timeout_waits_for_ever_on_a_hung_actor() -> None:
    gate, answered = threading.Event(), threading.Event()
    ref = Plain.start()
    ref.tell(lambda: gate.wait(60))
    with pytest.raises(pykka.Timeout):
        ref.ask(lambda: None, timeout=0.01)
    assert inspect.signature(ref.ask).parameters["timeout"].default is None

    def ask() -> None:
        ref.ask(lambda: None)
        answered.set()

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    assert not answered.wait(0.05)
    gate.set()
    assert answered.wait(30)
    asker.join(30)


def test_stop_all_gives_up_at_the_first_stuck_actor() -> None:
    gate, inside = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        gate.wait(60)

    first, stuck = Plain.start(), Plain.start()
    stuck.tell(hang)
    assert inside.wait(30)
    with pytest.raises(pykka.Timeout):
        pykka.ActorRegistry.stop_all(timeout=0.01)
    assert first.is_alive()
    gate.set()


def test_broadcast_stops_at_the_first_dead_actor() -> None:
    told = threading.Event()
    dead, alive = Plain.start(), Plain.start()
    assert dead.stop(timeout=30)
    pykka.ActorRegistry._actor_refs.insert(0, dead)  # As found when it dies between the listing and the telling.
    try:
        with pytest.raises(pykka.ActorDeadError):
            pykka.ActorRegistry.broadcast(told.set)
    finally:
        pykka.ActorRegistry.unregister(dead)
    assert alive.ask(told.is_set, timeout=30) is False


def test_actor_threads_are_no_daemons_unless_asked() -> None:
    assert pykka.ThreadingActor.use_daemon_thread is False
    assert "thread.daemon = self.use_daemon_thread" in inspect.getsource(_threading.ThreadingActor._start_actor_loop)


def test_a_second_answer_to_one_ask_raises() -> None:
    future = pykka.ThreadingFuture[str]()
    future.set("first")
    with pytest.raises(queue.Full):
        future.set("second")
