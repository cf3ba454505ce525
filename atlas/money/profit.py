"""Profit and loss of a position in USD and in R, what it still risks, and how far price went meanwhile."""

from decimal import Decimal

from atlas.money.book import Position
from atlas.money.rounding import fixed
from atlas.strat.setup import Side

_ZERO = Decimal(0)


def profit(side: Side, entry: Decimal, exit_price: Decimal, contracts: Decimal, contract_size: Decimal) -> Decimal:
    """Return price change × contracts × contract size, positive when it went the position's way (lesson 80)."""
    change = exit_price - entry if side == "long" else entry - exit_price
    return fixed(change * contracts * contract_size)


def unrealised(position: Position, mark: Decimal) -> Decimal:
    """Return what the open contracts would bring at `mark`, before costs: the part of equity that is not cash."""
    return profit(position.side, position.entry_price, mark, position.contracts, position.contract_size)


def open_profit(position: Position, mark: Decimal) -> Decimal:
    """Return the position's profit so far as shown: realised and unrealised, less fees and funding paid (lesson 96).

    Not a part of equity: its fees and funding have already left cash.
    """
    return position.net + unrealised(position, mark)


def loss_at(side: Side, entry: Decimal, stop: Decimal, contracts: Decimal, contract_size: Decimal) -> Decimal:
    """Return contracts × size × loss from entry to stop, never below 0 (trading.md, Sizing)."""
    return max(-profit(side, entry, stop, contracts, contract_size), _ZERO)


def risk_of(position: Position) -> Decimal:
    """Return what the open contracts lose from the entry to the stop in force, never below 0."""
    return loss_at(position.side, position.entry_price, position.stop, position.contracts, position.contract_size)


def risk_distance(entry: Decimal, first_stop: Decimal) -> Decimal | None:
    """Return |entry fill − first stop|, the price distance that is 1 R; None if it was filled at its stop: it has no R.

    The broker refuses such an entry. What is not known to happen must still not leave a position without care.
    """
    return abs(entry - first_stop) or None


def in_r(net: Decimal, contracts: Decimal, contract_size: Decimal, risk: Decimal | None) -> Decimal | None:
    """Return net ÷ (contracts opened × size × distance of 1 R), None where there is no R."""
    return None if risk is None else net / (contracts * contract_size * risk)


def adverse(side: Side, entry: Decimal, worst: Decimal) -> Decimal:
    """Return how far the worst price went against a position, at least 0."""
    return max(entry - worst if side == "long" else worst - entry, _ZERO)


def favourable(side: Side, entry: Decimal, best: Decimal) -> Decimal:
    """Return how far the best price went in a position's favour, at least 0."""
    return max(best - entry if side == "long" else entry - best, _ZERO)


def first_risk(position: Position) -> Decimal | None:
    """Return `risk_distance` of a position."""
    return risk_distance(position.entry_price, position.first_stop)


def r_multiple(position: Position) -> Decimal | None:
    """Return the position's net in R, None where there is no R."""
    return in_r(position.net, position.entry_contracts, position.contract_size, first_risk(position))


def mae_r(position: Position) -> Decimal | None:
    """Return the worst price distance against the position while open, in R, at least 0; None without an R."""
    risk = first_risk(position)
    return None if risk is None else adverse(position.side, position.entry_price, position.worst) / risk


def best_distance(position: Position) -> Decimal:
    """Return the best price distance in the position's favour while open, at least 0."""
    return favourable(position.side, position.entry_price, position.best)


def mfe_r(position: Position) -> Decimal | None:
    """Return the best price distance in the position's favour while open, in R, at least 0; None without an R."""
    risk = first_risk(position)
    return None if risk is None else best_distance(position) / risk


def best_profit(position: Position) -> Decimal:
    """Return what the best price would have brought, USD: MFE in dollars."""
    return best_distance(position) * position.entry_contracts * position.contract_size
