"""The account through a stretch of past market: entries and exits in the order of time, everything between skipped.

What the risk monitor and the paper broker do trade by trade is done here event by event, by the same functions of
`atlas.risk` and `atlas.money`. At one instant what comes by the clock is before trades, and of a trade exits are before
entries; products come in their order.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from atlas.backtest.candidate import Candidate
from atlas.backtest.exits import Exit, exit_from
from atlas.backtest.frames import last_close, watched
from atlas.backtest.funding_hours import FundingHours
from atlas.backtest.holding import BY_CLOCK, BY_TRADE, NEVER, ZERO, Approved, Holding, Key, Left
from atlas.backtest.leverage_windows import next_due, tested
from atlas.backtest.loss_watch import LossWatch
from atlas.backtest.track import Track, instant, micros
from atlas.errors import InternalError
from atlas.market.sessions import is_open
from atlas.money.account import equity, next_trading_day, trading_day
from atlas.money.book import AccountState, Purpose
from atlas.money.exits import expiry_exit, held_until
from atlas.money.fees import Liquidity, entry_deed, exit_deed, fee, notional, slipped
from atlas.money.ledger import EMPTY, deposit
from atlas.money.ledger import apply as posted
from atlas.money.margin import initial_margin, leverage, liquidation_price, maintenance_rate, margin_at
from atlas.money.profit import profit
from atlas.rules import Rules
from atlas.strat.setup import Side

_PAYS: Final[dict[str, Liquidity]] = {"target": "maker", "liquidated": "liquidation"}


class Account:
    """See the module. `closed` are the positions that were, `held` those open, in the order they were opened."""

    def __init__(self, rules: Rules, tracks: Sequence[Track], hours: Sequence[FundingHours], start: datetime) -> None:
        self.closed: list[Holding] = []
        self.held: list[Holding] = []
        self.days: list[tuple[date, Decimal]] = []
        self.left: dict[int, int] = {}
        self._rules, self._tracks, self._hours = rules, tracks, hours
        expiries = [expiry_exit(track.product) for track in tracks]
        self._expiries = [NEVER[0] if due is None else micros(due) for due in expiries]
        self._maintenance = [maintenance_rate(track.product, rules.margin) for track in tracks]
        self.state = posted(EMPTY, deposit("deposit", start, rules.account.starting_equity))
        on = "daily_loss" not in rules.gates.off
        self.watch = LossWatch(tracks, rules.sizing, on=on)
        self._worst: dict[tuple[int, Side], int] = {}
        self._armed = 0
        self._next_day = self._armed_day = 0
        self._next_window: int | None = None
        self._armed_window = 0
        self._arm_window(micros(start))
        self._begin_day(micros(start))

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, until: Key) -> None:
        """Let everything happen that comes at or before a place in the order of events."""
        while self.held or self._next_day <= until[0] or self._next_window is not None:
            key: Key = (self._next_day, BY_CLOCK, self._armed_day, 0)
            holding: Holding | None = None
            reason: Purpose | None = None
            if self._next_window is not None:
                key = min(key, (self._next_window, BY_CLOCK, self._armed_window, 0))
            for one in self.held:
                if one.due < key:
                    key, holding, reason = one.due, one, None
                for due, armed, why in one.clocks:
                    if (due, BY_CLOCK, armed, 0) < key:
                        key, holding, reason = (due, BY_CLOCK, armed, 0), one, why
            if key > until:
                return
            at = key[0]
            if holding is None:
                if key[2] == self._armed_day:
                    self._begin_day(at)
                else:
                    self._window_due(at)
            elif reason is None:
                assert holding.exit is not None
                self._close_by_trade(holding, holding.exit)
            else:
                holding.clocks = [clock for clock in holding.clocks if clock[1] != key[2]]
                self._leave(holding, at, reason)

    def _settle(self, at: int) -> None:
        """Pay the funding of the hours before an instant, for all that is held."""
        for holding in self.held:
            if holding.hours:
                self._pay(holding, at, inclusive=False)

    def _pay(self, holding: Holding, at: int, *, inclusive: bool) -> None:
        paid = ZERO
        for hour, amount in holding.funding_until(at, inclusive=inclusive):
            paid += amount
            self.watch.paid(hour, amount)
        if paid:
            holding.funding += paid
            self.state = AccountState(self.state.cash - paid, self.state.reserved)

    def _counts(self, at: int, number: int = -1, own: int = 0) -> list[int]:
        """Return how many points of each product were traded before product `number` trades at an instant, its own too.

        By the clock, `number` -1, none of that instant was.
        """
        places = range(len(self._tracks))
        return [own if place == number else self._count(place, at, number) for place in places]

    def _count(self, place: int, at: int, turn: int) -> int:
        return self._tracks[place].points_until(at, inclusive=place < turn)

    def _held_counts(self, at: int, turn: int, number: int, own: int) -> dict[int, int]:
        """Return them of the products that are held, when it is one's `turn`; of product `number` it is `own`."""
        return {
            one.number: own if one.number == number else self._count(one.number, at, turn) for one in self.held
        }

    def look_at(self, number: int, point: int) -> None:
        """Look for the daily loss up to a point of a product, that included, with what is held before it enters."""
        if not self.held:
            return
        self._settle(self._tracks[number].time(point))
        if self.watch.on:
            self._look_back(self.counts_at(number, point))

    def counts_at(self, number: int, point: int) -> list[int]:
        """Return how many points of each product were traded when a point of one has been seen."""
        return self._counts(self._tracks[number].time(point), number, point + 1)

    def _look_back(self, until: Sequence[int]) -> None:
        self.watch.stretch(self.held, self.state.cash, until)

    def worth(self, until: Sequence[int] | Mapping[int, int]) -> Decimal:
        """Return equity at the last prices before the points `until` of each product that is held, USD."""
        if not self.held:
            return self.state.cash
        tracks = self._tracks
        marks = {
            number: tracks[number].price(tracks[number].priced(until[number] - 1))
            for number in {holding.number for holding in self.held}
        }
        return equity(self.state, [one.unrealised(marks[one.number]) for one in self.held])

    def least_available(self) -> float:
        """Return what is available, USD, if all that is held stood at the worst price of its product's whole past.

        It takes no look at the market of now, and is by float64.
        """
        free = float(self.state.cash - self.state.reserved)
        for holding in self.held:
            if holding.least is None:
                holding.least = holding.profit_about(self._worst_of(holding.track, holding.candidate))
            free += holding.least
        return free

    def _worst_of(self, track: Track, candidate: Candidate) -> int:
        """Return the worst price there is for a side of a product, in units."""
        key = candidate.number, candidate.side
        if key not in self._worst:
            self._worst[key] = int(track.low.min() if candidate.side == "long" else track.high.max())
        return self._worst[key]

    def worth_at(self, number: int, point: int) -> Decimal:
        """Return equity when a point of a product has been seen, USD."""
        if not self.held:
            return self.state.cash
        at = self._tracks[number].time(point)
        return self.worth(self._held_counts(at, number, number, point + 1))

    # ── by the clock ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_day(self, at: int) -> None:
        now, zone, worth = instant(at), self._rules.account.timezone, self.state.cash
        if self.held:
            self._settle(at)
            until = self._counts(at)
            self._look_back(until)
            worth = self.worth(until)
        self._armed += 1
        self._next_day, self._armed_day = micros(next_trading_day(now, zone)), self._armed
        self.days.append((trading_day(now, zone), worth))
        self.watch.begin_day(worth)
        for holding in self.held:
            self._arm_expiry(holding, at)

    def _arm_expiry(self, holding: Holding, at: int) -> None:
        due = self._expiries[holding.number]
        if due < self._next_day:
            self._armed += 1
            holding.clocks.append((max(due, at + 1), self._armed, "expired"))

    def _leave(self, holding: Holding, at: int, reason: Purpose) -> None:
        """Order a market exit: filled at the last price, or where there is no session at the next trade."""
        if holding.leaving is not None:
            return
        track = holding.track
        next_point = track.points_until(at, inclusive=False)
        if is_open(track.product, instant(at)):
            self._settle(at)
            until = self._counts(at)
            self._look_back(until)
            last = next_point - 1
            self._close(holding, at, Exit(last, track.priced(last), reason, seen=True), by_clock=True)
            return
        holding.leaving = reason
        self._plan(holding, next_point)

    # ── leverage windows ────────────────────────────────────────────────────────────────────────────────────────────

    def _arm_window(self, at: int) -> None:
        due = next_due(self._rules, instant(at))
        self._armed += 1
        self._next_window, self._armed_window = None if due is None else micros(due), self._armed

    def _window_due(self, at: int) -> None:
        """Test what is at intraday rates, and margin anew what was found to fit."""
        self._arm_window(at)
        self._settle(at)
        until = self._counts(at)
        self._look_back(until)
        fitting, doomed = tested(self.held, self._rules, self.worth(until) - self.state.reserved, instant(at))
        for holding in fitting:
            self._remargin(holding, at)
        for holding in doomed:
            self._leave(holding, at, "deadline")

    def _remargin(self, holding: Holding, at: int) -> None:
        side, product = holding.candidate.side, holding.track.product
        rate = leverage(product, side, "overnight")
        margin = margin_at(holding.position(self._rules), product, "overnight")
        self.state = AccountState(self.state.cash, self.state.reserved + margin - holding.margin)
        holding.leverage, holding.tier, holding.margin, holding.carried = rate, "overnight", margin, False
        holding.liquidation = liquidation_price(
            side, holding.price, rate, maintenance_rate(product, self._rules.margin)
        )
        self._plan(holding, holding.track.points_until(at, inclusive=False))

    # ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def enter(self, candidate: Candidate, terms: Approved) -> None:
        """Fill an approved entry at the trade that triggered it, and find what its levels come to."""
        rules, track, side = self._rules, candidate.track, candidate.side
        product, reference, contracts = track.product, candidate.reference, terms.contracts
        price = slipped(reference, entry_deed(side), None, None, rules.fees)
        value = notional(price, contracts, product.contract_size)
        paid = fee(value, contracts, product, rules.fees, "taker")
        margin = initial_margin(value, terms.leverage)
        if self.watch.on and not self.held:
            self._look_back(self.counts_at(candidate.number, candidate.point))
        self.state = AccountState(self.state.cash - paid, self.state.reserved + margin)
        worse = price - reference if side == "long" else reference - price
        holding = Holding(
            candidate=candidate,
            number=candidate.number,
            track=track,
            terms=terms,
            entered=candidate.point,
            price=price,
            fee=paid,
            slippage=max(worse * contracts * product.contract_size, ZERO),
            margin=margin,
            leverage=terms.leverage,
            tier=terms.tier,
            liquidation=liquidation_price(side, price, terms.leverage, self._maintenance[candidate.number]),
            funded=candidate.time,
        )
        self.held.append(holding)
        if self.watch.on:
            self.watch.look(self.worth_at(candidate.number, candidate.point))
        if rules.exits.max_bars:
            self._armed += 1
            due = micros(held_until(holding.position(rules), rules.exits.max_bars))
            holding.clocks.append((due, self._armed, "max_bars"))
        self._arm_expiry(holding, candidate.time)
        self._foresee(holding)

    def _foresee(self, holding: Holding) -> None:
        """Take the exit foreseen for the candidate, or search where that does not hold."""
        found = holding.foreseen()
        if found is None:
            self._plan(holding, holding.candidate.foreseen.begin)
        elif found.exit is None:
            self._plan(holding, found.searched)
        else:
            self._plan_for(holding, found.exit)

    def _plan(self, holding: Holding, point: int) -> None:
        """Find the next exit by levels from a point on, and the funding until then."""
        levels = holding.barriers(self._rules)
        self._plan_for(holding, exit_from(holding.track, holding.candidate.side, levels, point, holding.leaving))

    def _plan_for(self, holding: Holding, found: Exit | None) -> None:
        holding.exit = found
        number = holding.number
        if found is None:
            holding.due = NEVER
        else:
            holding.due = (holding.track.time(found.point), BY_TRADE, number, 2 * found.point + found.seen)
        holding.hours = self._hours[number].due(holding, holding.funded, holding.due[0])
        holding.settled = 0

    # ── exits ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _close_by_trade(self, holding: Holding, found: Exit) -> None:
        """Fill an exit by a trade. An exit of the broker's is before that trade is seen; an invalidation after."""
        at, number = holding.due[0], holding.number
        self._settle(at)
        if self.watch.on:
            self._look_back(self._counts(at, number, found.point + found.seen))
        self._close(holding, at, found)

    def _close(self, holding: Holding, at: int, found: Exit, *, by_clock: bool = False) -> None:
        """Fill an exit at the price of a point: of the trade that caused it, or of the last before the clock did."""
        track, rules, number, reason = holding.track, self._rules, holding.number, found.reason
        product = track.product
        # What is closed on the hour has crossed it; then the mark is the last trade the broker has seen.
        if holding.settled < len(holding.hours) and holding.hours[holding.settled][0] == at:
            hour = self._hours[number].marked(holding, at, track.price(found.price))
            holding.hours = [*holding.hours[: holding.settled], hour]
        if holding.hours:
            self._pay(holding, at, inclusive=True)
        side, terms, size = holding.candidate.side, holding.terms, product.contract_size
        if not found.at_level:
            last = track.price(found.price)
        elif reason == "liquidated" and holding.liquidation is not None:
            last = holding.liquidation
        else:
            last = terms.target if reason == "target" else terms.stop
        if reason == "target":
            reference = price = last if rules.fills.touch else terms.target
        else:
            reference, price = last, slipped(last, exit_deed(side), None, None, rules.fees)
        value, pays_as = notional(price, terms.contracts, size), _PAYS.get(reason, "taker")
        paid = fee(value, terms.contracts, product, rules.fees, pays_as)
        gross = profit(side, holding.price, price, terms.contracts, size)
        worse = reference - price if side == "long" else price - reference
        slippage = max(worse * terms.contracts * size, ZERO)
        holding.left = Left(found, at, found.point + by_clock, reference, price, gross, paid, slippage)
        self.closed.append(holding)
        self.held = [one for one in self.held if one is not holding]
        self.left[number] = at
        self.state = AccountState(self.state.cash + gross - paid, self.state.reserved - holding.margin)
        if self.state.reserved < 0:
            raise InternalError(f"the margin reserved would become {self.state.reserved} USD: report this")
        if self.watch.on and not self.watch.hit:
            # The risk monitor hears of a fill before it sees the trade that the broker filled it at.
            turn = -1 if by_clock else number
            self.watch.look(self.worth(self._held_counts(at, turn, number, found.point + found.seen)))

    def finish(self, at: datetime) -> None:
        """Let everything happen until the end, timers at that instant included."""
        self.advance((micros(at), BY_TRADE, NEVER[2], 0))
        self._settle(micros(at))

    def worth_at_the_end(self, start: datetime, end: datetime) -> Decimal:
        """Return equity at the close of the last bar of each product that closed; at the entry's price without one."""
        total = self.state.cash
        for holding in self.held:
            closed = last_close(holding.track, watched(self._rules), start, end)
            mark = holding.price if closed is None else holding.track.price(closed)
            total += holding.unrealised(mark)
        return total
