"""Candidates of one trade before the gates of the account, and what is approved filled: in the order of the live core.

All of one trade are judged before the first is filled, and each approved one counts as pending for those after it.
"""

from collections.abc import Sequence
from decimal import Decimal

from atlas.backtest.account import Account
from atlas.backtest.account_gates import CLEAR, Outlay, at_once, contracts_by_risk, outlay_of
from atlas.backtest.candidate import Candidate
from atlas.backtest.holding import ZERO, Approved
from atlas.backtest.result import Counts
from atlas.backtest.track import Track, instant
from atlas.money.entry import Approval, EntryContext, PendingEntry, pending_entry
from atlas.money.margin import leverage
from atlas.money.sizing import Size, SizeRequest, most_of, size, units_of
from atlas.money.windows import Tier, next_window_end, tier_at
from atlas.risk import judge, multiplier
from atlas.rules import Rules
from atlas.strat.naming import resolved
from atlas.strat.setup import Side


class Entrance:
    """Judges candidates by the rules, counts what rejects them, and enters into the account."""

    def __init__(self, account: Account, tracks: Sequence[Track], rules: Rules, counts: Counts) -> None:
        self._account, self._rules, self._counts = account, rules, counts
        off, sizing = rules.gates.off, rules.sizing
        self._asks_policy = "position_policy" not in off and sizing.position_policy != "unlimited"
        self._one_at_a_time = self._asks_policy and sizing.position_policy in ("one_per_product", "flat_at_close")
        self._asks_equity = sizing.mode != "units"
        self._units = [None if self._asks_equity else units_of(track.product, rules) for track in tracks]
        self._most = [most_of(track.product) for track in tracks]
        self._windowed = next_window_end(rules.margin.window, instant(0)) is not None
        self._least = [float(track.product.min_size) for track in tracks]
        self._shares = {full: float(sizing.risk_share * multiplier(full)) for full in (True, False)}
        self._leverage: dict[tuple[int, Side, Tier], tuple[Decimal, Outlay]] = {}

    def decide(self, some: Sequence[Candidate]) -> None:
        """Judge the candidates of one trade, and enter for those that pass.

        Where a product holds one position at a time, the first that is entered is in the way of all behind it.
        """
        while some and (len(some) == 1 or self._one_at_a_time):
            answer = self._at_once(some[0])
            if answer is None:
                break
            self._answer(some[0], answer)
            some = some[1:]
        if not some:
            return
        self._account.look_at(some[0].number, some[0].point)
        approved: list[tuple[Candidate, Approved]] = []
        pending: list[PendingEntry] = []
        for one in some:
            context = _context(self._account, one, tuple(pending), self._rules)
            outcome = judge(context).outcome
            if isinstance(outcome, Approval):
                terms = Approved(outcome.contracts, outcome.leverage, outcome.tier, outcome.stop, outcome.target)
                approved.append((one, terms))
                pending.append(pending_entry(context, outcome))
            else:
                self._answer(one, outcome.gate)
        for one, terms in approved:
            self._answer(one, terms)

    def _answer(self, one: Candidate, answer: Approved | str) -> None:
        key = one.timeframe, one.family
        if isinstance(answer, str):
            self._counts.gates[key][answer] += 1
        else:
            self._counts.trades[key] += 1
            self._account.enter(one, answer)

    def _at_once(self, one: Candidate) -> Approved | str | None:
        """Return the terms of a lone candidate or the gate that rejects it; None where that takes more than a look."""
        account, rules, number = self._account, self._rules, one.number
        if self._asks_policy and self._in_the_way(one):
            return "position_policy"
        account.look_at(number, one.point)
        worth = account.worth_at(number, one.point) if self._asks_equity else ZERO
        found = at_once(
            fees=one.fees,
            one_contract=one.one_contract,
            open_positions=len(account.held),
            at_risk=self._at_risk,
            equity=float(worth),
            lost=account.watch.hit,
            least=self._least[number],
            share=self._shares[one.full],
            rules=rules,
        )
        if found != CLEAR:
            return found
        tier = tier_at(rules.margin.window, instant(one.time)) if self._windowed else "overnight"
        rate, outlay = self._leverage_of(one, tier)
        stop, target = one.levels()
        contracts, available = self._units[number], 0.0
        if self._asks_equity:
            contracts = contracts_by_risk(float(worth) * self._shares[one.full], one.one_contract, one.track.product)
            available = float(worth - account.state.reserved)
        elif contracts:
            available = account.least_available()
        if contracts and outlay.is_paid(contracts, one.price * 10.0**-one.track.scale, available):
            return Approved(min(contracts, self._most[number]), rate, tier, stop, target)
        sized = self._sized(one, stop, rate)
        return sized.zero_because or Approved(sized.contracts, rate, tier, stop, target)

    def _leverage_of(self, one: Candidate, tier: Tier) -> tuple[Decimal, Outlay]:
        """Return the leverage of a candidate, and what its contracts cost at that."""
        key = one.number, one.side, tier
        found = self._leverage.get(key)
        if found is None:
            product = one.track.product
            rate = leverage(product, one.side, tier)
            found = self._leverage[key] = rate, outlay_of(product, rate, self._rules.fees)
        return found

    def _sized(self, one: Candidate, stop: Decimal, rate: Decimal) -> Size:
        """Return the size of a lone candidate step by step."""
        worth = self._account.worth_at(one.number, one.point)
        request = SizeRequest(
            side=one.side,
            reference=one.reference,
            stop=stop,
            bid=None,
            ask=None,
            equity=worth,
            available=worth - self._account.state.reserved,
            multiplier=multiplier(one.full),
            leverage=rate,
        )
        return size(request, one.track.product, self._rules)

    def _at_risk(self) -> float:
        """Return what all that is held loses from entry to stop, about, USD."""
        return sum(float(holding.risk()) for holding in self._account.held)

    def _in_the_way(self, one: Candidate) -> bool:
        """Whether the position policy forbids the entry."""
        account, policy = self._account, self._rules.sizing.position_policy
        for holding in account.held:
            if holding.number == one.number and (
                policy != "one_per_timeframe" or holding.candidate.timeframe == one.timeframe
            ):
                return True
        left = account.left.get(one.number)
        return policy == "flat_at_close" and left is not None and left >= one.closed


def _context(account: Account, one: Candidate, pending: tuple[PendingEntry, ...], rules: Rules) -> EntryContext:
    setup = one.setup()
    worth = account.worth_at(one.number, one.point)
    return EntryContext(
        setup=setup,
        name=resolved(setup.name, setup.side),
        at=instant(one.time),
        reference=one.reference,
        bid=None,
        ask=None,
        product=one.track.product,
        rules=rules,
        verified=True,
        missed=False,
        already_triggered=False,
        halts={},
        continuity=one.reading(rules),
        equity=worth,
        available=worth - account.state.reserved,
        day_start_equity=account.watch.base,
        daily_loss_hit=account.watch.hit,
        positions=tuple(holding.position(rules) for holding in account.held),
        pending=pending,
        left=None if (left := account.left.get(one.number)) is None else instant(left),
    )
