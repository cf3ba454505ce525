"""A database as years of trading leave it: 10,000 trades and 5 million candles, for `scripts/bench panel`.

Trades, triggers and money are events that the journal's own writer stores, so that they are rows as the daemon makes
them; candles are rows only, copied in.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from msgspec.structs import replace
from sqlalchemy import Engine, text

from actors.messages import (
    AccountOpened,
    DayStarted,
    EntryTriggered,
    Event,
    Filled,
    FundingPaid,
    PositionClosed,
    PositionOpened,
    Rejected,
    SetupsReplaced,
)
from atlas.market.bar import Tick
from atlas.money import ledger
from atlas.money.book import AccountState, Fill, Leg, Order, Position
from atlas.money.profit import profit
from atlas.strat.setup import ContinuityReading, Setup, Side
from db.batch import Batch, batch_of
from db.lock import AccountLock, Holder
from db.writer import Extras, Writer
from tests.bench.panel_market import BEGINS, ENDS, PRODUCTS, make_candles, make_setups, shown

D = Decimal
ACCOUNT = "paper"
FRAMES = ("1h", "4h", "1d", "1w")
SETUPS = (("2-1", "2D-1-2U"), ("2-1", "2U-1-2D"), ("3-1", "3-1-2U"), ("2-2", "2D-2U"), ("rev_strat", "1-2D-2U"))
GATES = ("continuity", "magnitude", "reward_risk", "fees", "position", "total_risk", "missed")
EXITS = ("stop", "target", "invalidated", "deadline")
AT_ONCE = 40
"""Batches in one transaction."""


def fill(engine: Engine, url: str, trades: int, candles: int, rejections_per_trade: int = 1) -> None:
    """Fill an empty, migrated database; the last five trades are open still, and eight setups wait."""
    held = AccountLock(url, ACCOUNT, Holder("bench", 1, "0", "paper", "abc"))
    held.acquire()
    writer = Writer(engine, ACCOUNT, held.fence)
    waiting: list[Batch] = []
    for number, events in enumerate(_past(Random(7), trades, rejections_per_trade), 1):
        waiting.append(batch_of(events, input=number, at=BEGINS))
        if len(waiting) == AT_ONCE:
            _store(writer, waiting)
            waiting = []
    _store(writer, waiting, shown())
    held.release()
    make_setups(engine, ACCOUNT)
    make_candles(engine, candles)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def close_another(engine: Engine) -> None:
    """Store one more trade, opened and closed after all others, as the daemon does."""
    account = text("SELECT fence, cash, reserved FROM accounts WHERE name = :name")
    with engine.connect() as connection:
        fence, cash, reserved = connection.execute(account, {"name": ACCOUNT}).one()
        number, newest = connection.execute(text("SELECT count(*), max(exit_time) FROM positions")).one()
    chance = Random(number)
    cause, opened = _trigger(chance, f"x{number}", newest + timedelta(minutes=1))
    events, _ = _trade(chance, AccountState(cash, reserved), opened, newest + timedelta(hours=1))
    _store(Writer(engine, ACCOUNT, fence), [batch_of([cause, *events], input=None, at=opened.entry_time)])


def _store(writer: Writer, batches: list[Batch], extras: Extras | None = None) -> None:
    written = writer.write(batches, extras or Extras())
    if written.refused:
        raise RuntimeError(f"the writer refused {written.refused[:3]}")


def _past(chance: Random, trades: int, rejections: int) -> Iterator[list[Event]]:
    """Yield what each input decided: one trade after the other, its rejected neighbours before it, days between."""
    account = ledger.apply(ledger.EMPTY, legs := ledger.deposit("deposit", BEGINS, D(100000)))
    yield [AccountOpened(BEGINS, legs, account)]
    day = BEGINS.date()
    for number in range(trades):
        at = BEGINS + (ENDS - BEGINS) * number / trades
        if at.date() > day:
            day = at.date()
            yield [DayStarted(day.isoformat(), at, account.cash)]
        for other in range(rejections):
            cause, _ = _trigger(chance, f"r{number}.{other}", at)
            gate = chance.choice(GATES)
            no = Rejected(cause.setup.id, cause.setup.symbol, cause.setup.timeframe, cause.setup.family, cause.name,
                          cause.setup.side, at, gate, "0.41 %", "at least 0.5 %")  # fmt: skip
            yield [cause, no]
        cause, opened = _trigger(chance, f"t{number}", at)
        lasted = timedelta(minutes=chance.randint(90, 3000))
        events, account = _trade(chance, account, opened, None if number >= trades - 5 else min(at + lasted, ENDS))
        yield [cause, *events]
    for product in PRODUCTS:
        setup = _setup(f"w{product}", product, "1h", "2-1", "2D-1-?", "long", ENDS)
        yield [SetupsReplaced(product, "1h", ENDS, (setup,), {"long": _reading(chance, "long")}, True)]


def _reading(chance: Random, side: Side) -> ContinuityReading:
    frames = ("1M", "1w", "1d", "1h")
    agree = chance.randint(0, 4)
    return ContinuityReading(side, "open", frames, frames[:agree], frames[agree:], (), 3)


def _setup(key: str, product: str, frame: str, family: str, name: str, side: Side, at: datetime) -> Setup:
    up = 1 if side == "long" else -1
    hour = timedelta(hours=1)
    return Setup(
        id=f"{product}:{frame}:{key}:{side}", symbol=product, timeframe=frame, name=name, family=family, side=side,
        setup_time=at - hour, valid_from=at - hour / 2, valid_until=at + hour, trigger=D(60000),
        stop=D(60000 - up * 600), target=D(60000 + up * 900), opposite_level=D(60000 - up * 600), two_sided=True,
        measured=False,
    )  # fmt: skip


def _trigger(chance: Random, key: str, at: datetime) -> tuple[EntryTriggered, Position]:
    """Return a trigger, and the position that it opens if it is not rejected."""
    product, frame = chance.choice(PRODUCTS), chance.choice(FRAMES)
    (family, name), side = chance.choice(SETUPS), chance.choice(("long", "short"))
    setup = _setup(key, product, frame, family, name[: name.rindex("-")] + "-?", side, at)
    price = setup.trigger + (5 if side == "long" else -5)
    reading = _reading(chance, side)
    cause = EntryTriggered(setup, name, Tick(1, at, price, D(1)), reading, reading, True, False, "abc", "0")
    opened = Position(
        id=setup.id, symbol=product, timeframe=frame, setup=name, family=family, side=side,
        contract_size=D("0.01"), contracts=D(10), entry_contracts=D(10), entry_price=price,
        entry_reference=setup.trigger, entry_time=at, stop=setup.stop, first_stop=setup.stop, target=setup.target,
        invalidation=setup.stop, entry_bar_end=setup.valid_until, leverage=D("4.1"), tier="overnight",
        margin=D("1463.41463415"), liquidation=D("47754"), worst=price, best=price, fees=D("5.70"), detection=reading,
        at_trigger=reading, setup_time=setup.setup_time, risk_at_entry=D("72.40"), slippage=D("0.50"),
    )  # fmt: skip
    return cause, opened


def _trade(
    chance: Random, account: AccountState, opened: Position, ended: datetime | None
) -> tuple[list[Event], AccountState]:
    """Return the events of a trade from its fill on, with their money, and the account after them; None: it is open."""
    def booked(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
        nonlocal account
        account = ledger.apply(account, legs)
        return legs

    at, up = opened.entry_time, 1 if opened.side == "long" else -1
    buys: tuple[str, str] = ("buy", "sell") if up == 1 else ("sell", "buy")
    entry = Order(f"{opened.id}/entry", opened.id, opened.symbol, buys[0], "market", "entry", D(10))  # type: ignore[arg-type]  # buy or sell
    legs = booked(ledger.fee_paid(f"{entry.id}:fee", at, opened.fees, opened.id)
                  + ledger.margin_reserved(f"{entry.id}:margin", at, opened.margin, opened.id))  # fmt: skip
    filled = Fill(entry.id, opened.id, opened.symbol, entry.side, "entry", D(10), opened.entry_price,
                  opened.entry_reference, opened.fees, opened.slippage, at)  # fmt: skip
    events: list[Event] = [Filled(entry, filled, legs, account, opened.margin), PositionOpened(opened)]
    hour = at + timedelta(hours=1)
    paid = D(chance.randint(-8, 12)) / 100
    legs = booked(ledger.funding_paid(f"{opened.id}:funding", hour, paid, opened.id))
    events.append(FundingPaid(opened.id, opened.symbol, hour, D("0.0000114"), D(60000), paid, legs, account))
    if ended is None:
        return events, account
    reason = chance.choice(EXITS)
    moved = {"stop": -605, "target": 900}.get(reason, chance.randint(-400, 500))
    price = opened.entry_price + up * moved
    gross = profit(opened.side, opened.entry_price, price, D(10), opened.contract_size)
    leave = Order(f"{opened.id}/{reason}", opened.id, opened.symbol, buys[1], "market", reason, D(10))  # type: ignore[arg-type]  # an exit's purpose
    legs = booked(ledger.realised(f"{leave.id}:realised", ended, gross, opened.id)
                  + ledger.fee_paid(f"{leave.id}:fee", ended, D("5.70"), opened.id)
                  + ledger.margin_released(f"{leave.id}:margin", ended, opened.margin, opened.id))  # fmt: skip
    filled = Fill(leave.id, opened.id, opened.symbol, leave.side, reason, D(10), price, price, D("5.70"), D("0.50"),
                  ended)  # fmt: skip
    worst, best = opened.entry_price - up * 200, opened.entry_price + up * max(moved, 150)
    gone = replace(
        opened, contracts=D(0), margin=D(0), fees=D("11.40"), funding=paid, slippage=D("1.00"), gross=gross,
        worst=worst, best=best, exit_price=price, exit_time=ended, exit_reason=reason,
    )  # fmt: skip
    return [*events, Filled(leave, filled, legs, account, D(0), gross), PositionClosed(gone)], account
