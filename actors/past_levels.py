"""The levels each behaviour acts on, read from its state: where a replay of candles has to show it a trade.

Each function says of one behaviour what its handling of `Traded` would do, no less. A property test holds them to it:
the events of a replay that shows only these trades are those of one that shows all.
"""

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from actors.entry_monitor import EntryState
from actors.paper_broker_state import BrokerState
from actors.risk_monitor_account import DAILY_LOSS
from actors.risk_monitor_state import RiskState
from actors.scanner_frames import ScannerState
from atlas.market.levels import Levels
from atlas.money.book import Position
from atlas.rules import Rules


def of_entries(levels: Levels, state: EntryState, symbol: str) -> None:
    """Setups that wait: the trigger, and the opposite side of a one-sided one."""
    levels.every |= bool(state.measuring)
    for waiting in state.waiting.get(symbol, {}).values():
        for one in waiting:
            setup = one.setup
            levels.in_favour(setup.side, setup.trigger)
            if not setup.two_sided:
                levels.breaks(setup.side, setup.opposite_level)


def of_orders(levels: Levels, state: BrokerState, symbol: str) -> None:
    """What is open: where it is liquidated, and where its orders rest."""
    for holding in state.holdings.values():
        if holding.symbol == symbol:
            levels.held = True
            if holding.liquidation is not None:
                levels.against(holding.side, holding.liquidation)
    for order in state.orders.values():
        if order.symbol != symbol:
            continue
        if order.price is None or order.due is not None or order.purpose == "entry":
            levels.every = True
        elif (order.kind == "stop") == (order.side == "sell"):
            levels.down.append(order.price)
        else:
            levels.up.append(order.price)


def of_positions(levels: Levels, state: RiskState, rules: Rules, symbol: str, now: datetime) -> None:
    """Positions: the invalidation of those in their entry bar, and the day's loss; every trade where a stop moves.

    `now` is market time, not later than the trades to come.
    """
    levels.every |= bool(state.entering)
    held = [managed for managed in state.positions.values() if managed.position.symbol == symbol]
    if not held:
        return
    moves = rules.exits.break_even > 0 or rules.exits.trail_distance > 0
    others = len(held) < len(state.positions)  # Their prices are a part of the day's loss.
    levels.every |= moves or others or state.overdue
    for managed in held:
        position = managed.position
        if rules.exits.invalidated and now < position.entry_bar_end:
            levels.against(position.side, position.invalidation)
    if DAILY_LOSS not in state.halts and state.day_equity is not None:
        _of_the_day(levels, state, [managed.position for managed in held], rules)


def of_continuity(levels: Levels, state: ScannerState) -> None:
    """Full timeframe continuity turns at the lowest and the highest of its opens."""
    full = state.full
    if full is None or full.levels is None:
        return
    lowest, highest = full.levels
    (levels.down if full.side == "long" else levels.up).append(highest if full.side == "long" else lowest)
    if full.side is None:
        levels.up[-1:] = [highest]
        levels.down.append(lowest)


def _of_the_day(levels: Levels, state: RiskState, held: list[Position], rules: Rules) -> None:
    """The price at which equity has lost the day's limit, held a little too near: sums are rounded at eight decimals.

    Equity is cash + Σ ± contracts × size × (price − entry), a straight line in the one price.
    """
    assert state.day_equity is not None
    slope, at_zero = Decimal(0), state.account.cash
    for position in held:
        worth = position.contracts * position.contract_size * (1 if position.side == "long" else -1)
        slope += worth
        at_zero -= worth * position.entry_price
    lost = state.day_equity * (1 - rules.sizing.daily_loss) + Decimal("0.000001") * len(held)
    if slope == 0:
        levels.every |= at_zero <= lost
    elif slope > 0:
        levels.down.append(((lost - at_zero) / slope).quantize(Decimal("0.00000001"), ROUND_CEILING))
    else:
        levels.up.append(((lost - at_zero) / slope).quantize(Decimal("0.00000001"), ROUND_FLOOR))
