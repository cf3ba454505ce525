"""The gates once more: what each trigger had to come to, by what was known at that moment.

Prices, the ratio of two products and the lease are facts of the moment. Positions, pending entries, halts and the
account are what the events before it came to; equity follows from them and the prices.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.audit.difference import Findings
from atlas.market.product import Product
from atlas.money.account import available, equity
from atlas.money.book import AccountState, Position
from atlas.money.entry import Approval, Check, EntryContext, PendingEntry, Rejection, pending_entry
from atlas.money.profit import unrealised
from atlas.money.sizing import Size
from atlas.risk import judge
from atlas.rules import Rules
from atlas.strat.setup import ContinuityReading, Setup

DAILY_LOSS = "daily_loss"


class Trigger(msgspec.Struct, frozen=True):
    """A trigger as it was told; `continuity` is the reading at the trigger."""

    setup: Setup
    name: str
    price: Decimal
    continuity: ContinuityReading | None
    verified: bool
    missed: bool
    rules: str


class Moment(msgspec.Struct, frozen=True):
    """What was known when a trigger went through the gates, and what they told; `marks`: last prices of what is open.

    `checks` is empty where a version wrote it that did not tell them.
    """

    at: datetime
    product: str
    reference: Decimal
    bid: Decimal | None
    ask: Decimal | None
    ratio: Decimal | None
    marks: dict[str, Decimal]
    equity: Decimal
    available: Decimal
    base: Decimal
    checks: tuple[Check, ...] = ()
    size: Size | None = None
    lease: str | None = None


class Bench:
    """What the gates look at, as the events so far have it. `base` None: not known to the events (see `resumed`)."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.positions: dict[str, Position] = {}
        self.pending: dict[str, PendingEntry] = {}
        self.approved: dict[str, Approval] = {}
        self.halts: dict[str, str] = {}
        self.left: dict[str, datetime] = {}
        self.base: Decimal | None = None

    def judge(
        self, event: str, trigger: Trigger, moment: Moment, account: AccountState, product: Product, rules: Rules
    ) -> Approval | Rejection:
        """Return what the trigger had to come to; an approval is pending from here on."""
        profits = [
            unrealised(position, moment.marks.get(position.symbol, position.entry_price))
            for position in self.positions.values()
        ]
        worth, usable = equity(account, profits), available(account, profits)
        self._findings.fields(
            "events", event,
            {"equity": moment.equity, "available": moment.available, "base": moment.base},
            {"equity": worth, "available": usable, "base": moment.base if self.base is None else self.base},
        )  # fmt: skip
        setup = trigger.setup
        if setup.symbol == product.id:
            self._findings.equal("events", event, "reference", moment.reference, trigger.price)
        context = EntryContext(
            setup=setup,
            name=trigger.name,
            at=moment.at,
            reference=moment.reference,
            bid=moment.bid,
            ask=moment.ask,
            product=product,
            rules=rules,
            verified=trigger.verified,
            missed=trigger.missed,
            already_triggered=setup.id in self.positions or setup.id in self.pending,
            halts=dict(self.halts),
            continuity=trigger.continuity,
            equity=worth,
            available=usable,
            day_start_equity=moment.base,
            daily_loss_hit=DAILY_LOSS in self.halts,
            positions=tuple(self.positions.values()),
            pending=tuple(self.pending.values()),
            ratio=moment.ratio,
            left=self.left.get(product.id),
            lease=moment.lease,
        )
        verdict = judge(context)
        outcome = verdict.outcome
        if moment.checks:
            told = {"checks": moment.checks, "size": moment.size}
            self._findings.fields("events", event, told, {"checks": verdict.checks, "size": verdict.size})
        if isinstance(outcome, Approval):
            self.approved[setup.id] = outcome
            self.pending[setup.id] = pending_entry(context, outcome)
        return outcome
