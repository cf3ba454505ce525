"""Which trades are new, and what a jump in their ids means."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.feed_trades import JUMPS, PROVEN, REMEMBERED, SLACK, TradeMemory, leave, take
from atlas.market.bar import Tick

START = datetime(2031, 3, 4, 12, 0, tzinfo=UTC)


def tick(trade_id: int, after: float | None = None) -> Tick:
    seconds = float(trade_id if after is None else after)
    return Tick(trade_id, START + timedelta(seconds=seconds), Decimal(100), Decimal(1))


def ids(memory: TradeMemory, *ticks: Tick) -> list[int]:
    return [new.trade_id for new in take(memory, ticks).ticks]


def test_trades_come_out_oldest_first_whatever_the_frames_order() -> None:
    assert ids(TradeMemory.of("BTC-USD"), tick(3), tick(2), tick(4)) == [2, 3, 4]


def test_trades_of_one_instant_keep_the_order_of_their_ids() -> None:
    assert ids(TradeMemory.of("BTC-USD"), tick(4, 0), tick(3, 0), tick(2, 0)) == [2, 3, 4]


def test_a_replayed_trade_is_not_new() -> None:
    memory = TradeMemory.of("BTC-USD")
    take(memory, [tick(1), tick(2)])
    leave(memory)
    assert ids(memory, tick(1), tick(2), tick(3)) == [3]


def test_a_trade_older_than_all_that_is_remembered_is_not_new() -> None:
    memory = TradeMemory.of("BTC-USD")
    for number in range(1, REMEMBERED + SLACK + 2):
        take(memory, [tick(number)])
        assert min(number, REMEMBERED) <= len(memory.recent) <= REMEMBERED + SLACK
    assert (next(iter(memory.recent)), memory.forgotten) == (SLACK + 1, SLACK)
    assert ids(memory, tick(3)) == []


def test_a_late_trade_that_was_jumped_over_is_new() -> None:
    memory = TradeMemory.of("BIP-20DEC30-CDE")
    take(memory, [tick(1), tick(3)])
    assert ids(memory, tick(2)) == [2]


def test_a_jump_of_a_spot_product_is_a_loss_since_the_trade_before() -> None:
    memory = TradeMemory.of("BTC-USD")
    take(memory, [tick(1)])
    new = take(memory, [tick(5)])
    assert (new.lost, new.since) == ("trade ids jumped from 1 to 5", tick(1).time)


def test_what_ids_did_between_two_connections_is_no_jump() -> None:
    memory = TradeMemory.of("BTC-USD")
    take(memory, [tick(1)])
    leave(memory)
    assert take(memory, [tick(50), tick(51)]).lost is None
    assert take(memory, [tick(53)]).lost is not None


def test_ids_of_a_future_count_as_dense_only_after_a_thousand_in_a_row() -> None:
    proven, unproven = TradeMemory.of("BIP-20DEC30-CDE"), TradeMemory.of("ETP-20DEC30-CDE")
    take(proven, [tick(number) for number in range(1, PROVEN + 2)])
    take(unproven, [tick(number) for number in range(1, PROVEN)])
    assert take(proven, [tick(PROVEN + 5)]).lost is not None
    assert take(unproven, [tick(PROVEN + 5)]).lost is None
    assert unproven.dense is False


def test_a_product_whose_ids_keep_jumping_is_not_dense_after_all() -> None:
    memory = TradeMemory.of("XYZ-USD")
    take(memory, [tick(1)])
    verdicts = [take(memory, [tick(1 + 10 * number)]) for number in range(1, JUMPS + 2)]
    assert [new.lost is not None for new in verdicts] == [True] * JUMPS + [False]
    assert [new.not_dense for new in verdicts] == [False] * (JUMPS - 1) + [True, False]


def test_ids_that_begin_anew_are_a_hole_and_not_silence() -> None:
    # A local exchange started again counts from its base: its trades are later than any before.
    memory = TradeMemory.of("BTC-USD")
    take(memory, [tick(1), tick(2), tick(3)])
    leave(memory)
    new = take(memory, [tick(1, 100), tick(2, 101)])
    assert [t.trade_id for t in new.ticks] == [1, 2]
    assert new.lost == "trade ids began anew: 1 after 3"
    assert ids(memory, tick(1, 100), tick(3, 102)) == [3]


@given(st.lists(st.lists(st.integers(1, 40), max_size=8), max_size=12))
def test_no_trade_is_handed_over_twice_whatever_is_replayed(frames: list[list[int]]) -> None:
    memory = TradeMemory.of("BTC-USD")
    seen: list[int] = []
    for frame in frames:
        memory = msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=TradeMemory)
        seen.extend(ids(memory, *(tick(number) for number in frame)))
    assert sorted(seen) == sorted(set(seen))
    assert set(seen) == {number for frame in frames for number in frame}
