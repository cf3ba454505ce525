"""The leverage step: what becomes of positions at intraday rates when their window ends (trading.md, Sessions).

Five minutes before, each is tested at overnight rates in the order of opening; what does not fit is closed whole as
`deadline`, what fits is marked as carried and margined anew at the window's end. One opened within those five minutes
is tested at the end. The test needs prices: where a deadline passed while none came (ATLAS was down, the feed was
down), it is made at the first live trade of a product with a position. A position at overnight rates stays so when the
next intraday window begins.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from actors.messages import Alert, Remargin, Remargined, WindowDue
from actors.risk_monitor_account import available_now
from actors.risk_monitor_exits import SOON, changed
from actors.risk_monitor_orders import leave
from actors.risk_monitor_state import Managed, RiskState
from actors.runtime.behaviour import After, Effect, Send
from atlas.money.book import Position
from atlas.money.margin import closed_at_deadline, leverage, margin_at
from atlas.money.windows import DEADLINE, intraday_window, next_deadline, next_window_end
from atlas.rules import Rules


def arm(rules: Rules, now: datetime) -> Iterator[Effect]:
    """Wake at the next deadline or end of an intraday window, if the preset has any."""
    window = rules.margin.window
    following = [at for at in (next_deadline(window, now), next_window_end(window, now)) if at is not None]
    if following:
        due = min(following)
        yield After(max((due - now).total_seconds(), SOON), WindowDue(due))


def window_due(state: RiskState, rules: Rules, now: datetime) -> Iterator[Effect]:
    """A deadline, or the end of a window: test, if there are prices to test by; margin anew what was found to fit."""
    yield from arm(rules, now)
    yield from _step(state, rules, now, tested=state.priced)


def overdue(state: RiskState, rules: Rules, now: datetime) -> bool:
    """Return whether a position has not been tested although its deadline has passed."""
    return any(_is_due(managed, rules, now) for managed in state.positions.values())


def entered_late(state: RiskState, rules: Rules, now: datetime) -> Iterator[Effect]:
    """An entry at intraday rates was filled when its window had ended (latency): it is tested at once."""
    if not state.overdue and overdue(state, rules, now):
        yield from _step(state, rules, now, tested=state.feed_up)


def catch_up(state: RiskState, rules: Rules, now: datetime) -> Iterator[Effect]:
    """Make the test that was missed, at the first chance, and tell the owner that it comes late (lesson 84)."""
    late = [managed.position for managed in state.positions.values() if _is_due(managed, rules, now)]
    yield from _step(state, rules, now, tested=True)
    left = [position.id for position in late if state.positions[position.id].leaving == "deadline"]
    for position in late[:1]:
        end = _window_end(position, rules)
        text = f"The deadline of {end - DEADLINE:%Y-%m-%d %H:%M} UTC passed without prices and was tested only now: "
        text += f"closing {', '.join(left)}" if left else "every position fits overnight margin"
        yield Send("journal", Alert("deadline_late", f"{end:%Y%m%dT%H%M}:{position.id}", now, text, critical=True))


def remargined(state: RiskState, message: Remargined) -> Iterator[Effect]:
    """The broker has reserved a position's margin anew: its leverage, tier and liquidation price are others now."""
    state.account = message.account
    managed = state.positions.get(message.position_id)
    if managed is not None:
        yield from changed(
            managed,
            message.at,
            leverage=message.leverage,
            tier=message.tier,
            margin=message.margin,
            liquidation=message.liquidation,
            carried=False,
        )


def _step(state: RiskState, rules: Rules, now: datetime, *, tested: bool) -> Iterator[Effect]:
    state.overdue = False
    available = available_now(state) - sum((each.pending.cash for each in state.entering.values()), Decimal(0))
    for managed in state.positions.values():
        position = managed.position
        if position.tier == "intraday" and position.carried and _window_end(position, rules) <= now:
            product = state.products[position.symbol]
            available -= max(margin_at(position, product, "overnight") - position.margin, Decimal(0))
            yield _remargin(state, position)
    due = [managed for managed in state.positions.values() if _is_due(managed, rules, now)]
    if not tested:
        state.overdue = bool(due)
        return
    doomed = closed_at_deadline((managed.position for managed in due), state.products, available)
    closing = {position.id for position in doomed}
    for managed in due:
        if managed.position.id in closing:
            yield from leave(managed, "deadline")
            continue
        yield from changed(managed, now, carried=True)
        if _window_end(managed.position, rules) <= now:
            yield _remargin(state, managed.position)


def _is_due(managed: Managed, rules: Rules, now: datetime) -> bool:
    """Whether a position is to be tested now: not one that fits already, nor one on its way out."""
    position = managed.position
    if position.tier != "intraday" or position.carried or managed.leaving is not None:
        return False
    end = _window_end(position, rules)
    # Opened after the deadline, it was sized knowing nothing of it: the end itself is its deadline.
    return now >= (end if position.entry_time > end - DEADLINE else end - DEADLINE)


def _window_end(position: Position, rules: Rules) -> datetime:
    """The end of the intraday window a position was opened in; its opening where the settings know that no more."""
    window = intraday_window(rules.margin.window, position.entry_time)
    return position.entry_time if window is None else window[1]


def _remargin(state: RiskState, position: Position) -> Effect:
    rate = leverage(state.products[position.symbol], position.side, "overnight")
    return Send("paper_broker", Remargin(position.id, rate, "overnight"))
