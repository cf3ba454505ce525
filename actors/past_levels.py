"""The levels each behaviour acts on, read from its state: where a replay of candles has to show it a trade.

Each function says of one behaviour what its handling of `Traded` would do, no less. A property test holds them to it:
the events of a replay that shows only these trades are those of one that shows all.
"""

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from actors.entry_monitor import EntryState
from actors.paper_broker_state import BrokerState
from actors.risk_monitor_account import DAILY_LOSS, equity_now
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
    levels.every |= any(entering.order.symbol == symbol for entering in state.entering.values())
    held = [managed for managed in state.positions.values() if managed.position.symbol == symbol]
    if not held:
        return
    levels.every |= rules.exits.break_even > 0 or rules.exits.trail_distance > 0
    levels.every |= state.overdue or symbol in state.silent
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
    """The price at which a product has lost its share of what equity may still lose today.

    As long as no product held has lost more than its share since all of them were asked last, equity has not lost the
    limit; when one has, all are asked anew. With one product that is the limit itself. It is held a little too near:
    sums are rounded at eight decimals. What a product's positions are worth is a straight line in its price.
    """
    assert state.day_equity is not None
    limit = state.day_equity * (1 - rules.sizing.daily_loss) + Decimal("0.000001") * len(state.positions)
    products = {managed.position.symbol for managed in state.positions.values()}
    share = (equity_now(state) - limit) / len(products)
    slope = Decimal(0)
    for position in held:
        worth = position.contracts * position.contract_size
        slope += worth if position.side == "long" else -worth
    if slope == 0:
        levels.every |= share <= 0
        return
    level = state.last.get(held[0].symbol, held[0].entry_price) - share / slope
    if slope > 0:
        levels.down.append(level.quantize(Decimal("0.00000001"), ROUND_CEILING))
    else:
        levels.up.append(level.quantize(Decimal("0.00000001"), ROUND_FLOOR))
