"""A broker and a risk monitor over a real database, told at random what can happen to money, and restarted at random.

Triggers come from outside instead of from a scanner; all else is what the daemon has: the core in virtual time, the
journal's transactions, and the states a restart begins with.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from sqlalchemy import Engine, delete, func, select

from actors.messages import (
    CancelOrder,
    ClosePosition,
    Depth,
    FeedDown,
    FeedUp,
    Flatten,
    FrameBars,
    Halt,
    History,
    MarketTime,
    PlaceOrder,
    PositionClosed,
    ProductsListed,
    Quote,
    Remargin,
    Resume,
    Trades,
)
from actors.risk_monitor_account import available_now, equity_now
from actors.roles import CoreStates
from actors.route import BROKER, RISK, route
from actors.runtime.kit import Kit
from actors.system_states import beginning
from atlas.market.bar import Tick
from atlas.money.book import Order
from atlas.money.depth import Book, Level
from atlas.risk import SWITCHABLE
from atlas.rules import ExitRules, FillRules, GateRules, Rules
from db.batch import batch_of
from db.lock import AccountLock, Holder
from db.models import AccountRow, EventRow, FillRow, LedgerRow, OrderRow, PositionRow, QuoteRow, TriggerRow
from db.writer import Extras, Writer
from tests.actors.scene import BIP, NOON, Scene, bars, product
from tests.db.story import setup, triggered

D = Decimal
HOLDER = Holder(host="here", pid=1, version="1", mode="paper", rules="0")
EXITS = ExitRules(scale_out=D("0.5"), break_even=D(1), trail_after=D(1), trail_distance=D(1))
OPEN = GateRules(off=SWITCHABLE)
INSTANT = Rules(gates=OPEN, exits=EXITS)
SLOW_AND_THIN = Rules(gates=OPEN, exits=EXITS, fills=FillRules(model="depth", latency_ms=400))

MOVES = (-900, -250, -100, -60, 0, 60, 100, 250, 900)
"""What a trade's price does, USD."""
STANDING = (0, 1, 4, 9, 30, 30)
"""Contracts on each of the two best levels; 0 is an empty side."""

_accounts = count(1)


