"""What a crash may cost: nothing but a second delivery."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import Crashed, Fatal, Flush, Halt, Pulse, Pulsed, Retired
from actors.runtime import After, AfterWall, Behaviour, Effect, Policy, Post, Role, Send, Step, VirtualCore
from actors.runtime.kit import Kit, role_of
from actors.runtime.sabotage import Saboteur
from atlas.errors import DatabaseError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Add(msgspec.Struct, frozen=True):
    amount: int
    at: datetime = NOON


class Added(msgspec.Struct, frozen=True):
    amount: int
    total: int


class Later(msgspec.Struct, frozen=True):
    amount: int


class Tally(msgspec.Struct):
    total: int = 0
    seen: list[int] = []


class Adder(Behaviour[Tally]):
    """Adds up, tells the journal, and acts on a few amounts of its own."""

    def __init__(self, state: Tally) -> None:
        self.state = state

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        self.state.total += message.amount
        self.state.seen.append(message.amount)
        if isinstance(message, Add) and message.amount == 100:
            yield After(60, Later(1000))
        if message.amount == 13:
            yield Send("journal", "never to be seen")
            raise ValueError("thirteen")
        yield Send("journal", Added(message.amount, self.state.total))


def route(message: Add) -> list[Step]:
    return [Step(message.at, "adder", message)]


def adder(**options: Any) -> Role[Tally]:
    return Role(name="adder", make=Adder, state=Tally(seen=[]), **options)


@pytest.fixture
def kit() -> Iterator[Kit]:
    kit = Kit([adder()], route)
    yield kit
    kit.close()


def events(kit: Kit) -> list[Any]:
    return [event for batch in kit.batches for event in batch.events]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_message_is_delivered_once_more_to_the_state_of_before(kit: Kit, moment: Any) -> None:
    kit.crash_at("adder", 2, moment=moment)
    for amount in (1, 2, 3):
        kit.run(Add(amount))
    assert events(kit) == [Added(1, 1), Added(2, 3), Added(3, 6)]
    assert kit.state("adder").seen == [1, 2, 3]
    assert not kit.post.dead_letters


def test_a_crash_flushes_the_journal_and_is_reported(kit: Kit) -> None:
    kit.crash_at("adder", 1, error=ZeroDivisionError)
    kit.run(Add(1))
    assert [type(sent.message) for sent in kit.sent] == [Add, Flush, Crashed, Crashed, Added]
    crashed = kit.to("supervisor")[0]
    assert crashed.name == "adder"
    assert crashed.error.startswith("ZeroDivisionError")
    assert "Traceback" in crashed.traceback


def test_a_crash_leaves_no_effect_outside(kit: Kit) -> None:
    kit.run(Add(13))
    assert events(kit) == []


def test_a_message_that_fails_twice_is_a_dead_letter_with_traceback(kit: Kit) -> None:
    kit.run(Add(1))
    kit.run(Add(13))
    kit.run(Add(2))
    [letter] = kit.post.dead_letters
    assert letter.to == "adder"
    assert "Add(amount=13" in letter.text
    assert "failed twice: ValueError: thirteen" in letter.reason
    assert 'raise ValueError("thirteen")' in letter.traceback
    assert letter in kit.sinks["journal"].messages
    assert events(kit) == [Added(1, 1), Added(2, 3)]
    assert kit.state("adder").seen == [1, 2]


def test_the_address_outlives_the_crash(kit: Kit) -> None:
    ref = kit.core.ref("adder")
    kit.crash_at("adder", 1)
    ref.tell(Add(5))
    assert ref.is_alive()
    ref.tell(Add(6))
    assert kit.state("adder").seen == [5, 6]


def test_timers_outlive_the_crash(kit: Kit) -> None:
    kit.run(Add(100))
    kit.crash_at("adder", 2)
    kit.run(Add(1))
    kit.run(Add(2, NOON + timedelta(seconds=60)))
    assert kit.state("adder").seen == [100, 1, 1000, 2]


def test_a_timer_is_not_armed_twice_by_a_rebuild(kit: Kit) -> None:
    kit.run(Add(100))
    kit.crash_at("adder", 2, times=2)
    kit.run(Add(1))
    kit.run(Add(2, NOON + timedelta(hours=1)))
    assert kit.state("adder").seen == [100, 1000, 2]


class Fork(Behaviour[Tally]):
    """Sends three messages to the adder in one go."""

    def __init__(self, state: Tally) -> None:
        self.state = state

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        return [Send("adder", Add(amount)) for amount in (1, 2, 3)]


def test_the_mailbox_outlives_the_crash() -> None:
    kit = Kit({"fork": Fork(Tally()), "adder": Adder(Tally(seen=[]))}, lambda message: [Step(NOON, "fork", message)])
    kit.crash_at("adder", 1)
    kit.run("go")
    assert kit.state("adder").seen == [1, 2, 3]
    kit.close()


def test_a_rebuild_needs_neither_database_nor_journal() -> None:
    asked = []

    def from_database() -> Adder:
        asked.append("adder")
        raise DatabaseError("the database is down")

    saboteur = Saboteur()
    saboteur.crash_at("adder", 2)
    core = VirtualCore(route, Post(), receiver=saboteur.receive)  # Nobody is called journal.
    core.add(adder(rebuild=from_database))
    core.begin()
    core.run(Add(1))
    core.run(Add(2))
    assert core.state("adder").seen == [1, 2]
    assert asked == []
    core.close()


def breaks_after(times: int) -> Callable[[Tally], Adder]:
    """Return a `make` that fails from its nth call on."""
    made = []

    def make(state: Tally) -> Adder:
        made.append(state)
        if len(made) > times:
            raise RuntimeError("this state cannot be used")
        return Adder(state)

    return make


def test_without_a_usable_keepsake_the_database_is_asked() -> None:
    role = Role(
        name="adder", make=breaks_after(1), state=Tally(seen=[]), rebuild=lambda: Adder(Tally(total=500, seen=[500]))
    )
    kit = Kit([role], route)
    kit.crash_at("adder", 1)
    kit.run(Add(1))
    assert events(kit) == [Added(1, 501)]
    kit.close()


def test_without_any_rebuild_the_actor_is_retired_and_the_message_a_dead_letter() -> None:
    kit = Kit([Role(name="adder", make=breaks_after(1), state=Tally(seen=[]))], route)
    kit.crash_at("adder", 1)
    kit.run(Add(1))
    [retired] = [message for message in kit.to("supervisor") if isinstance(message, Retired)]
    assert "could not be rebuilt: RuntimeError: this state cannot be used" in retired.reason
    assert len(kit.post.dead_letters) == 1
    kit.close()


@settings(deadline=None, max_examples=60)
@given(
    amounts=st.lists(st.integers(0, 12), min_size=1, max_size=150),
    crashes=st.sets(st.integers(1, 150), max_size=6),
    tail=st.sampled_from([0, 1, 7, 64]),
)
def test_crashes_anywhere_change_nothing(amounts: list[int], crashes: set[int], tail: int) -> None:
    outcomes = []
    for places in (set(), crashes):
        kit = Kit([adder(tail=tail, policy=Policy(limit=1000))], route)
        for place in places:
            kit.crash_at("adder", place)
        for amount in amounts:
            kit.run(Add(amount))
        outcomes.append((kit.batches, kit.state("adder")))
        kit.close()
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, MemoryError, RecursionError])
def test_whatever_a_behaviour_raises_is_a_crash(kit: Kit, error: type[BaseException]) -> None:
    kit.crash_at("adder", 1, error=error)
    kit.run(Add(1))
    assert events(kit) == [Added(1, 1)]


def test_an_interrupt_in_the_main_thread_belongs_to_the_operator(kit: Kit) -> None:
    kit.crash_at("adder", 1, error=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        kit.run(Add(1))


class Careless(Behaviour[Tally]):
    """Returns whatever it is told to return."""

    def __init__(self, state: Tally) -> None:
        self.state = state

    def receive(self, now: datetime, message: Any) -> Any:
        return message


@pytest.mark.parametrize(
    ("effects", "complaint"),
    [
        ([Send("journal", 1), AfterWall(1, "x")], "only Send, Reply and After"),
        ([Send("journal", 1), After(0, "x")], "at least one microsecond"),
        ([Send("journal", 1), After(1e-9, "x")], "at least one microsecond"),
        ([Send("journal", 1), "not an effect"], "only Send, Reply and After"),
        (None, "NoneType"),
    ],
)
def test_effects_that_cannot_be_carried_out_are_refused_before_any_is(effects: Any, complaint: str) -> None:
    kit = Kit({"careless": Careless(Tally())}, lambda message: [Step(NOON, "careless", message)])
    kit.run(effects)
    assert kit.batches == []
    assert complaint in kit.post.dead_letters[0].reason
    kit.close()


# ── policies ────────────────────────────────────────────────────────────────────────────────────────────────────────


def crash_every_message(kit: Kit, count: int, apart: timedelta) -> None:
    crashed_at = set()

    def comes_first_time(message: Add) -> bool:
        comes_first = message.at not in crashed_at
        crashed_at.add(message.at)
        return comes_first

    kit.crash_at("adder", comes_first_time, times=1000)
    for position in range(count):
        kit.run(Add(1, NOON + apart * position))


def test_more_restarts_than_the_limit_within_the_window_retire() -> None:
    kit = Kit([adder(policy=Policy(limit=3, window=300))], route)
    crash_every_message(kit, 4, timedelta(seconds=100))
    [retired] = [message for message in kit.to("supervisor") if isinstance(message, Retired)]
    assert "4 restarts within 300 s, 3 allowed" in retired.reason
    assert retired in kit.to("journal")
    assert kit.state("adder").seen == [1, 1, 1]
    kit.run(Add(7, NOON + timedelta(hours=9)))
    assert "takes no more messages" in kit.post.dead_letters[-1].reason
    assert kit.state("adder").seen == [1, 1, 1]
    kit.close()


def test_restarts_further_apart_than_the_window_are_forgotten() -> None:
    kit = Kit([adder(policy=Policy(limit=3, window=300))], route)
    crash_every_message(kit, 20, timedelta(seconds=101))
    assert kit.state("adder").seen == [1] * 20
    kit.close()


def test_halt_stops_entries_and_the_actor_goes_on() -> None:
    kit = Kit([adder(policy=Policy(limit=3, window=60, action="halt"))], route, outside=["risk_monitor"])
    crash_every_message(kit, 6, timedelta(seconds=1))
    [halt] = kit.to("risk_monitor")
    assert isinstance(halt, Halt)
    assert halt.source == "supervisor"
    assert "adder: 4 restarts within 60 s" in halt.reason
    assert kit.state("adder").seen == [1] * 6
    kit.close()


def test_exit_is_fatal_and_the_core_takes_no_more_inputs() -> None:
    kit = Kit([adder(policy=Policy(limit=1, window=60, action="exit"))], route)
    crash_every_message(kit, 3, timedelta(seconds=1))
    [fatal] = [message for message in kit.to("supervisor") if isinstance(message, Fatal)]
    assert fatal.name == "adder"
    assert kit.core.number == 3  # the start and two inputs; the third was refused
    assert "the core takes no more inputs" in kit.post.dead_letters[-1].reason
    kit.close()


def test_poison_is_fatal_where_the_policy_says_so() -> None:
    kit = Kit([adder(policy=Policy(limit=5, window=60, action="exit", poison_exits=True))], route)
    kit.run(Add(13))
    [fatal] = [message for message in kit.to("supervisor") if isinstance(message, Fatal)]
    assert "could not handle Add: ValueError: thirteen" in fatal.reason
    kit.close()


# ── pulses and resume ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_shell_answers_pulses_and_they_are_no_inputs(kit: Kit) -> None:
    number = kit.core.number
    kit.core.ref("adder").tell(Pulse(number=8))
    assert kit.to("supervisor") == [Pulsed(name="adder", number=8, waiting=0)]
    assert kit.core.number == number
    assert kit.state("adder").seen == []


class Reconnecting(Adder):
    """Says when it was resumed."""

    def resume(self, now: datetime) -> Iterable[Effect]:
        return [Send("journal", "connected again")]


def test_a_rebuilt_behaviour_is_resumed_before_the_message_comes_again() -> None:
    kit = Kit([role_of("adder", Reconnecting(Tally(seen=[])))], route)
    kit.crash_at("adder", 1)
    kit.run(Add(1))
    assert events(kit) == ["connected again", Added(1, 1)]
    kit.close()
