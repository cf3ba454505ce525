"""The gates of the account where one look is enough to name the one that fails, by numbers found over whole arrays.

Most triggers that come as far as the account are rejected because something is held, or by their fees. What is told
here is what `atlas.risk.judge` says, which is asked wherever this does not tell: of an entry that is made, and where
float64 is too near to a limit. A test holds both to the same answers.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from atlas.backtest.gates import Levels
from atlas.backtest.track import Track
from atlas.backtest.triggers import Triggers
from atlas.market.product import Product
from atlas.money.fees import fee, notional
from atlas.rules import FeeRules, Rules
from atlas.strat.vectors import Flags

_HAIR: Final = 2e-8
"""USD: two amounts rounded to eight decimals may be off by so much."""
CLEAR: Final = "clear"
"""No gate before `margin` rejects the entry."""
_NEAR: Final = 1e-9
"""A share of what is compared: what float64 may be wrong by, and more."""

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


class Costs(msgspec.Struct, frozen=True):
    """Of n triggers: whether the gate `fees` lets them pass, and risk and round-trip costs of one contract, USD."""

    fees: Flags
    one_contract: Floats


def costs_of(track: Track, triggers: Triggers, levels: Levels, rules: Rules) -> Costs:
    """Return what the gates of the account ask of each trigger by itself."""
    product, fees = track.product, rules.fees
    unit = 10.0**-track.scale / levels.parts
    reference, stop, target = levels.reference * unit, levels.stop * unit, levels.target * unit
    size = float(product.contract_size)
    taker, maker, flat = _rates(product.kind, fees)
    slip = float(fees.slippage)
    gained = np.abs(target - reference) * size
    paid = (taker * reference + maker * target) * size + 2 * flat
    share, most = paid / gained, float(rules.gates.max_fee_share)
    passed: Flags = share <= most
    if "fees" in rules.gates.off:
        passed[:] = True
    else:
        for place in np.flatnonzero(np.abs(share - most) <= _NEAR * most + _HAIR / gained).tolist():
            passed[place] = _fees_pass(track, triggers, levels, place, rules)
    entry, stopped = reference * (1 + slip * levels.sign), stop * (1 - slip * levels.sign)
    risk = np.abs(entry - stop) * size
    one = risk + (taker * (entry + stopped) + np.abs(stopped - stop)) * size + 2 * flat
    return Costs(passed, one)


def _rates(kind: str, fees: FeeRules) -> tuple[float, float, float]:
    if kind == "spot":
        return float(fees.spot_taker), float(fees.spot_maker), float(fees.spot_flat)
    return float(fees.taker), float(fees.maker), float(fees.flat)


def _fees_pass(track: Track, triggers: Triggers, levels: Levels, place: int, rules: Rules) -> bool:
    """Return what the gate `fees` of `atlas.risk` says."""
    product, one = track.product, Decimal(1)
    reference = track.price(int(triggers.price[place]))
    target = track.price(int(levels.target[place])) / levels.parts
    paid = fee(notional(reference, one, product.contract_size), one, product, rules.fees, "taker")
    paid += fee(notional(target, one, product.contract_size), one, product, rules.fees, "maker")
    return bool(paid / (abs(target - reference) * product.contract_size) <= rules.gates.max_fee_share)


def at_once(
    *,
    fees: bool,
    one_contract: float,
    open_positions: int,
    at_risk: Callable[[], float],
    equity: float,
    lost: bool,
    least: float,
    share: float,
    rules: Rules,
) -> str | None:
    """Return the gate after `position_policy` that rejects an entry, CLEAR if none before `margin` does.

    None where that takes more than a look. `at_risk` tells the risk of what is open, `lost` the daily loss in force,
    `least` the smallest order in contracts, `share` the risk share with the multiplier of the continuity.
    """
    off, sizing = rules.gates.off, rules.sizing
    if open_positions + 1 > sizing.max_open_positions and "max_open_positions" not in off:
        return "max_open_positions"
    if sizing.mode == "leverage":
        return None
    budget = equity * share
    if "total_risk" not in off:
        most = equity * float(sizing.max_total_risk) * (1 - _NEAR)
        if sizing.mode != "risk" or at_risk() + budget > most:
            return None
    if lost and "daily_loss" not in off:
        return "daily_loss"
    if sizing.mode == "risk":
        contracts = budget / one_contract
        if contracts < least * (1 - 1e-6):
            return "size_zero"
        if contracts <= least * (1 + 1e-6):
            return None
    return CLEAR if fees else "fees"


def contracts_by_risk(budget: float, one_contract: float, product: Product) -> Decimal | None:
    """Return the contracts a budget in USD pays the risk of; None where it is too near to one size more or less.

    `one_contract` is the `Costs` of that name: five amounts rounded to eight decimals, prices among them.
    """
    sizes = budget / one_contract / float(product.size_increment)
    whole = int(sizes)
    off_by = _NEAR + (2 + float(product.contract_size)) * _HAIR / one_contract + _HAIR / budget
    contracts = whole * product.size_increment
    is_clear = whole + sizes * off_by < sizes < (whole + 1) - sizes * off_by
    return contracts if is_clear and contracts >= product.min_size else None


class Outlay(msgspec.Struct, frozen=True, gc=False):
    """What an entry takes out of available, at most: margin, fee and slippage of one contract, USD.

    `share` is so much of its price, `flat` what comes besides.
    """

    share: float
    flat: float

    def is_paid(self, contracts: Decimal, reference: float, available: float) -> bool:
        """Return whether so much clearly pays for so many contracts at a price, USD."""
        return available > float(contracts) * (reference * self.share + self.flat)


def outlay_of(product: Product, rate: Decimal, fees: FeeRules) -> Outlay:
    """Return the outlay of a product's entries at a leverage."""
    taker, _, flat = _rates(product.kind, fees)
    slip, size = float(fees.slippage), float(product.contract_size)
    share = size * ((1 + slip) * (1 / float(rate) + taker) + slip)
    return Outlay(share * (1 + _NEAR), flat * (1 + _NEAR) + (2 + size) * _HAIR)