class MoneyMachine(RuleBasedStateMachine):
    """The rules are what happens; the invariants hold after each of them.

    `url` and `engine` are the database's; `restarted` is told of each restart.
    """

    def __init__(self, settings_used: Rules, url: str, engine: Engine, restarted: Callable[[], None]) -> None:
        super().__init__()
        self.settings_used, self.url, self.engine, self.restarted = settings_used, url, engine, restarted
        self.name = f"machine-{next(_accounts)}"
        self.lock = AccountLock(self.url, self.name, HOLDER)
        self.lock.acquire()
        self.writer = Writer(self.engine, self.name, self.lock.fence)
        with self.engine.begin() as connection:
            connection.execute(delete(QuoteRow))
        self.now, self.price, self.number = NOON, D(60000), count(1)
        self.placed: dict[str, Order] = {}
        self.closed: list[str] = []
        self.closed_by: list[str | None] = []
        self.begin(CoreStates(), NOON)

    # ── the core and its journal ────────────────────────────────────────────────────────────────────────────────────

    def begin(self, states: CoreStates, market_time: datetime | None) -> None:
        """Start a core from these states, as the daemon does."""
        roles = [role for role in Scene.roles(self.settings_used, states=states) if role.name in (BROKER, RISK)]
        outside = ["entry_monitor", f"scanner:{BIP}"]
        self.kit = Kit(roles, route, outside=outside, market_time=market_time)
        self.written = self.seen = 0
        self.run(MarketTime(self.now))
        self.run(ProductsListed((product(),)))
        self.run(FeedUp(self.now))
        self.book(30, 30)

    def run(self, message: Any, to: str | None = None) -> None:
        """Take one input; write what it told the journal."""
        self.kit.run(message, to)
        fresh, self.written = self.kit.batches[self.written :], len(self.kit.batches)
        written = self.writer.write([batch_of(one.events, input=one.number, at=one.at) for one in fresh])
        assert written.refused == ()
        for one in fresh:
            done = [event.position for event in one.events if isinstance(event, PositionClosed)]
            self.closed += [position.id for position in done]
            self.closed_by += [position.exit_reason for position in done]
        for sent in self.kit.sent[self.seen :]:
            assert type(sent.message).__name__ not in ("Crashed", "DeadLetter", "Fatal"), sent.message
            if isinstance(sent.message, PlaceOrder):
                self.placed[sent.message.order.id] = sent.message.order
        self.seen = len(self.kit.sent)

    @property
    def broker(self) -> Any:
        """The broker's state."""
        return self.kit.state(BROKER)

    @property
    def risk(self) -> Any:
        """The risk monitor's state."""
        return self.kit.state(RISK)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

    @initialize()
    def first_trade(self) -> None:
        """There is a price."""
        self.trade(0, 0, True)

    @rule(
        moves=st.lists(st.sampled_from(MOVES), min_size=1, max_size=6),
        seconds=st.sampled_from((0, 0.3, 1, 60, 300)),
        quoted=st.booleans(),
    )
    def trades(self, moves: list[int], seconds: float, quoted: bool) -> None:
        """Others trade."""
        for move in moves:
            self.trade(move, seconds, quoted)

    def trade(self, move: int, seconds: float, quoted: bool) -> None:
        """One trade, so many dollars from the one before."""
        self.now += timedelta(seconds=seconds)
        self.price = max(self.price + move, D(20000))
        quotes = (self.price - 5, self.price + 5) if quoted else (None, None)
        self.run(Trades(BIP, (Tick(next(self.number), self.now, self.price, D(1), *quotes),)))

    @rule(bid=st.sampled_from(STANDING), ask=st.sampled_from(STANDING))
    def book(self, bid: int, ask: int) -> None:
        """The book has so many contracts on the best levels."""
        sides = ((bid, (-5, -50)), (ask, (5, 50)))
        bids, asks = (
            tuple(Level(self.price + off, D(size)) for off in offs) if size else () for size, offs in sides
        )
        self.run(Depth(BIP, self.now, Book(bids, asks)))

    @rule(
        side=st.sampled_from(("long", "short")),
        stop=st.sampled_from((200, 300, 900)),
        reach=st.sampled_from((1, 3)),
        moves=st.lists(st.sampled_from(MOVES), max_size=6),
        calm=st.booleans(),
    )
    def trigger(self, side: Any, stop: int, reach: int, moves: list[int], calm: bool) -> None:
        """A setup triggers at the last trade, and more may follow."""
        way, hour = (1 if side == "long" else -1), timedelta(hours=1)
        opened = self.now.replace(minute=0, second=0, microsecond=0)
        made = replace(
            setup(next(self.number), side=side, at=opened),
            trigger=self.price - way,
            stop=self.price - way * stop,
            target=self.price + way * stop * reach,
            opposite_level=self.price - way * stop * 4,
            valid_until=opened + hour,
        )
        reading = replace(triggered(made).detection, side=side)
        tick = Tick(next(self.number), self.now, self.price, D(1), self.price - 5, self.price + 5)
        told = replace(triggered(made), tick=tick, detection=reading, at_trigger=reading)
        self.writer.write([batch_of([told], input=self.kit.core.number, at=self.now)])
        self.run(told, RISK)
        for move in (0, *moves) if calm else moves:
            self.trade(move, 1, True)

    @rule(hours=st.sampled_from((1, 2, 7, 50)))
    def hours_pass(self, hours: int) -> None:
        """Heartbeats, and a trade in the end."""
        self.now += timedelta(hours=hours)
        self.run(MarketTime(self.now))
        self.trade(0, 1, True)

    @rule(command=st.sampled_from((Halt("person", "lunch"), *[Resume("person")] * 4, Flatten("me"))))
    def command(self, command: Any) -> None:
        """A person asks."""
        self.run(command)

    @rule(pick=st.integers(0, 99))
    @precondition(lambda self: self.broker.holdings)
    def close_one(self, pick: int) -> None:
        """A person closes a position."""
        held = sorted(self.broker.holdings)
        self.run(ClosePosition(held[pick % len(held)], "me"))

    @rule(contracts=st.integers(1, 4), pick=st.integers(0, 99))
    @precondition(lambda self: self.broker.holdings)
    def reduce(self, contracts: int, pick: int) -> None:
        """A part of a position is closed at the market."""
        held = sorted(self.broker.holdings)
        position_id = held[pick % len(held)]
        deed: Any = "sell" if self.broker.holdings[position_id].side == "long" else "buy"
        made = Order(
            f"{position_id}/part{next(self.number)}", position_id, BIP, deed, "market", "scale_out", D(contracts)
        )
        self.run(PlaceOrder(made), BROKER)

    @rule(pick=st.integers(0, 99))
    @precondition(lambda self: any(order.price is not None for order in self.broker.orders.values()))
    def cancel(self, pick: int) -> None:
        """A resting order is cancelled; one that is under way to the market never is."""
        resting = sorted(order.id for order in self.broker.orders.values() if order.price is not None)
        self.run(CancelOrder(resting[pick % len(resting)]), BROKER)

    @rule(leverage=st.sampled_from(("2", "3.3", "4.1", "10")), pick=st.integers(0, 99))
    @precondition(lambda self: self.broker.holdings)
    def remargin(self, leverage: str, pick: int) -> None:
        """Margin is reserved anew."""
        held = sorted(self.broker.holdings)
        self.now += timedelta(seconds=1)
        self.run(MarketTime(self.now))
        if held[pick % len(held)] in self.broker.holdings:
            self.run(Remargin(held[pick % len(held)], D(leverage), "overnight"), BROKER)

    @rule(seconds=st.sampled_from((1, 4000)))
    def outage(self, seconds: int) -> None:
        """The feed goes, and comes back."""
        self.run(FeedDown("gone"))
        self.now += timedelta(seconds=seconds)
        self.run(FeedUp(self.now))
        self.run(MarketTime(self.now))
        self.book(30, 30)

    @rule(pick=st.integers(0, 99))
    @precondition(lambda self: self.closed)
    def again(self, pick: int) -> None:
        """Every order of a closed position comes once more, and changes nothing (closing is idempotent)."""
        gone = self.closed[pick % len(self.closed)]
        before = (self.broker.account, dict(self.broker.holdings), dict(self.broker.orders), self.now)
        for order in [order for order in self.placed.values() if order.position_id == gone]:
            self.run(PlaceOrder(order), BROKER)
            self.run(CancelOrder(order.id), BROKER)
        late = Order(f"{gone}/late{next(self.number)}", gone, BIP, "sell", "market", "flatten", D(1))
        self.run(PlaceOrder(late), BROKER)
        self.run(Remargin(gone, D(2), "overnight"), BROKER)
        assert (self.broker.account, self.broker.holdings, self.broker.orders, self.now) == before

    @rule(down=st.sampled_from((0, 30, 9000)))
    def restart(self, down: int) -> None:
        """The process is killed; another begins from the database, some time later."""
        self.restarted()
        quote = [Quote(symbol, tick.time, tick.price, tick.bid, tick.ask) for symbol, tick in self.broker.last.items()]
        self.writer.write([], Extras(quotes=tuple(quote)))
        with self.engine.connect() as connection:
            found = beginning(connection, self.name, (product(),), self.now)
        broker, risk = found.states.broker, found.states.risk
        assert (equity_now(risk), available_now(risk)) == (equity_now(self.risk), available_now(self.risk))
        assert (broker.account, risk.account) == (self.broker.account, self.risk.account)
        assert {id_: replace(one, funded=None) for id_, one in broker.holdings.items()} == {
            id_: replace(one, funded=None) for id_, one in self.broker.holdings.items()
        }
        # An entry under way expires now: within which bounds it was to be filled is not stored.
        assert broker.orders == {id_: replace(order, bounds=None) for id_, order in self.broker.orders.items()}
        assert (broker.fills, broker.moves) == (self.broker.fills, self.broker.moves)
        assert set(self.broker.done) <= set(broker.done)
        assert (risk.day, risk.day_equity) == (self.risk.day, self.risk.day_equity)
        # Worst and best of a position are known again from the next event about it.
        assert {id_: (p.contracts, p.stop, p.margin, p.leverage, p.net, left) for id_, p, left in managed(risk)} == {
            id_: (p.contracts, p.stop, p.margin, p.leverage, p.net, left) for id_, p, left in managed(self.risk)
        }
        assert {"person", "daily_loss"} & set(risk.halts) == {"person", "daily_loss"} & set(self.risk.halts)
        self.now += timedelta(seconds=down)
        self.begin(found.states, found.market_time)
        hour = bars([(self.price,) * 4], self.now.replace(minute=0, second=0, microsecond=0))  # type: ignore[list-item]  # exact numbers do as well
        self.run(History(BIP, self.now, (FrameBars("1h", hour, None),)))

    def happened(self, kind: str) -> int:
        """How often an event of this class was committed."""
        query = select(func.count()).where(EventRow.account == self.name, EventRow.kind == kind)
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def check(self) -> None:
        """Look at every invariant."""
        self.no_contracts_below_zero()
        self.both_actors_agree()
        self.reserved_is_the_margin_of_what_is_open()
        self.the_database_agrees()

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def no_contracts_below_zero(self) -> None:
        """Neither open nor ordered, and no exit of more than is open."""
        for holding in self.broker.holdings.values():
            assert holding.contracts > 0
            assert holding.margin > 0
        for order in self.broker.orders.values():
            assert order.contracts > 0
            if order.purpose != "entry":
                assert order.contracts <= self.broker.holdings[order.position_id].contracts

    @invariant()
    def both_actors_agree(self) -> None:
        """Account, contracts, margin and stops of broker and risk monitor are the same."""
        assert self.risk.account == self.broker.account
        assert {id_: (p.contracts, p.margin, p.leverage) for id_, p, _ in managed(self.risk)} == {
            id_: (one.contracts, one.margin, one.leverage) for id_, one in self.broker.holdings.items()
        }
        for id_, position, _ in managed(self.risk):
            stop = self.broker.orders.get(f"{id_}/stop")
            assert stop is None or stop.price == position.stop

    @invariant()
    def reserved_is_the_margin_of_what_is_open(self) -> None:
        """Invariant 7, in the state."""
        assert self.broker.account.reserved == total(one.margin for one in self.broker.holdings.values())

    @invariant()
    def the_database_agrees(self) -> None:
        """Invariant 7, in the database: cash, margin, positions, orders and their fills."""
        account = self.broker.account
        with self.engine.connect() as connection:
            books = dict(
                connection.execute(
                    select(LedgerRow.book, func.sum(LedgerRow.amount))
                    .where(LedgerRow.account == self.name)
                    .group_by(LedgerRow.book)
                ).all()  # type: ignore[arg-type]  # rows of two
            )
            row = connection.execute(select(AccountRow.__table__).where(AccountRow.name == self.name)).one()
            positions = connection.execute(
                select(PositionRow.__table__).where(PositionRow.account == self.name)
            ).all()
            orders = connection.execute(select(OrderRow.__table__).where(OrderRow.account == self.name)).all()
            fills = connection.execute(select(FillRow.__table__).where(FillRow.account == self.name)).all()
            triggers = connection.execute(select(TriggerRow.__table__).where(TriggerRow.account == self.name)).all()
        assert (books["cash"], books.get("margin_reserved", 0)) == (account.cash, account.reserved)
        assert (row.cash, row.reserved) == (account.cash, account.reserved)
        assert sum(books.values()) == 0
        for position in positions:
            of_it = [fill for fill in fills if fill.position_id == position.id]
            assert position.entry_contracts == total(fill.contracts for fill in of_it if fill.purpose == "entry")
            left = total(fill.contracts if fill.purpose == "entry" else -fill.contracts for fill in of_it)
            assert position.contracts == left
        assert account.cash == 10000 + total(position.net for position in positions)
        for order in orders:
            assert order.filled == total(fill.contracts for fill in fills if fill.order_id == order.id)
        assert {order.id for order in orders if order.done_at is None} == set(self.broker.orders)
        waiting = {entering.trigger.setup.id for entering in self.risk.entering.values()}
        assert {trigger.id for trigger in triggers if trigger.outcome is None} == waiting

    def teardown(self) -> None:
        """Let the account go."""
        self.lock.release()


def managed(risk: Any) -> Iterable[tuple[str, Any, Any]]:
    """Id, position and reason of leaving of everything open."""
    return [(id_, one.position, one.leaving) for id_, one in risk.positions.items()]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, exact."""
    return sum(amounts, D(0))
