"""What a live core did, a replay of its recording does again, to the byte."""

import random
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages import Crashed, EventBatch
from actors.runtime import After, Behaviour, Codec, Core, Effect, Policy, Post, Recorder, Role, Send, Sink, Step
from actors.runtime.kit import Kit
from actors.runtime.recording import Checkpoint, RecordedInput, read
from actors.runtime.replay import replay
from actors.runtime.sabotage import Saboteur
from atlas.errors import DataError, InternalError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Trade(msgspec.Struct, frozen=True, tag=True):
    symbol: str
    at: datetime
    price: Decimal


class Close(msgspec.Struct, frozen=True, tag=True):
    symbol: str


class Bar(msgspec.Struct, frozen=True, tag=True):
    symbol: str
    at: datetime
    high: Decimal
    trades: int


class Reset(msgspec.Struct, frozen=True, tag=True):
    by: str


Message = Trade | Close | Bar | Reset
CODEC = Codec(encode=msgspec.json.encode, decode=msgspec.json.Decoder(Message).decode)


class Forming(msgspec.Struct):
    symbol: str
    high: Decimal | None = None
    trades: int = 0


class Scanner(Behaviour[Forming]):
    """Forms bars of ten seconds by market timers."""

    def __init__(self, state: Forming) -> None:
        self.state = state

    def start(self, now: datetime) -> Iterable[Effect]:
        return [After(10, Close(self.state.symbol))]

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        state = self.state
        if isinstance(message, Trade):
            state.high = message.price if state.high is None else max(state.high, message.price)
            state.trades += 1
        elif isinstance(message, Close):
            yield After(10, message)
            if state.high is not None:
                bar = Bar(state.symbol, now, state.high, state.trades)
                state.high, state.trades = None, 0
                yield Send("journal", bar)
                yield Send("ledger", bar)


class Counted(msgspec.Struct):
    bars: dict[str, int] = {}
    resets: int = 0


class Ledger(Behaviour[Counted]):
    """Counts the bars of all symbols: its answers depend on the order of everything."""

    def __init__(self, state: Counted) -> None:
        self.state = state

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        if isinstance(message, Reset):
            self.state.resets += 1
            self.state.bars.clear()
            return [Send("alerter", message), Send("journal", message)]
        self.state.bars[message.symbol] = self.state.bars.get(message.symbol, 0) + message.trades
        return [Send("journal", Trade(message.symbol, now, Decimal(sum(self.state.bars.values()))))]


SYMBOLS = ("BTC", "ETH", "SOL", "XRP")


def route(message: Any) -> list[Step]:
    if isinstance(message, Trade):
        return [Step(message.at, f"scanner:{message.symbol}", message)]
    return [Step(None, "ledger", message)]


def roles(policy: Policy | None = None) -> list[Role[Any]]:
    scanners: list[Role[Any]] = [
        Role(name=f"scanner:{symbol}", make=Scanner, state=Forming(symbol), policy=policy or Policy())
        for symbol in SYMBOLS
    ]
    return [Role(name="ledger", make=Ledger, state=Counted(bars={})), *scanners]


def encoded(batches: Iterable[EventBatch]) -> list[bytes]:
    return [msgspec.json.encode(batch) for batch in batches]


class Live:
    """A core on its thread that records, with sinks outside."""

    def __init__(self, directory: Path, *, number: int = 0, saboteur: Saboteur | None = None) -> None:
        self.directory = directory
        self.post, self.journal = Post(), Sink()
        self.post.bind("journal", self.journal)
        for name in ("alerter", "supervisor"):
            self.post.bind(name, Sink())
        self.recorder = Recorder(directory, CODEC, lambda: datetime.now(UTC))
        self.recorder.start(timeout=1)
        self.core = Core(route, self.post, self.recorder, number=number, receiver=(saboteur or Saboteur()).receive)
        for role in roles(Policy(limit=1000)):
            self.core.add(role)
        self.core.start(timeout=30)

    def end(self) -> list[EventBatch]:
        assert self.core.stop(timeout=60)
        self.recorder.stop(timeout=1)
        return [message for message in self.journal.messages if isinstance(message, EventBatch)]


def produce(core: Core, symbol: str, count: int, start: datetime = NOON) -> None:
    chance = random.Random(symbol)
    for position in range(count):
        at = start + timedelta(seconds=position + chance.random() * 3)
        core.put(Trade(symbol, at, Decimal(chance.randrange(1000))))
        if position % 50 == 49:
            core.ref("ledger").tell(Reset(symbol))


