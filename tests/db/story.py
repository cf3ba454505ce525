"""The events of one trade from setup to exit, as the core tells them, for tests of what is stored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from actors.messages import (
    AccountOpened,
    BarClosed,
    EntryTriggered,
    Event,
    EventBatch,
    Filled,
    FundingPaid,
    OrderAccepted,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    SetupsReplaced,
)
from atlas.market.bar import Bar, Tick
from atlas.money import ledger
from atlas.money.book import AccountState, Fill, Leg, Order, Position
from atlas.strat.setup import ContinuityReading, Setup, Side

START = datetime(2026, 3, 2, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
SYMBOL = "BIP-20DEC30-CDE"
D = Decimal


def reading(side: Side = "long") -> ContinuityReading:
    """Three of four frames agree."""
    return ContinuityReading(side, "open", ("1M", "1w", "1d", "1h"), ("1w", "1d", "1h"), ("1M",), (), 3)


def setup(number: int = 1, *, side: Side = "long", at: datetime = START) -> Setup:
    """A 2-1 setup whose entry bar begins at `at`."""
    return Setup(
        id=f"{SYMBOL}:1h:{number}:{side}",
        symbol=SYMBOL,
        timeframe="1h",
        name="2D-1-?",
        family="2-1",
        side=side,
        setup_time=at - HOUR,
        valid_from=at,
        valid_until=at + HOUR,
        trigger=D("43123.45"),
        stop=D("42900.00"),
        target=D("43800.5"),
        opposite_level=D("42900.00"),
        two_sided=True,
        measured=False,
    )


def replaced(*setups: Setup, at: datetime = START, revision: int = 0) -> SetupsReplaced:
    """The setups of the bar that closed at `at`."""
    return SetupsReplaced(SYMBOL, "1h", at, setups, {"long": reading()}, True, None, revision)


def bar(at: datetime = START, *, close: str = "43100.00000001", verified: bool = True, revision: int = 0) -> BarClosed:
    """The bar that closed at `at`."""
    prices = (D("43000"), D("43123.45"), D("42900.00"), D(close))
    return BarClosed(SYMBOL, Bar("1h", at - HOUR, at, *prices, D("12.5")), "1", verified, revision)


def triggered(of: Setup, *, missed: bool = False) -> EntryTriggered:
    """A trade one tick beyond the trigger."""
    tick = Tick(77, of.valid_from + timedelta(minutes=3), of.trigger + 5, D(1))
    return EntryTriggered(of, "2D-1-2U", tick, reading(), reading(), True, missed, "0123456789ab", "0.1.0")


def order(of: Setup, purpose: str = "entry", *, resting: bool = False) -> Order:
    """The entry (market) or the stop (resting) of a setup's position."""
    if purpose == "entry":
        return Order(f"{of.id}/entry", of.id, SYMBOL, "buy", "market", "entry", D(3), None, D("4.1"))
    return Order(f"{of.id}/{purpose}", of.id, SYMBOL, "sell", "stop", "stop", D(3), D("42895"), D("4.1"))


def position(of: Setup) -> Position:
    """The position of a setup, just opened."""
    at = of.valid_from + timedelta(minutes=3)
    return Position(
        id=of.id,
        symbol=SYMBOL,
        timeframe="1h",
        setup="2D-1-2U",
        family="2-1",
        side="long",
        contract_size=D("0.01"),
        contracts=D(3),
        entry_contracts=D(3),
        entry_price=D("43150"),
        entry_reference=D("43128.45"),
        entry_time=at,
        stop=D("42895"),
        first_stop=D("42895"),
        target=D("43800"),
        invalidation=D("42900.00"),
        entry_bar_end=of.valid_until,
        leverage=D("4.1"),
        tier="overnight",
        margin=D("315.73170732"),
        liquidation=D("34330.1"),
        worst=D("43150"),
        best=D("43150"),
        fees=D("1.35615"),
        detection=reading(),
        at_trigger=reading(),
        setup_time=of.setup_time,
        risk_at_entry=D("7.65"),
    )


class Trade:
    """One account, one trade: `batches` is everything, `last` the account at the end."""

    def __init__(self, number: int = 1) -> None:
        self.setup = setup(number)
        self.batches: list[EventBatch] = []
        self._account = ledger.EMPTY
        self._input = 0
        opened = position(self.setup)
        exit_at = opened.entry_time + 2 * HOUR
        at = opened.entry_time

        legs = self._legs(ledger.deposit("deposit", START - HOUR, D(10000)))
        self._tell(START - HOUR, AccountOpened(START - HOUR, legs, self.account))
        self._tell(START, bar(), replaced(self.setup, setup(number, side="short")))
        entry = order(self.setup)
        self._tell(at, triggered(self.setup), OrderAccepted(entry, at))
        legs = self._legs(
            ledger.fee_paid(f"{entry.id}:fee", at, opened.fees, opened.id)
            + ledger.margin_reserved(f"{entry.id}:margin", at, opened.margin, opened.id)
        )
        fill = Fill(entry.id, opened.id, SYMBOL, "buy", "entry", D(3), opened.entry_price, opened.entry_reference,
                    opened.fees, D("0.6465"), at)  # fmt: skip
        self._tell(at, Filled(entry, fill, legs, self.account, opened.margin), PositionOpened(opened))
        stop = order(self.setup, "stop")
        self._tell(at, OrderAccepted(stop, at))
        self.open_batches = len(self.batches)
        self.opened = opened

        boundary = START + HOUR
        legs = self._legs(ledger.funding_paid(f"{opened.id}:funding", boundary, D("0.0148"), opened.id))
        self._tell(boundary, FundingPaid(opened.id, SYMBOL, boundary, D("0.0000114"), D("43200"), D("0.0148"), legs,
                                         self.account))  # fmt: skip
        changed = _with(opened, funding=D("0.0148"), best=D("43400"))
        self._tell(boundary, PositionChanged(changed, 1))

        gross = (D("42890") - opened.entry_price) * 3 * opened.contract_size
        legs = self._legs(
            ledger.realised(f"{stop.id}:realised", exit_at, gross, opened.id)
            + ledger.fee_paid(f"{stop.id}:fee", exit_at, D("1.35069"), opened.id)
            + ledger.margin_released(f"{stop.id}:margin", exit_at, opened.margin, opened.id)
        )
        fill = Fill(stop.id, opened.id, SYMBOL, "sell", "stop", D(3), D("42890"), D("42895"), D("1.35069"), D("0.15"),
                    exit_at)  # fmt: skip
        self.closed = _with(
            changed, contracts=D(0), margin=D(0), fees=opened.fees + D("1.35069"), gross=gross, worst=D("42890"),
            exit_price=D("42890"), exit_time=exit_at, exit_reason="stop", slippage=D("0.7965"),
        )  # fmt: skip
        self._tell(exit_at, Filled(stop, fill, legs, self.account, D(0), gross), PositionClosed(self.closed))

    @property
    def account(self) -> AccountState:
        """The account as of the last legs."""
        return self._account

    @property
    def until_open(self) -> list[EventBatch]:
        """The batches up to the open position with its stop resting."""
        return self.batches[: self.open_batches]

    @property
    def events(self) -> list[Event]:
        """Every event, in order."""
        return [event for batch in self.batches for event in batch.events]

    def _legs(self, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
        self._account = ledger.apply(self._account, legs)
        return legs

    def _tell(self, at: datetime, *events: Event) -> None:
        self._input += 1
        self.batches.append(EventBatch(number=self._input, at=at, events=events))


def _with(old: Position, **changes: object) -> Position:
    return replace(old, **changes)
