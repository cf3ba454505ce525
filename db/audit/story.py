"""The events of one account, taken in order: what each says is compared with what the ones before it come to."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial

import msgspec
from sqlalchemy import Connection, select

from actors.messages import (
    AccountOpened,
    DayStarted,
    EntryTriggered,
    Event,
    Filled,
    FundingPaid,
    HaltChanged,
    Invalidated,
    Judged,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Rejected,
    Remargined,
    SetupsReplaced,
    TermsSet,
    decode,
)
from atlas.audit.difference import Findings
from atlas.audit.judgement import DAILY_LOSS, Bench, Moment
from atlas.audit.positions import Change, Positions, after_exit, opened
from atlas.audit.venue import Claim, Venue
from atlas.errors import DataError
from atlas.market.product import Product
from atlas.money.book import Position
from atlas.money.fees import slipped
from atlas.money.funding import hours_due
from atlas.rules import Rules
from db.audit.orders import Orders
from db.audit.signals import Row, Signals
from db.models import EventRow
from db.results import opened_account

LASTING = ("person", DAILY_LOSS)
"""The halts that outlive a process."""
STREAMED = 5000
"""Events read from the server at a time."""


def tell(connection: Connection, account: str) -> "Story":
    """Return the story of an account. Raises DataError if it was never opened, or lacks the terms of its money."""
    opened_account(connection, account)
    story = Story()
    query = select(EventRow.id, EventRow.payload).where(EventRow.account == account).order_by(EventRow.seq)
    with connection.execution_options(yield_per=STREAMED).execute(query) as rows:
        for id_, payload in rows:
            event = decode(payload)
            if not isinstance(event, Event):
                kind = type(event).__name__
                raise DataError(f"the event {id_} holds a {kind}, which is none: restore it from a backup")
            story.findings.equal("events", id_, "id", id_, event.key)
            story.take(event)
    story.end()
    return story


class Story:
    """Everything recomputed so far."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.venue = Venue(self.findings)
        self.bench = Bench(self.findings)
        self.positions = Positions(self.findings)
        self.signals = Signals(self.findings)
        self.orders = Orders(self.findings)
        self.funding: dict[tuple[str, datetime], Row] = {}
        self.starting_equity: Decimal | None = None
        self.day: DayStarted | None = None
        self.base: Decimal | None = None
        self.halts: dict[str, str] = {}
        self.halt_count = 0
        self.events = 0
        self._rules: Rules | None = None
        self._fingerprint = ""
        self._products: dict[str, Product] = {}
        self._moments: dict[str, Judged] = {}
        self._filled: dict[str, Filled] = {}
        self._taking: dict[type[Event], Callable[..., None]] = {
            TermsSet: self._terms,
            AccountOpened: self._account,
            SetupsReplaced: self.signals.replaced,
            Invalidated: self.signals.invalidated,
            EntryTriggered: self._triggered,
            Judged: self._judged,
            Rejected: self._rejected,
            OrderAccepted: self.orders.accepted,
            OrderRejected: self.orders.rejected,
            OrderCancelled: self.orders.cancelled,
            OrderExpired: self.orders.expired,
            OrderMoved: self._moved,
            Filled: self._fill,
            FundingPaid: self._funded,
            Remargined: self._remargined,
            PositionOpened: self._opened,
            PositionChanged: self._changed,
            PositionClosed: self._closed,
            DayStarted: self._day,
            HaltChanged: self._halted,
        }

    def take(self, event: Event) -> None:
        """Take the next event; those that no money or decision hangs on are only counted."""
        self.events += 1
        taking = self._taking.get(type(event))
        if taking is not None:
            taking(event)

    def end(self) -> None:
        """See what is left open: every trigger decided, unless its entry is still on its way; every change told."""
        for setup_id in self.signals.triggers:
            if setup_id not in self.signals.outcomes and setup_id not in self.bench.pending:
                self.findings.equal("events", f"triggered:{setup_id}", "outcome", None, "a trade or one rejection")
        for position_id in self.positions.untold():
            self.findings.equal("events", f"opened:{position_id}", "changes", None, "one for each fill and movement")

    # ── terms ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _terms(self, event: TermsSet) -> None:
        if self._rules is None and self.starting_equity is not None:
            # The deposit came first: it is compared now.
            wanted = event.rules.account.starting_equity
            self.findings.equal("events", "account_opened", "amount", self.starting_equity, wanted)
        self._rules, self._fingerprint = event.rules, event.fingerprint
        self._products |= {product.id: product for product in event.products}
        if event.started:
            self.bench.halts = {source: why for source, why in self.bench.halts.items() if source in LASTING}

    def _rules_at(self, event: Event) -> Rules:
        if self._rules is None:
            raise DataError(
                f"the rules and products that {event.key} went by are not among the events: a version that did not "
                "record them wrote it; an account that was begun since can be audited"
            )
        return self._rules

    def _product(self, event: Event, symbol: str) -> Product:
        self._rules_at(event)
        if symbol not in self._products:
            raise DataError(f"{event.key} is about {symbol}, which no listing among the events has")
        return self._products[symbol]

    # ── triggers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _triggered(self, event: EntryTriggered) -> None:
        self.signals.triggered(event)
        self._rules_at(event)
        self.findings.equal("events", event.key, "rules", event.rules, self._fingerprint)

    def _judged(self, event: Judged) -> None:
        trigger = self.signals.triggers.get(event.setup_id)
        if trigger is None:
            self.findings.equal("events", event.key, "trigger", event.setup_id, None)
            return
        moment = Moment(
            event.at, event.product, event.reference, event.bid, event.ask, event.ratio, event.marks, event.equity,
            event.available, event.base, event.checks, event.size, event.lease,
        )  # fmt: skip
        product, account = self._product(event, event.product), self.venue.account
        outcome = self.bench.judge(event.key, trigger, moment, account, product, self._rules_at(event))
        self.signals.judged[event.setup_id] = outcome
        self._moments[event.setup_id] = event

    def _rejected(self, event: Rejected) -> None:
        if not event.repeats:
            self.bench.pending.pop(event.setup_id, None)
        self.signals.rejected(event, self.orders.ended.get(event.setup_id))

    # ── orders and money ────────────────────────────────────────────────────────────────────────────────────────────

    def _account(self, event: AccountOpened) -> None:
        amount = event.account.cash if self._rules is None else self._rules.account.starting_equity
        self.venue.deposited(event.key, event.at, event.legs, event.account, amount)
        self.starting_equity = amount

    def _moved(self, event: OrderMoved) -> None:
        self.orders.moved(event)
        if event.order_id == f"{event.position_id}/stop":
            self.positions.coming(event.position_id, partial(msgspec.structs.replace, stop=event.price))

    def _fill(self, event: Filled) -> None:
        order, fill = event.order, event.fill
        product, rules = self._product(event, order.symbol), self._rules_at(event)
        self.orders.filled(event)
        claim = Claim(event.legs, event.account, event.margin, event.gross, event.liquidation)
        margin, gross = self.venue.filled(event.key, order, fill, event.number, claim, product, rules)
        if order.purpose == "entry":
            self._filled[order.position_id] = event
            self._entered(event, rules)
        else:
            self.positions.coming(order.position_id, partial(after_exit, fill=fill, gross=gross, margin=margin))

    def _entered(self, event: Filled, rules: Rules) -> None:
        """An entry is of the size and leverage approved; at once, by the spread, also at the price expected."""
        order, fill = event.order, event.fill
        approval, moment = self.bench.approved.get(order.position_id), self._moments.get(order.position_id)
        if approval is None or moment is None:
            self.findings.equal("events", event.key, "approval", order.position_id, None)
            return
        self.findings.fields(
            "events", event.key, {"contracts": order.contracts, "leverage": order.leverage},
            {"contracts": approval.contracts, "leverage": approval.leverage},
        )  # fmt: skip
        if rules.fills.model == "spread" and fill.time == moment.at and fill.reference == moment.reference:
            price = slipped(moment.reference, order.side, moment.bid, moment.ask, rules.fees)
            self.findings.equal("events", event.key, "price", fill.price, price)

    def _funded(self, event: FundingPaid) -> None:
        product, rules = self._product(event, event.symbol), self._rules_at(event)
        self.venue.funded(
            event.key, event.position_id, event.at, event.rate, event.mark, event.amount, event.legs, event.account,
            product, rules,
        )  # fmt: skip
        amount = event.amount
        self.funding[event.position_id, event.at] = {
            "symbol": event.symbol, "rate": event.rate, "mark": event.mark, "amount": amount
        }  # fmt: skip
        self.positions.coming(
            event.position_id, lambda before: msgspec.structs.replace(before, funding=before.funding + amount)
        )

    def _remargined(self, event: Remargined) -> None:
        product, rules = self._product(event, event.symbol), self._rules_at(event)
        claim = Claim(event.legs, event.account, event.margin, Decimal(0), event.liquidation)
        self.venue.remargined(event.key, event.position_id, event.at, event.leverage, claim, product, rules)
        held = self.venue.held.get(event.position_id)
        if held is not None:
            fields = {"leverage": held.leverage, "margin": held.margin, "liquidation": held.liquidation}
            change: Change = partial(msgspec.structs.replace, tier=event.tier, carried=False, **fields)
            self.positions.coming(event.position_id, change)

    # ── positions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _opened(self, event: PositionOpened) -> None:
        told = event.position
        approval, trigger = self.signals.traded(event.key, told.id), self.signals.triggers.get(told.id)
        filled, held = self._filled.get(told.id), self.venue.held.get(told.id)
        self.bench.pending.pop(told.id, None)
        if approval is None or trigger is None or filled is None or held is None:
            self.findings.equal("events", event.key, "entry", told.id, None)
            recomputed = {}
        else:
            product = self._product(event, told.symbol)
            recomputed = opened(trigger, approval, filled.fill, held.margin, held.liquidation, product)
        self._keep(self.positions.open(event.key, told, recomputed))

    def _changed(self, event: PositionChanged) -> None:
        self._keep(self.positions.change(event.key, event.position, event.change))

    def _closed(self, event: PositionClosed) -> None:
        position = self.positions.change(event.key, event.position, None)
        self.findings.holds("events", event.key, "contracts", position.contracts, "0", met=not position.is_open)
        self._keep(position)
        product = self._product(event, position.symbol)
        if position.exit_time is not None:
            paid = {at for position_id, at in self.funding if position_id == position.id}
            due = set(hours_due(product, position.entry_time, position.exit_time))
            for hour in sorted(due - paid):
                self.findings.equal("events", event.key, f"funding of {hour:%Y-%m-%d %H:%M} UTC", None, "due")

    def _keep(self, position: Position) -> None:
        if position.is_open:
            self.bench.positions[position.id] = position
        else:
            self.bench.positions.pop(position.id, None)
            if position.exit_time is not None:
                self.bench.left[position.symbol] = position.exit_time

    # ── the account's days and halts ────────────────────────────────────────────────────────────────────────────────

    def _day(self, event: DayStarted) -> None:
        if self.day is not None:
            later = date.fromisoformat(event.day) > date.fromisoformat(self.day.day)
            self.findings.holds("events", event.key, "day", event.day, f"after {self.day.day}", met=later)
        if not self.bench.positions:
            self.findings.equal("events", event.key, "equity", event.equity, self.venue.account.cash)
        self.day, self.base = event, event.equity
        self.bench.base = event.equity

    def _halted(self, event: HaltChanged) -> None:
        self.findings.equal("events", event.key, "count", event.count, self.halt_count + 1)
        wanted = set(self.bench.halts)
        if event.source:
            wanted = wanted - {event.source} if event.lifted else wanted | {event.source}
        self.findings.equal("events", event.key, "halts", sorted(event.halts), sorted(wanted))
        self.halts = self.bench.halts = dict(event.halts)
        self.halt_count = event.count
        if event.base is not None:
            self.base = self.bench.base = event.base
        elif event.lifted and event.source == DAILY_LOSS and (self.day is None or event.at != self.day.at):
            # Of a version that did not tell it: the loss counts from the equity of that instant.
            self.bench.base = None
