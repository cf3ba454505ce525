"""What the feed makes of time: back-off, drift, timestamps too far ahead. Frames reach it with invented walls."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.feed import Feed, Reconnect
from actors.feed_reader import Connected, Disconnected, FrameArrived
from actors.feed_state import FeedOptions
from actors.messages import Alert, FeedDown, Gap, Halt, MarketTime, Resume, Snapshot, Trades
from actors.runtime.behaviour import AfterWall, Send
from tests.fakes.coinbase_server import stamp, trade

BTC = "BTC-USD"
NOON = datetime(2031, 3, 4, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class NoLine:
    """A line nobody reads from: these tests bring the frames themselves."""

    def __init__(self) -> None:
        self.opened: list[int] = []

    def open(self, connection: int) -> None:
        self.opened.append(connection)

    def close(self, connection: int) -> None:
        pass

    def taken(self, connection: int, number: int) -> None:
        pass

    def check(self) -> None:
        pass

    def shut(self) -> None:
        pass


class Bench:
    """A feed, and the frames of one connection given to it at chosen instants of wall time."""

    def __init__(self, jitter: float = 1.0, **options: Any) -> None:
        self.line = NoLine()
        self.feed = Feed([BTC], self.line, jitter=lambda: jitter, options=FeedOptions(**options))
        self.number = 0
        list(self.feed.start(NOON))
        self.receive(Connected(1, NOON), NOON)
        self.frame(
            "subscriptions",
            [{"subscriptions": {"heartbeats": ["heartbeats"], "ticker": [BTC], "market_trades": [BTC]}}],
            NOON,
            NOON,
        )

    def receive(self, message: Any, wall: datetime) -> list[Any]:
        return list(self.feed.receive(wall, message))

    def frame(self, channel: str, events: Sequence[Any], at: datetime, wall: datetime) -> list[Any]:
        """Return what a frame stamped `at` and received at `wall` makes the core and the journal hear."""
        self.number += 1
        envelope = {"channel": channel, "timestamp": stamp(at), "sequence_num": self.number, "events": events}
        message = FrameArrived(self.feed.state.connection.number, self.number, json.dumps(envelope).encode(), wall)
        return [effect.message for effect in self.receive(message, wall) if isinstance(effect, Send)]

    def heartbeat(self, at: datetime, wall: datetime) -> list[Any]:
        return self.frame("heartbeats", [{"current_time": "", "heartbeat_counter": self.number}], at, wall)

    def trades(self, *trades: tuple[int, datetime], wall: datetime, kind: str = "update") -> list[Any]:
        listed = [trade(BTC, number, "100", at) for number, at in trades]
        return self.frame("market_trades", [{"type": kind, "trades": listed[::-1]}], trades[-1][1], wall)


def only(messages: list[Any], *kinds: type) -> list[Any]:
    return [message for message in messages if isinstance(message, kinds)]


# ── back-off ────────────────────────────────────────────────────────────────────────────────────────────────────────


def lose(bench: Bench, wall: datetime) -> float:
    """Lose the connection, wait the back-off out; return how long it was."""
    number = bench.feed.state.connection.number
    timers = [e for e in bench.receive(Disconnected(number, "gone"), wall) if isinstance(e, AfterWall)]
    assert [timer.message for timer in timers] == [Reconnect(number + 1)]
    bench.receive(timers[0].message, wall)
    assert bench.line.opened[-1] == number + 1
    return timers[0].seconds


def test_the_back_off_doubles_up_to_its_longest_and_stays_there() -> None:
    bench = Bench(jitter=1.0)
    assert [lose(bench, NOON) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_the_back_off_is_full_jitter_but_never_nothing() -> None:
    bench = Bench(jitter=0.0)
    assert [lose(bench, NOON) for _ in range(3)] == [0.05, 0.05, 0.05]


def test_the_back_off_begins_anew_only_after_a_steady_connection() -> None:
    bench = Bench(jitter=1.0)
    assert lose(bench, NOON) == 0.25
    for steady, expected in ((False, 0.5), (True, 0.25)):
        number = bench.feed.state.connection.number
        bench.receive(Connected(number, NOON), NOON)
        held = {"heartbeats": ["heartbeats"], "ticker": [BTC], "market_trades": [BTC]}
        bench.frame("subscriptions", [{"subscriptions": held}], NOON, NOON)
        for second in range(1, 40 if steady else 20):
            bench.heartbeat(after(second), after(second))
        assert lose(bench, after(40)) == expected


def test_a_late_frame_of_a_connection_given_up_counts_for_nothing() -> None:
    bench = Bench()
    lose(bench, NOON)
    late = FrameArrived(1, 99, b'{"channel":"heartbeats","timestamp":"x"}', NOON)
    assert bench.receive(late, NOON) == []


# ── liveness ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_frames_without_heartbeats_for_15_s_are_a_dead_connection() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert only(bench.trades((1, after(14)), wall=after(14)), Trades)
    downs = only(bench.trades((2, after(16)), wall=after(16)), FeedDown)
    assert [down.reason for down in downs] == ["no heartbeat for 15 s"]


def test_the_readers_own_standing_still_is_not_the_heartbeats_absence() -> None:
    bench = Bench(clock="venue")
    bench.heartbeat(NOON, NOON)
    envelope = {"channel": "x", "timestamp": stamp(NOON), "sequence_num": bench.number + 1, "events": []}
    waited = FrameArrived(1, 99, json.dumps(envelope).encode(), after(20), waited=19.0)
    assert bench.receive(waited, after(20)) == []


def test_an_acknowledgement_that_never_comes_is_a_dead_connection() -> None:
    bench = Bench()
    lose(bench, NOON)
    bench.receive(Connected(2, NOON), NOON)
    assert not only(bench.heartbeat(after(9), after(9)), Gap)
    messages = bench.heartbeat(after(11), after(11))
    assert "not acknowledged: heartbeats; ticker of BTC-USD; market_trades of BTC-USD" in str(messages)


# ── drift ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_measurement_lifts_a_halt_left_over_from_before_a_restart() -> None:
    bench = Bench()
    assert only(bench.heartbeat(NOON, after(1)), Halt, Resume) == [Resume(source="drift")]
    assert only(bench.heartbeat(after(1), after(2)), Halt, Resume) == []


@pytest.mark.parametrize("drift", [-6.0, 6.0])
def test_drift_beyond_the_limit_halts_and_its_end_resumes(drift: float) -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    halts = only(bench.heartbeat(after(10 + drift), after(10)), Halt, Resume)
    assert [(halt.source, type(halt)) for halt in halts] == [("drift", Halt)]
    assert f"{drift:+.1f} s" in halts[0].reason
    assert only(bench.heartbeat(after(11 + drift), after(11)), Halt, Resume) == []
    assert only(bench.heartbeat(after(30), after(30)), Halt, Resume) == [Resume(source="drift")]


def test_drift_at_the_limit_is_allowed() -> None:
    bench = Bench()
    assert only(bench.heartbeat(NOON, after(5)), Halt) == []
    assert only(bench.heartbeat(after(1), after(6.1)), Halt) != []


def test_a_trade_ahead_of_this_machine_halts_before_it_can_trigger_anything() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert [type(message) for message in only(bench.trades((1, after(30)), wall=after(1)), Trades, Halt)] == [
        Halt,
        Trades,
    ]


def test_an_old_trade_of_a_quiet_product_is_no_drift() -> None:
    bench = Bench()
    assert only(bench.trades((1, after(-600)), wall=NOON), Halt, Resume) == []


def test_in_venue_time_nothing_is_measured_and_nothing_held_back() -> None:
    bench = Bench(clock="venue")
    assert only(bench.heartbeat(after(86_400), NOON), MarketTime, Halt, Resume) == [MarketTime(after(86_400))]
    assert [type(m) for m in only(bench.trades((1, after(99_999)), wall=NOON), Trades, Halt)] == [Trades]


# ── timestamps too far ahead ────────────────────────────────────────────────────────────────────────────────────────


def test_a_trade_more_than_a_minute_ahead_waits_for_a_heartbeat_and_others_wait_behind_it() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert only(bench.trades((1, after(90)), wall=after(1)), Trades) == []
    assert only(bench.trades((2, after(91)), wall=after(2)), Trades) == []
    bench.heartbeat(after(88), after(3))
    passed = bench.heartbeat(after(89), after(4))
    assert [[tick.trade_id for tick in trades.ticks] for trades in only(passed, Trades)] == [[1], [2]]


def test_exactly_a_minute_ahead_is_believed() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert only(bench.trades((1, after(61)), wall=after(1)), Trades)


def test_a_timestamp_no_heartbeat_confirms_is_given_up_and_leaves_a_gap() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    bench.trades((1, after(1)), wall=after(1))
    bench.trades((2, after(3600)), wall=after(2))
    bench.trades((3, after(2)), wall=after(2))
    heard = [bench.heartbeat(after(second), after(second)) for second in (3, 4, 5)]
    assert [only(messages, Trades, Gap) for messages in heard[:2]] == [[], []]
    gap, trades = only(heard[2], Trades, Gap)[0], only(heard[2], Trades)[0]
    assert (gap.since, gap.reconnect) == (after(1), False)
    assert "not believed" in gap.reason
    assert [tick.trade_id for tick in trades.ticks] == [3]
    assert only(heard[2], Alert)
    assert bench.feed.state.newest == after(5)


def test_one_heartbeat_that_jumps_ahead_moves_nothing() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert only(bench.heartbeat(after(3600), after(1)), MarketTime, Halt) == []
    assert only(bench.heartbeat(after(2), after(2)), MarketTime, Halt) == [MarketTime(after(2))]


def test_two_heartbeats_that_agree_move_market_time_and_halt_for_drift() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    bench.heartbeat(after(3600), after(1))
    heard = only(bench.heartbeat(after(3601), after(2)), MarketTime, Halt)
    assert [type(message) for message in heard] == [Halt, MarketTime]


def test_with_this_machine_two_minutes_slow_the_market_is_believed_after_two_heartbeats() -> None:
    bench = Bench()
    assert only(bench.trades((1, after(119)), wall=NOON, kind="snapshot"), Trades, Snapshot) == []
    assert only(bench.heartbeat(after(120), after(0.5)), MarketTime) == []
    heard = only(bench.heartbeat(after(121), after(1.5)), Trades, Snapshot, MarketTime, Halt)
    assert [type(message) for message in heard] == [Halt, Trades, Snapshot, MarketTime]
    assert only(bench.trades((2, after(122)), wall=after(2.5)), Trades)


def test_a_suspended_machine_finds_market_time_where_wall_time_predicts_it() -> None:
    bench = Bench()
    bench.heartbeat(NOON, NOON)
    assert only(bench.heartbeat(after(7200), after(7200.2)), MarketTime) == [MarketTime(after(7200))]