def produced_by_four_threads(live: Live, count: int) -> list[EventBatch]:
    producers = [threading.Thread(target=produce, args=(live.core, symbol, count)) for symbol in SYMBOLS]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    return live.end()


def test_inputs_of_several_threads_replay_in_the_order_they_were_taken(tmp_path: Path) -> None:
    batches = produced_by_four_threads(Live(tmp_path), 300)
    assert len(batches) > 50
    assert encoded(replay(read(tmp_path), roles(), route, CODEC)) == encoded(batches)


def test_a_replay_gives_the_same_each_time(tmp_path: Path) -> None:
    produced_by_four_threads(Live(tmp_path), 100)
    first = encoded(replay(read(tmp_path), roles(), route, CODEC))
    assert encoded(replay(read(tmp_path), roles(), route, CODEC)) == first != []


def test_a_live_run_with_crashes_replays_as_if_there_had_been_none(tmp_path: Path) -> None:
    saboteur = Saboteur()
    for place in (3, 40, 41, 90):
        saboteur.crash_at("scanner:ETH", place)
        saboteur.crash_at("ledger", place // 2, moment="before")
    batches = produced_by_four_threads(Live(tmp_path, saboteur=saboteur), 100)
    assert encoded(replay(read(tmp_path), roles(), route, CODEC)) == encoded(batches)


def test_every_input_is_recorded_with_number_and_addressee(tmp_path: Path) -> None:
    live = Live(tmp_path)
    produce(live.core, "BTC", 50)
    live.end()
    start, *inputs = read(tmp_path)
    assert isinstance(start, Checkpoint)
    assert [record.number for record in inputs] == list(range(start.number + 1, start.number + 52))
    assert [record.to for record in inputs if isinstance(record, RecordedInput)] == [None] * 50 + ["ledger"]


def test_a_second_run_goes_on_in_the_same_recording(tmp_path: Path) -> None:
    first = Live(tmp_path)
    produce(first.core, "BTC", 60)
    batches = first.end()
    second = Live(tmp_path, number=first.core.number)
    produce(second.core, "ETH", 60, NOON + timedelta(minutes=5))
    batches += second.end()
    assert encoded(replay(read(tmp_path), roles(), route, CODEC)) == encoded(batches)


def test_what_a_start_causes_is_in_its_checkpoint_and_not_played_again(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.end()
    [start] = read(tmp_path)
    assert isinstance(start, Checkpoint)
    assert [timer.name for timer in start.early_timers] == [f"scanner:{symbol}" for symbol in SYMBOLS]
    assert list(replay(read(tmp_path), roles(), route, CODEC)) == []


class Beginner(Ledger):
    """Tells the journal something when it starts."""

    def start(self, now: datetime) -> Iterable[Effect]:
        return [Send("journal", Reset("begun"))]


def test_what_a_start_told_the_journal_is_handed_on_and_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, CODEC, lambda: NOON)
    beginner: Role[Any] = Role(name="ledger", make=Beginner, state=Counted(bars={}))
    kit = Kit([beginner], route, recorder=recorder, outside=["alerter"], market_time=NOON)
    kit.run(Reset("later"))
    recorder.stop(timeout=1)
    assert [batch.number for batch in kit.batches] == [1, 2]
    assert encoded(replay(read(tmp_path), [beginner], route, CODEC)) == encoded(kit.batches)
    kit.close()


@pytest.fixture
def two_days(tmp_path: Path) -> Iterator[tuple[Path, list[EventBatch], Kit]]:
    """Trades every ten minutes over two midnights of market time, recorded a wall second apart."""
    wall = iter(datetime(2026, 3, 5, tzinfo=UTC) + timedelta(seconds=second) for second in range(10_000))
    recorder = Recorder(tmp_path, CODEC, lambda: next(wall))
    kit = Kit(roles(), route, recorder=recorder, outside=["alerter"])
    for position in range(26 * 6):
        symbol = SYMBOLS[position % 4]
        kit.run(Trade(symbol, NOON + timedelta(hours=11, minutes=10 * position), Decimal(position)))
    recorder.stop(timeout=1)
    yield tmp_path, kit.batches, kit
    kit.close()


def test_each_midnight_of_market_time_is_a_checkpoint(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, _, _ = two_days
    checkpoints = [record for record in read(directory) if isinstance(record, Checkpoint)]
    assert [checkpoint.reason for checkpoint in checkpoints] == ["start", "midnight", "midnight"]
    assert [checkpoint.market_time for checkpoint in checkpoints[1:]] == [
        datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC),
    ]  # fmt: skip
    assert len(checkpoints[1].timers) == 4


def test_a_replay_from_midnight_gives_the_rest_of_the_batches(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, batches, _ = two_days
    midnight = [record for record in read(directory) if isinstance(record, Checkpoint)][1]
    rest = [batch for batch in batches if batch.number > midnight.number]
    assert encoded(replay(read(directory, midnight.wall), roles(), route, CODEC)) == encoded(rest)
    assert len(rest) > 100


def test_inputs_before_the_first_checkpoint_are_passed_over(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, batches, _ = two_days
    headless = list(read(directory))[1:]
    midnight = next(record for record in headless if isinstance(record, Checkpoint))
    rest = [batch for batch in batches if batch.number > midnight.number]
    assert encoded(replay(headless, roles(), route, CODEC)) == encoded(rest)


def test_inputs_without_any_checkpoint_are_no_replay(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, _, _ = two_days
    headless = [record for record in read(directory) if isinstance(record, RecordedInput)]
    with pytest.raises(DataError, match=f"the recording's {len(headless)} inputs have no checkpoint before them"):
        list(replay(headless, roles(), route, CODEC))
    assert list(replay([], roles(), route, CODEC)) == []


def test_retirement_is_in_the_checkpoint(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, CODEC, lambda: NOON)
    kit = Kit(roles(Policy(limit=0)), route, recorder=recorder, outside=["alerter"])
    kit.crash_at("scanner:BTC", 1)
    kit.run(Trade("BTC", NOON, Decimal(1)))
    kit.run(Trade("ETH", NOON + timedelta(hours=12), Decimal(1)))
    kit.run(Trade("BTC", NOON + timedelta(hours=13), Decimal(1)))
    recorder.stop(timeout=1)
    kit.close()
    midnight = [record for record in read(tmp_path) if isinstance(record, Checkpoint)][1]
    assert "1 restarts within 300 s" in (midnight.actors["scanner:BTC"].gone or "")
    rest = [batch for batch in kit.batches if batch.number > midnight.number]
    assert encoded(replay(read(tmp_path, midnight.wall), roles(), route, CODEC)) == encoded(rest) != []


def test_a_midnight_without_checkpoint_is_reported_and_the_core_goes_on(tmp_path: Path) -> None:
    broken: list[str] = []

    def encode(message: Any) -> bytes:
        if broken and isinstance(message, Close):
            raise ValueError(broken[0])
        return CODEC.encode(message)

    recorder = Recorder(tmp_path, Codec(encode, CODEC.decode), lambda: NOON)
    kit = Kit(roles(), route, recorder=recorder, outside=["alerter"])
    kit.run(Trade("BTC", NOON, Decimal(1)))
    broken.append("a timer's message that cannot be encoded")
    kit.run(Trade("BTC", NOON + timedelta(hours=12), Decimal(1)))
    for name in ("supervisor", "journal"):
        [crashed] = [message for message in kit.to(name) if isinstance(message, Crashed)]
        assert crashed.error == "no checkpoint: ValueError: a timer's message that cannot be encoded"
    kit.run(Trade("BTC", NOON + timedelta(hours=13), Decimal(1)))
    recorder.stop(timeout=1)
    kit.close()
    assert [record.number for record in read(tmp_path)] == [1, 2, 3, 4]


def test_a_checkpoint_of_other_actors_is_refused(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, _, _ = two_days
    with pytest.raises(InternalError, match="does not fit these actors: scanner:XRP"):
        list(replay(read(directory), roles()[:-1], route, CODEC))


def test_a_replay_that_cannot_follow_says_where(two_days: tuple[Path, list[EventBatch], Kit]) -> None:
    directory, _, _ = two_days

    records = [record for record in read(directory) if record.number != 5]
    with pytest.raises(DataError, match="input 6 was played as 5"):
        list(replay(records, roles(), route, CODEC))


def test_an_input_that_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    def encode(message: Any) -> bytes:
        if not isinstance(message, Message):
            raise TypeError(f"{type(message).__name__} is no message")
        return CODEC.encode(message)

    recorder = Recorder(tmp_path, Codec(encode, CODEC.decode), lambda: NOON)
    kit = Kit(roles(), route, recorder=recorder)
    number = kit.core.number
    kit.run("no message", to="ledger")
    assert kit.core.number == number
    assert kit.post.dead_letters[0].reason == "it cannot be recorded: TypeError: str is no message"
    recorder.stop(timeout=1)
    kit.close()
