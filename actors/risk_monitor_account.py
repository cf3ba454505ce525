"""The account as the risk monitor sees it: equity with open profit and loss, the trading day and its loss limit."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from actors.messages import DayDue, DayStarted
from actors.risk_monitor_halts import halt, lift
from actors.risk_monitor_state import RiskState, Worth
from actors.runtime.behaviour import After, Effect, Send
from atlas.money.account import available, daily_loss_hit, equity, next_trading_day, trading_day
from atlas.money.profit import unrealised
from atlas.rules import Rules

DAILY_LOSS = "daily_loss"
"""The source of the halt that the daily loss limit makes."""


def equity_now(state: RiskState) -> Decimal:
    """Return cash and open profit and loss, USD."""
    return equity(state.account, _open_profits(state))


def available_now(state: RiskState) -> Decimal:
    """Return equity less reserved margin, USD; approved entries on their way are not counted here."""
    return available(state.account, _open_profits(state))


def begin_day(state: RiskState, rules: Rules, now: datetime) -> Iterator[Effect]:
    """Begin a trading day, once: its equity is the base of the daily loss limit, which is lifted by it."""
    zone = rules.account.timezone
    following = next_trading_day(now, zone)
    yield After((following - now).total_seconds(), DayDue(following))
    day = trading_day(now, zone).isoformat()
    if day != state.day:
        state.day, state.day_equity = day, equity_now(state)
        yield Send("journal", DayStarted(day, now, state.day_equity))
        yield from lift(state, now, DAILY_LOSS)


def watch_loss(state: RiskState, rules: Rules, now: datetime) -> Iterator[Effect]:
    """Halt entries for the day when equity, open profit and loss included, has lost the limit."""
    base, current = state.day_equity, equity_now(state)
    if base is None or DAILY_LOSS in state.halts:
        return
    if daily_loss_hit(base, current, rules.sizing):
        share = rules.sizing.daily_loss
        reason = f"equity {current:.2f} USD is {share:.0%} or more below the day's {base:.2f}"
        yield from halt(state, now, DAILY_LOSS, reason)


def measure_anew(state: RiskState, now: datetime) -> Iterator[Effect]:
    """Lift the daily loss on a person's word: the limit counts from the equity of now."""
    if DAILY_LOSS in state.halts:
        state.day_equity = equity_now(state)
        yield from lift(state, now, DAILY_LOSS, state.day_equity)


def _open_profits(state: RiskState) -> list[Decimal]:
    """What each position would bring at its product's last price: a trade moves those of one product, seldom more."""
    last, profits = state.last, list[Decimal]()
    for managed in state.positions.values():
        position, worth = managed.position, managed.worth
        mark = last.get(position.symbol, position.entry_price)
        # Compared as objects, which is sooner done: at worst the same number is found once more.
        if worth is None or mark is not worth.mark or position.contracts is not worth.contracts:
            worth = managed.worth = Worth(mark, position.contracts, unrealised(position, mark))
        profits.append(worth.profit)
    return profits
