"""The money once more: each movement from its facts (price, contracts, rate) and the formulas, as the ledger has it.

The facts are what nobody can recompute: at which price how many contracts were filled, at which mark and rate an hour
was funded. Fee, slippage, margin, gross profit, liquidation price, the legs and the account after them follow.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.audit.difference import Findings
from atlas.market.product import Product
from atlas.money import ledger
from atlas.money.book import AccountState, Fill, Leg, Order
from atlas.money.fees import Liquidity, entry_deed, exit_deed, fee, notional
from atlas.money.funding import funding, hourly_rate, hours_due
from atlas.money.margin import initial_margin, liquidation_price, maintenance_rate
from atlas.money.profit import profit
from atlas.money.rounding import fixed
from atlas.rules import Rules
from atlas.strat.setup import Side

EVENTS = "events"


class Held(msgspec.Struct):
    """What is open of one position at the venue; `funded` is the last full hour it paid for."""

    symbol: str
    side: Side
    contracts: Decimal
    entry_price: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation: Decimal | None
    since: datetime
    funded: datetime | None = None


class Claim(msgspec.Struct, frozen=True):
    """What an event says a fill came to."""

    legs: tuple[Leg, ...]
    account: AccountState
    margin: Decimal
    gross: Decimal
    liquidation: Decimal | None


class Venue:
    """The account and what is open, from the first deposit on; `legs` is the ledger by movement and book."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.account = ledger.EMPTY
        self.held: dict[str, Held] = {}
        self.legs: dict[tuple[str, str], Leg] = {}

    def deposited(
        self, event: str, at: datetime, legs: tuple[Leg, ...], account: AccountState, amount: Decimal
    ) -> None:
        """The first deposit: the starting equity, USD."""
        self._post(event, ledger.deposit("deposit", at, amount), legs, account)

    def filled(
        self, event: str, order: Order, fill: Fill, number: int, claim: Claim, product: Product, rules: Rules
    ) -> tuple[Decimal, Decimal]:
        """A fill of an entry or of an exit; return the margin then reserved and the gross profit, as recomputed."""
        size, movement = product.contract_size, f"{order.id}:{number}" if number else order.id
        self._findings.holds(
            EVENTS, event, "contracts", fill.contracts, f"at most {order.contracts:f}, which were ordered",
            met=0 < fill.contracts <= order.contracts,
        )  # fmt: skip
        if order.kind == "limit":
            self._findings.fields(
                EVENTS, event, {"price": fill.price, "reference": fill.reference},
                {"price": order.price, "reference": order.price},
            )  # fmt: skip
        self._fair(event, order, fill, rules)
        value = notional(fill.price, fill.contracts, size)
        worse = fill.price - fill.reference if fill.side == "buy" else fill.reference - fill.price
        paid = fee(value, fill.contracts, product, rules.fees, _liquidity(order))
        self._findings.fields(
            EVENTS, event, {"fee": fill.fee, "slippage": fill.slippage},
            {"fee": paid, "slippage": max(worse * fill.contracts * size, Decimal(0))},
        )  # fmt: skip
        legs = [*ledger.fee_paid(f"{movement}:fee", fill.time, paid, order.position_id)]
        if order.purpose == "entry":
            margin, gross = self._enter(event, order, fill, product, rules, legs), Decimal(0)
        else:
            margin, gross = self._reduce(event, fill, size, movement, legs)
        held = self.held.get(order.position_id)
        self._findings.fields(
            EVENTS, event, {"margin": claim.margin, "gross": claim.gross, "liquidation": claim.liquidation},
            {"margin": margin, "gross": gross, "liquidation": held.liquidation if held is not None else None},
        )  # fmt: skip
        self._post(event, legs, claim.legs, claim.account)
        return margin, gross

    def funded(
        self,
        event: str,
        position_id: str,
        at: datetime,
        rate: Decimal,
        mark: Decimal,
        amount: Decimal,
        legs: tuple[Leg, ...],
        account: AccountState,
        product: Product,
        rules: Rules,
    ) -> None:
        """Funding of one full hour: each that was crossed while open, once, in order."""
        held = self.held.get(position_id)
        if held is None:
            self._findings.equal(EVENTS, event, "position", "open", None)
            return
        due = next(hours_due(product, held.funded or held.since, at), None)
        held.funded = at
        owed = funding(held.side, held.contracts, product, mark, rate)
        self._findings.fields(
            EVENTS, event, {"hour": at, "rate": rate, "amount": amount},
            {"hour": due, "rate": hourly_rate(product, rules.margin), "amount": owed},
        )  # fmt: skip
        movement = f"funding:{position_id}:{at:%Y%m%dT%H%M}"
        self._post(event, ledger.funding_paid(movement, at, owed, position_id), legs, account)

    def remargined(
        self,
        event: str,
        position_id: str,
        at: datetime,
        leverage: Decimal,
        claim: Claim,
        product: Product,
        rules: Rules,
    ) -> None:
        """The margin of what is open, reserved anew at another leverage."""
        held = self.held.get(position_id)
        if held is None:
            self._findings.equal(EVENTS, event, "position", "open", None)
            return
        margin = initial_margin(notional(held.entry_price, held.contracts, product.contract_size), leverage)
        movement, added = f"{position_id}:remargin:{at:%Y%m%dT%H%M%S}", margin - held.margin
        legs: tuple[Leg, ...] = ()
        if added > 0:
            legs = ledger.margin_reserved(movement, at, added, position_id)
        elif added < 0:
            legs = ledger.margin_released(movement, at, -added, position_id)
        held.margin, held.leverage = margin, leverage
        maintenance = maintenance_rate(product, rules.margin)
        held.liquidation = liquidation_price(held.side, held.entry_price, leverage, maintenance)
        self._findings.fields(
            EVENTS, event, {"margin": claim.margin, "liquidation": claim.liquidation},
            {"margin": margin, "liquidation": held.liquidation},
        )  # fmt: skip
        self._post(event, legs, claim.legs, claim.account)

    # ── parts of a fill ─────────────────────────────────────────────────────────────────────────────────────────────

    def _fair(self, event: str, order: Order, fill: Fill, rules: Rules) -> None:
        """At its trade a stop or a liquidation had been reached; by the spread nothing is had better than the trade.

        A stop that was reached earlier (`due`) fills wherever the market is by then.
        """
        level = order.price if order.kind == "stop" and order.due is None else None
        if order.purpose == "liquidated" and order.position_id in self.held:
            level = self.held[order.position_id].liquidation
            self._findings.holds(EVENTS, event, "liquidation", level, "a price that liquidates", met=level is not None)
        if level is not None:
            reached = fill.reference <= level if fill.side == "sell" else fill.reference >= level
            self._findings.holds(
                EVENTS, event, "reference", fill.reference, f"at or beyond {level:f}", met=reached
            )
        if order.kind != "limit" and rules.fills.model == "spread":
            better = fill.price > fill.reference if fill.side == "sell" else fill.price < fill.reference
            self._findings.holds(
                EVENTS, event, "price", fill.price, f"no better than the trade at {fill.reference:f}", met=not better
            )

    def _enter(
        self, event: str, order: Order, fill: Fill, product: Product, rules: Rules, legs: list[Leg]
    ) -> Decimal:
        side: Side = "long" if fill.side == "buy" else "short"
        self._findings.equal(EVENTS, event, "side", fill.side, entry_deed(side))
        self._findings.holds(
            EVENTS, event, "position", "entered again", "entered once", met=order.position_id not in self.held
        )
        margin = initial_margin(notional(fill.price, fill.contracts, product.contract_size), order.leverage)
        legs += ledger.margin_reserved(f"{order.id}:margin", fill.time, margin, order.position_id)
        maintenance = maintenance_rate(product, rules.margin)
        liquidation = liquidation_price(side, fill.price, order.leverage, maintenance)
        self.held[order.position_id] = Held(
            order.symbol, side, fill.contracts, fill.price, margin, order.leverage, liquidation, fill.time
        )
        return margin

    def _reduce(
        self, event: str, fill: Fill, size: Decimal, movement: str, legs: list[Leg]
    ) -> tuple[Decimal, Decimal]:
        """Return the margin left and the gross profit; what is closed is at most what is open."""
        held = self.held.get(fill.position_id)
        if held is None or fill.contracts > held.contracts:
            left = held.contracts if held is not None else Decimal(0)
            self._findings.equal(EVENTS, event, "contracts", fill.contracts, left)
            if held is None:
                return Decimal(0), Decimal(0)
        self._findings.equal(EVENTS, event, "side", fill.side, exit_deed(held.side))
        gross = profit(held.side, held.entry_price, fill.price, fill.contracts, size)
        left = max(held.contracts - fill.contracts, Decimal(0))
        margin = fixed(held.margin * left / held.contracts)
        legs += ledger.realised(f"{movement}:realised", fill.time, gross, fill.position_id)
        legs += ledger.margin_released(f"{movement}:margin", fill.time, held.margin - margin, fill.position_id)
        held.contracts, held.margin = left, margin
        if left == 0:
            del self.held[fill.position_id]
        return margin, gross

    def _post(
        self, event: str, legs: Iterable[Leg], claimed: tuple[Leg, ...], account: AccountState
    ) -> None:
        """Book what was recomputed; compare the event's legs and the account after them."""
        legs = tuple(legs)
        for leg in legs:
            key = (leg.movement_id, leg.account)
            self._findings.holds(
                EVENTS, event, "movement", leg.movement_id, "booked once", met=key not in self.legs
            )
            self.legs[key] = leg
        stored = {f"{leg.movement_id}/{leg.account}": leg.amount for leg in claimed}
        recomputed = {f"{leg.movement_id}/{leg.account}": leg.amount for leg in legs}
        for name in sorted(stored.keys() | recomputed.keys()):
            self._findings.equal(EVENTS, event, f"leg {name}", stored.get(name), recomputed.get(name))
        self.account = ledger.apply(self.account, legs)
        self._findings.fields(
            EVENTS, event, {"cash": account.cash, "reserved": account.reserved},
            {"cash": self.account.cash, "reserved": self.account.reserved},
        )  # fmt: skip


def _liquidity(order: Order) -> Liquidity:
    if order.purpose == "liquidated":
        return "liquidation"
    return "maker" if order.kind == "limit" else "taker"
