"""The step down of an intraday window over what is held (trading.md, Sessions), as the risk monitor makes it.

Five minutes before the end each position is tested at overnight rates, in the order of opening; what fits is margined
anew at the end, what does not is closed as `deadline`. One opened within those minutes is tested at the end.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from atlas.backtest.holding import ZERO, Holding
from atlas.backtest.track import instant
from atlas.money.margin import closed_at_deadline, margin_at
from atlas.money.windows import DEADLINE, intraday_window, next_deadline, next_window_end
from atlas.rules import Rules


def next_due(rules: Rules, now: datetime) -> datetime | None:
    """Return the next deadline or end of an intraday window; None if the preset has none."""
    name = rules.margin.window
    return min((at for at in (next_deadline(name, now), next_window_end(name, now)) if at is not None), default=None)


def tested(
    held: Sequence[Holding], rules: Rules, available: Decimal, now: datetime
) -> tuple[list[Holding], list[Holding]]:
    """Return what is to be margined anew now, and what is to be closed; what was found to fit is marked `carried`.

    `available` is USD.
    """
    fitting: list[Holding] = []
    for holding in held:
        if holding.tier == "intraday" and holding.carried and _window_end(holding, rules) <= now:
            margin = margin_at(holding.position(rules), holding.track.product, "overnight")
            available -= max(margin - holding.margin, ZERO)
            fitting.append(holding)
    due = {holding.position(rules): holding for holding in held if _is_due(holding, rules, now)}
    products = {holding.track.product.id: holding.track.product for holding in due.values()}
    doomed = closed_at_deadline(due, products, available)
    for position, holding in due.items():
        holding.carried = position not in doomed
        if holding.carried and _window_end(holding, rules) <= now:
            fitting.append(holding)
    return fitting, [due[position] for position in doomed]


def _is_due(holding: Holding, rules: Rules, now: datetime) -> bool:
    if holding.tier != "intraday" or holding.carried or holding.leaving is not None:
        return False
    end, entered = _window_end(holding, rules), instant(holding.candidate.time)
    return now >= (end if entered > end - DEADLINE else end - DEADLINE)


def _window_end(holding: Holding, rules: Rules) -> datetime:
    entered = instant(holding.candidate.time)
    window = intraday_window(rules.margin.window, entered)
    return entered if window is None else window[1]
