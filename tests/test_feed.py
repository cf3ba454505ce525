"""The feed against a real websocket server over loopback: what it believes, what it gives up, and in which order."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.feed import Feed
from actors.feed_reader import FrameArrived, LineOptions, SocketLine
from actors.feed_state import FeedOptions, FeedState, subscriptions
from actors.messages import (
    Alert,
    DeadLetter,
    FeedDown,
    FeedUp,
    Gap,
    MarketTime,
    Quote,
    Snapshot,
    Trades,
)
from actors.runtime.behaviour import Effect, Role
from actors.runtime.post import Post
from actors.runtime.threads import OwnThread, utc_now
from tests.fakes.coinbase_server import START, CoinbaseServer, Script, Session, seconds, ticker, trade

PATIENCE = 30.0
BTC, BIP = "BTC-USD", "BIP-20DEC30-CDE"


class Mailbox:
    """An address that keeps what it is told, and can be waited for."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()

    def tell(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for(self, met: Callable[[list[Any]], Any], what: str) -> list[Any]:
        """Wait until `met`; also looks now and then without a message, as what is waited for may lie elsewhere."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not met(self.messages):
                assert time.monotonic() < deadline, f"{what} never came: {self.messages}"
                self._changed.wait(0.05)
            return list(self.messages)

    def wait_count(self, kind: type, count: int) -> list[Any]:
        self.wait_for(lambda messages: len(_of(messages, kind)) >= count, f"{kind.__name__} number {count}")
        return _of(self.messages, kind)


class Running:
    """A feed on its own thread, with the core's and the journal's mailboxes."""

    def __init__(
        self,
        url: str,
        products: tuple[str, ...],
        line: LineOptions,
        options: FeedOptions,
        kind: type[Feed] = Feed,
        **more: Any,
    ) -> None:
        self.core, self.journal = Mailbox(), Mailbox()
        post = Post()
        post.bind("core", self.core)
        post.bind("journal", self.journal)
        self.line = SocketLine(
            url,
            subscriptions(products),
            lambda message: post.send("reader", "feed", message),
            clock=utc_now,
            monotonic=time.monotonic,
            options=line,
            **more,
        )

        def make(state: FeedState) -> Feed:
            return kind(products, self.line, jitter=lambda: 0.5, options=options, state=state)

        self.actor = OwnThread(Role(name="feed", make=make, state=FeedState()), post)


def _of(messages: list[Any], kind: type) -> list[Any]:
    return [message for message in messages if isinstance(message, kind)]


def _shown(messages: list[Any], *kinds: type) -> list[str]:
    """Return the messages of these kinds, shortly: what and about whom."""
    return [type(message).__name__ for message in messages if isinstance(message, kinds)]


@contextmanager
def feed(
    *scripts: Script,
    products: tuple[str, ...] = (BTC,),
    known: tuple[str, ...] | None = None,
    recent: dict[str, list[dict[str, str]]] | None = None,
    line: LineOptions = LineOptions(pause=0.0),  # noqa: B008  immutable
    options: FeedOptions = FeedOptions(clock="venue"),  # noqa: B008  immutable
    **more: Any,
) -> Iterator[tuple[Running, CoinbaseServer]]:
    """A started feed on a server with these scripts. Prices are of 2031, so most tests measure no drift."""
    with CoinbaseServer(*scripts, known=known or products, recent=recent or {}) as server:
        running = Running(server.url, products, line, options, **more)
        running.actor.start(timeout=PATIENCE)
        try:
            yield running, server
        finally:
            assert running.actor.stop(timeout=PATIENCE)


def healthy(session: Session) -> None:
    session.subscribe_all()
    session.heartbeat()
    session.stay()


def test_subscribes_one_channel_a_message_with_trades_last() -> None:
    with feed(healthy, products=(BTC, BIP)) as (running, server):
        running.core.wait_count(FeedUp, 1)
        requests = server.sessions[0].requests
    assert requests == [
        {"type": "subscribe", "channel": "heartbeats"},
        {"type": "subscribe", "product_ids": [BTC, BIP], "channel": "ticker"},
        {"type": "subscribe", "product_ids": [BTC, BIP], "channel": "market_trades"},
    ]


def test_a_fresh_token_goes_with_every_message_when_keys_are_configured() -> None:
    tokens = iter(["one", "two", "three"])
    with feed(healthy, jwt=lambda: next(tokens)) as (running, server):
        running.core.wait_count(FeedUp, 1)
        assert [request["jwt"] for request in server.sessions[0].requests] == ["one", "two", "three"]


def test_is_up_only_when_everything_asked_for_is_acknowledged() -> None:
    proceed = threading.Event()

    def script(session: Session) -> None:
        session.subscribe()
        session.subscribe()
        session.trades(trade(BTC, 7, "100", START))
        assert proceed.wait(PATIENCE)
        session.subscribe()
        session.stay()

    with feed(script) as (running, _):
        # Data comes before the acknowledgement and is not made to wait for it (coinbase.md 0.3).
        running.core.wait_count(Trades, 1)
        assert not _of(running.core.messages, FeedUp)
        proceed.set()
        running.core.wait_count(FeedUp, 1)


def test_a_product_left_out_of_the_acknowledgement_is_named_and_tried_again() -> None:
    patient = FeedOptions(clock="venue", refusals=1000)
    with feed(healthy, products=(BTC, "NOPE-USD"), known=(BTC,), options=patient) as (running, server):
        reason = running.core.wait_count(FeedDown, 1)[0].reason
        alert = running.journal.wait_count(Alert, 1)[0]
        running.core.wait_for(lambda _: len(server.sessions) >= 2, "a second attempt")
        assert "NOPE-USD" in reason
        assert BTC not in reason
        assert "NOPE-USD" in alert.text
        assert not _of(running.core.messages, FeedUp)


def test_the_usdc_alias_counts_as_acknowledged_and_its_trades_carry_the_configured_name() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 7, "100", START))
        session.stay()

    with CoinbaseServer(script, known=("BTC-USDC",)) as server:
        running = Running(server.url, ("BTC-USDC",), LineOptions(pause=0.0), FeedOptions(clock="venue"))
        running.actor.start(timeout=PATIENCE)
        running.core.wait_count(FeedUp, 1)
        assert running.core.wait_count(Trades, 1)[0].symbol == "BTC-USDC"
        running.actor.stop(timeout=PATIENCE)


def test_snapshot_trades_come_before_their_snapshot_oldest_first_and_without_quotes() -> None:
    recent = {BTC: [trade(BTC, 5, "100", START - seconds(9)), trade(BTC, 6, "101", START - seconds(3))]}
    with feed(healthy, recent=recent) as (running, _):
        running.core.wait_count(Snapshot, 1)
        trades, snapshot = running.core.messages[:2]
    assert [tick.trade_id for tick in trades.ticks] == [5, 6]
    assert trades.source == "snapshot"
    assert {(tick.bid, tick.ask) for tick in trades.ticks} == {(None, None)}
    assert snapshot == Snapshot(BTC, START, START - seconds(9))


def test_a_product_without_recent_trades_gets_its_snapshot_all_the_same() -> None:
    with feed(healthy, products=(BTC, BIP), recent={BTC: [trade(BTC, 5, "100", START)]}) as (running, _):
        snapshots = running.core.wait_count(Snapshot, 2)
    assert [(s.symbol, s.oldest) for s in snapshots] == [(BTC, START), (BIP, None)]


def test_each_trade_carries_the_quotes_as_of_its_place_in_the_feed() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 1, "100", START, side="SELL"))
        session.ticker(ticker(BTC, "100", "100", "100.5"))
        session.trades(trade(BTC, 2, "100", START, side="BUY"))
        session.ticker(ticker(BTC, "100", "", ""))  # The CDE break (coinbase.md 0.12).
        session.trades(trade(BTC, 3, "100", START, side="UNKNOWN_ORDER_SIDE"))
        session.stay()

    with feed(script) as (running, _):
        ticks = [trades.ticks[0] for trades in running.core.wait_count(Trades, 3)]
    assert [(tick.bid, tick.ask, tick.aggressor) for tick in ticks] == [
        (Decimal(99), Decimal(101), "buy"),
        (Decimal(100), Decimal("100.5"), "sell"),
        (None, None, None),
    ]


def test_trades_of_products_not_asked_for_are_left_out() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade("ETH-USD", 1, "9", START), trade(BTC, 2, "100", START))
        session.stay()

    with feed(script) as (running, _):
        assert running.core.wait_count(Trades, 1)[0].symbol == BTC


def test_market_time_comes_from_heartbeats_and_only_when_it_advances() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        for after in (1, 1, 3, 2, 4):
            session.heartbeat(START + seconds(after))
        session.trades(trade(BTC, 1, "100", START + seconds(6)))
        session.heartbeat(START + seconds(5))
        session.heartbeat(START + seconds(7))
        session.stay()

    with feed(script) as (running, _):
        times = [message.at for message in running.core.wait_count(MarketTime, 4)]
    assert times == [START + seconds(n) for n in (1, 3, 4, 7)]


@pytest.mark.parametrize(
    ("shift", "fault"), [(1, "gap"), (-1, "repetition"), (-2, "lower")], ids=["gap", "repetition", "lower"]
)
def test_a_frame_out_of_sequence_gives_the_connection_up(shift: int, fault: str) -> None:
    def broken(session: Session) -> None:
        session.subscribe_all()
        session.heartbeat()
        session.trades(trade(BTC, 1, "100", START))
        session.sequence += shift
        session.trades(trade(BTC, 2, "100", START))
        session.stay()

    with feed(broken, healthy) as (running, _):
        running.core.wait_count(FeedUp, 2)
        messages = list(running.core.messages)
    assert [tick.trade_id for trades in _of(messages, Trades) for tick in trades.ticks] == [1]
    assert _shown(messages, FeedUp, FeedDown, Gap) == ["FeedUp", "FeedDown", "Gap", "FeedUp"]
    assert "was due" in _of(messages, FeedDown)[0].reason
    assert _of(messages, Gap) == [Gap(BTC, START, _of(messages, FeedDown)[0].reason, reconnect=True)]


def test_sequence_numbers_may_begin_anywhere_and_error_frames_have_none() -> None:
    def script(session: Session) -> None:
        session.sequence = 41
        session.subscribe_all()
        session.text(b'{"type":"error","message":"rate limit exceeded"}')
        session.stay()

    with feed(script, healthy) as (running, _):
        running.core.wait_count(FeedUp, 2)
        assert [down.reason for down in _of(running.core.messages, FeedDown)] == [
            "the exchange says: rate limit exceeded"
        ]


def test_every_product_gets_its_gap_before_the_next_connections_trades_and_no_trade_comes_twice() -> None:
    first = [trade(BTC, 5, "100", START), trade(BTC, 6, "101", START + seconds(1))]
    recent = {BTC: list(first), BIP: [trade(BIP, 50, "70000", START)]}

    def drops(session: Session) -> None:
        session.subscribe_all()
        session.heartbeat(START + seconds(2))
        session.trades(trade(BTC, 7, "102", START + seconds(3)))
        recent[BTC] = [trade(BTC, 6, "101", START + seconds(1)), trade(BTC, 7, "102", START + seconds(3)),
                       trade(BTC, 8, "103", START + seconds(4))]  # fmt: skip
        session.server.recent.update(recent)
        session.connection.close(1001, "going away")

    with feed(drops, healthy, products=(BTC, BIP), recent=recent) as (running, _):
        running.core.wait_count(Snapshot, 4)
        running.core.wait_count(FeedUp, 2)
        messages = list(running.core.messages)
    assert [tick.trade_id for t in _of(messages, Trades) if t.symbol == BTC for tick in t.ticks] == [5, 6, 7, 8]
    assert [tick.trade_id for t in _of(messages, Trades) if t.symbol == BIP for tick in t.ticks] == [50]
    gaps = _of(messages, Gap)
    assert [(gap.symbol, gap.since, gap.reconnect) for gap in gaps] == [
        (BTC, START + seconds(3), True),
        (BIP, START, True),
    ]
    down = messages.index(_of(messages, FeedDown)[0])
    assert "1001 going away" in messages[down].reason
    assert messages[down + 1 : down + 3] == gaps
    assert [type(message) for message in messages[down + 3 : down + 5]] == [Trades, Snapshot]


def test_no_gap_while_nothing_was_ever_handed_over() -> None:
    def refuses(session: Session) -> None:
        session.connection.close(1013, "try again later")

    with feed(refuses, refuses, healthy) as (running, _):
        running.core.wait_count(FeedUp, 1)
        assert not _of(running.core.messages, Gap)


ENDINGS: dict[str, tuple[Script, str]] = {
    "clean close 1000": (lambda session: session.connection.close(1000), "1000"),
    "clean close 1001": (lambda session: session.connection.close(1001, "bye"), "1001 bye"),
    "reset": (Session.reset, "the connection broke"),
    "end without a close frame": (Session.hang_up, "the connection broke"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_reconnects_after(name: str) -> None:
    end, words = ENDINGS[name]

    def script(session: Session) -> None:
        session.subscribe_all()
        session.heartbeat()
        end(session)

    with feed(script, script, healthy) as (running, server):
        running.core.wait_count(FeedUp, 3)
        assert len(server.sessions) == 3
        assert all(words in down.reason for down in _of(running.core.messages, FeedDown))


def test_tries_for_ever_while_nobody_listens_and_says_so_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    opened: list[int] = []

    class Counting(SocketLine):
        def open(self, connection: int) -> None:
            opened.append(connection)
            super().open(connection)

    url = f"ws://127.0.0.1:{port}"
    running = Running(url, (BTC,), LineOptions(pause=0.0), FeedOptions(clock="venue", longest_backoff=0.1))
    running.line.__class__ = Counting
    running.actor.start(timeout=PATIENCE)
    running.core.wait_for(lambda _: len(opened) >= 4, "a fourth attempt")
    downs = _of(running.core.messages, FeedDown)
    with CoinbaseServer(healthy, known=(BTC,), port=port):
        running.core.wait_count(FeedUp, 1)
        assert running.actor.stop(timeout=PATIENCE)
    assert [down.reason.split(":")[0] for down in downs] == ["could not connect to ws"]


def test_a_crash_of_the_feed_is_a_loss_like_any_other() -> None:
    crashed = threading.Event()

    class Brittle(Feed):
        def receive(self, now: datetime, message: Any) -> Iterator[Effect]:
            yield from super().receive(now, message)
            if isinstance(message, FrameArrived) and b'"trade_id":"2"' in message.raw and not crashed.is_set():
                crashed.set()
                raise RuntimeError("made to crash")

    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 1, "100", START))
        session.trades(trade(BTC, 2, "100", START + seconds(1)))
        session.stay()

    recent = {BTC: [trade(BTC, 1, "100", START), trade(BTC, 2, "100", START + seconds(1))]}

    def again(session: Session) -> None:
        session.server.recent.update(recent)
        healthy(session)

    with CoinbaseServer(script, again, known=(BTC,)) as server:
        running = Running(server.url, (BTC,), LineOptions(pause=0.0), FeedOptions(clock="venue"), Brittle)
        running.actor.start(timeout=PATIENCE)
        running.core.wait_count(Snapshot, 1)
        assert running.actor.stop(timeout=PATIENCE)
    # Nothing lost and nothing doubled: what the crash swallowed came with the next connection's snapshot.
    assert [tick.trade_id for trades in _of(running.core.messages, Trades) for tick in trades.ticks] == [1, 2]
    assert [gap.reconnect for gap in _of(running.core.messages, Gap)] == [True]


def test_a_silent_exchange_is_dead() -> None:
    def silent(session: Session) -> None:
        session.subscribe_all()
        session.stay()

    with feed(silent, healthy, line=LineOptions(pause=0.0, silence=0.5)) as (running, _):
        running.core.wait_count(FeedUp, 2)
        assert "nothing for 0.5 s" in _of(running.core.messages, FeedDown)[0].reason


def test_a_peer_that_only_pings_is_silent_too() -> None:
    gone = threading.Event()

    def pings(session: Session) -> None:
        session.subscribe_all()
        while not gone.wait(0.05):
            session.connection.ping()

    # The reader itself must notice: the feed's own look at it comes too late to help.
    options = FeedOptions(clock="venue", silence_seconds=600)
    with feed(pings, healthy, line=LineOptions(pause=0.0, silence=1.0), options=options) as (running, _):
        running.core.wait_count(FeedUp, 2)
        gone.set()
        assert "nothing for 1 s" in _of(running.core.messages, FeedDown)[0].reason


def test_a_stall_in_mid_frame_is_noticed() -> None:
    def stalls(session: Session) -> None:
        session.subscribe_all()
        session.part_of(session.frame("market_trades", [{"type": "update", "trades": []}]), 20)
        session.stay()

    with feed(stalls, healthy, line=LineOptions(pause=0.0, silence=0.5)) as (running, _):
        running.core.wait_count(FeedUp, 2)
        assert "nothing for 0.5 s" in _of(running.core.messages, FeedDown)[0].reason


def test_a_peer_that_trickles_one_frame_for_ever_is_noticed() -> None:
    gone = threading.Event()

    def trickles(session: Session) -> None:
        session.subscribe_all()
        payload = session.frame("market_trades", [{"type": "update", "trades": []}]) + b" " * 100_000
        rest = session.part_of(payload, 20)
        for position in range(len(rest)):
            session.raw(rest[position : position + 1])
            if gone.wait(0.05):
                return

    options = FeedOptions(clock="venue", silence_seconds=0.5)
    with feed(trickles, healthy, line=LineOptions(pause=0.0, silence=1.0), options=options) as (running, _):
        running.core.wait_count(FeedUp, 2)
        gone.set()
        assert "nothing for 1 s" in _of(running.core.messages, FeedDown)[0].reason


def test_a_frame_in_two_writes_with_a_pause_between_is_one_frame() -> None:
    arrived = threading.Event()

    def split(session: Session) -> None:
        session.subscribe_all()
        rest = session.part_of(
            session.frame("market_trades", [{"type": "update", "trades": [trade(BTC, 1, "100", START)]}]), 40
        )
        # Longer than the reader's own wait on the socket, so that a wait ends in mid-frame.
        arrived.wait(1.3)
        session.raw(rest)
        session.stay()

    with feed(split) as (running, server):
        assert running.core.wait_count(Trades, 1)[0].ticks[0].trade_id == 1
        assert len(server.sessions) == 1


def test_a_frame_of_five_megabytes_and_unknown_channels_are_taken() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        level = {
            "side": "bid",
            "event_time": "2031-03-04T12:00:00.123456Z",
            "price_level": "100.25",
            "new_quantity": "1",
        }
        session.send("l2_data", [{"type": "snapshot", "product_id": BTC, "updates": [level] * 48_000}])
        session.send("brand_new", [{"what": ["ever"]}])
        session.trades(trade(BTC, 1, "100", START) | {"new_field": "x"})
        session.stay()

    with feed(script) as (running, server):
        running.core.wait_count(Trades, 1)
        assert len(server.sessions) == 1
        assert not _of(running.core.messages, FeedDown)


@pytest.mark.parametrize(
    "payload",
    [b"{", b'{"channel":"market_trades","timestamp":"2031-03-04T12:00:00Z","sequence_num":9,"events":[{}]}'],
    ids=["not JSON", "wrong shape"],
)
def test_a_malformed_frame_is_kept_told_and_repaired(payload: bytes) -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 1, "100", START))
        session.text(payload)
        session.stay()

    with feed(script, healthy) as (running, _):
        running.core.wait_count(FeedUp, 2)
        letter, alert = running.journal.wait_count(DeadLetter, 1)[0], running.journal.wait_count(Alert, 1)[0]
        assert letter.text == payload.decode()
        assert "malformed" in alert.text
        assert [gap.symbol for gap in _of(running.core.messages, Gap)] == [BTC]


def test_lost_trade_ids_of_a_dense_product_are_a_gap_that_has_ended() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 1, "100", START))
        session.trades(trade(BTC, 4, "100", START + seconds(1)))
        session.stay()

    with feed(script) as (running, server):
        running.core.wait_count(Trades, 2)
        messages = list(running.core.messages)
        assert len(server.sessions) == 1
    assert _of(messages, Gap) == [Gap(BTC, START, "trade ids jumped from 1 to 4", reconnect=False)]
    assert _shown(messages, Gap, Trades) == ["Trades", "Gap", "Trades"]


def test_a_feed_that_falls_behind_in_wall_time_drops_the_connection() -> None:
    sent = threading.Event()

    class Slow(Mailbox):
        def tell(self, message: Any) -> None:
            super().tell(message)
            if isinstance(message, Trades):
                assert sent.wait(PATIENCE)

    def floods(session: Session) -> None:
        session.subscribe_all()
        try:
            for number in range(1, 200):
                session.trades(trade(BTC, number, "100", START))
            session.stay()
        finally:
            sent.set()

    with CoinbaseServer(floods, healthy, known=(BTC,)) as server:
        running = Running(server.url, (BTC,), LineOptions(pause=0.0, most_waiting=20), FeedOptions(clock="venue"))
        running.core.__class__ = Slow
        running.actor.start(timeout=PATIENCE)
        running.core.wait_count(FeedUp, 2)
        running.actor.stop(timeout=PATIENCE)
    assert "frames behind" in _of(running.core.messages, FeedDown)[0].reason


def test_in_venue_time_the_reader_waits_and_with_it_the_exchange() -> None:
    backlog = [0]
    checked: list[bool] = []

    def waits_for_us(session: Session) -> None:
        session.subscribe_all()
        session.trades(trade(BTC, 1, "100", START))
        session.connection.ping().wait(PATIENCE)
        backlog[0] = 50
        session.trades(trade(BTC, 2, "100", START))
        # A ping behind the frame is answered only when the reader comes back for more (coinbase.md 4).
        answered = session.connection.ping()
        checked.append(answered.wait(1.5))
        backlog[0] = 0
        checked.append(answered.wait(PATIENCE))
        session.stay()

    line = LineOptions(pause=0.0, waits=True, largest_backlog=10, silence=0.7)
    options = FeedOptions(clock="venue", silence_seconds=0.2)
    with feed(waits_for_us, line=line, options=options, backlog=lambda: backlog[0]) as (running, server):
        running.core.wait_for(lambda _: len(checked) == 2, "the second check")
        running.core.wait_count(Trades, 2)
        assert checked == [False, True]
        # Standing still is our own doing and no silence of the exchange.
        assert len(server.sessions) == 1


def test_quotes_come_at_most_once_a_second_and_the_last_one_does_come() -> None:
    def script(session: Session) -> None:
        session.subscribe_all()
        for number in range(1, 50):
            session.trades(trade(BTC, number, str(100 + number), START))
        session.connection.ping().wait(PATIENCE)
        at = START
        while len(_of(running.journal.messages, Quote)) < 2:
            at += timedelta(seconds=1)
            session.heartbeat(at)
            session.connection.ping().wait(0.2)
            done.wait(0.1)
        session.stay()

    done = threading.Event()
    with CoinbaseServer(script, known=(BTC,)) as server:
        running = Running(server.url, (BTC,), LineOptions(pause=0.0), FeedOptions(clock="venue"))
        running.actor.start(timeout=PATIENCE)
        quotes = running.journal.wait_count(Quote, 2)
        running.actor.stop(timeout=PATIENCE)
    assert len(quotes) < 5
    assert quotes[-1].price == Decimal(149)
