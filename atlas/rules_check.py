"""Rules that fit their types and still make no sense are refused, by key, value and what would be right."""

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.timeframes import require
from atlas.risk import POSITION_POLICIES, SWITCHABLE
from atlas.rules import Rules
from atlas.strat.continuity import validate
from atlas.strat.labels import FAILED_TWO
from atlas.strat.setup import FAMILIES
from atlas.strat.setups import INSIDE

DAY = 86_400


def check(rules: Rules) -> None:
    """Refuse values that fit their type and still make no sense. Raises ConfigurationError."""
    for key, number in _numbers("", rules):
        if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
            raise ConfigurationError(f"`{key}` = {number} is wrong: a finite number")
    if not rules.strat.timeframes:
        raise ConfigurationError("`strat.timeframes` is empty: name at least one, e.g. 1h")
    for timeframe in rules.strat.timeframes:
        require(timeframe)
    validate(rules.strat)
    _among("strat.families", rules.strat.families, FAMILIES)
    _among("strat.detected", rules.strat.detected, FAMILIES)
    _among("strat.stop", (rules.strat.stop,), ("structure", "setup_bar"))
    _among("strat.outside_target", (rules.strat.outside_target,), ("nearer", "risk", "percent"))
    _among("strat.inside", (rules.strat.inside,), INSIDE)
    _among("strat.failed", (rules.strat.failed,), FAILED_TWO)
    _among("strat.continuity_mode", (rules.strat.continuity_mode,), ("open", "type"))
    _among("gates.off", rules.gates.off, SWITCHABLE)
    if not 0 < rules.gates.max_price_age_seconds < math.inf:
        age = rules.gates.max_price_age_seconds
        raise ConfigurationError(f"`gates.max_price_age_seconds` = {age} is wrong: a number above 0")
    _among("sizing.mode", (rules.sizing.mode,), ("risk", "leverage", "units"))
    _among("sizing.position_policy", (rules.sizing.position_policy,), POSITION_POLICIES)
    _among("margin.window", (rules.margin.window,), ("overnight", "guide_2026_07", "long_window"))
    for key, share in (
        ("sizing.risk_share", rules.sizing.risk_share),
        ("sizing.max_total_risk", rules.sizing.max_total_risk),
        ("sizing.daily_loss", rules.sizing.daily_loss),
        ("margin.maintenance", rules.margin.maintenance),
    ):
        if not 0 < share < 1:
            raise ConfigurationError(f"`{key}` = {share} is wrong: a share between 0 and 1, e.g. 0.02 for 2 %")
    _check_strat_and_gates(rules)
    _check_costs(rules)
    _check_exits(rules)
    _check_fills(rules)
    if rules.sizing.units <= 0:
        raise ConfigurationError(f"`sizing.units` = {rules.sizing.units} is wrong: more than 0")
    if rules.sizing.max_open_positions < 1:
        raise ConfigurationError(
            f"`sizing.max_open_positions` = {rules.sizing.max_open_positions} is wrong: 1 or more; to trade nothing, "
            "set `mode` to signals"
        )
    hold = rules.alerts.full_continuity_hold_seconds
    if not 0 <= hold < math.inf:
        raise ConfigurationError(
            f"`alerts.full_continuity_hold_seconds` = {hold} is wrong: so many seconds of market time, e.g. 60"
        )
    silence = rules.alerts.stale_price_seconds
    if not 0 < silence < math.inf:
        raise ConfigurationError(f"`alerts.stale_price_seconds` = {silence} is wrong: more than 0, e.g. 900")
    try:
        ZoneInfo(rules.account.timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"`account.timezone` = {rules.account.timezone!r} is wrong: a name like UTC or America/New_York"
        ) from None
    if rules.account.starting_equity <= 0:
        raise ConfigurationError(f"`account.starting_equity` = {rules.account.starting_equity} is wrong: more than 0")


def _check_strat_and_gates(rules: Rules) -> None:
    strat, gates = rules.strat, rules.gates
    if strat.close_grace_seconds < 0:
        raise ConfigurationError(
            f"`strat.close_grace_seconds` = {strat.close_grace_seconds} is wrong: 0 or more seconds, e.g. 2"
        )
    families = gates.min_reward_risk_by_family
    _among("gates.min_reward_risk_by_family", families, FAMILIES)
    for key, least in (
        ("gates.min_reward_risk", gates.min_reward_risk),
        *((f"gates.min_reward_risk_by_family.{family}", least) for family, least in families.items()),
    ):
        if least < 0:
            raise ConfigurationError(f"`{key}` = {least} is wrong: 0 for any, or a ratio above it, e.g. 0.5")
    if gates.max_fee_share < 0:
        raise ConfigurationError(f"`gates.max_fee_share` = {gates.max_fee_share} is wrong: 0 or more, e.g. 0.20")
    for key, share in (
        ("gates.min_magnitude", gates.min_magnitude),
        ("gates.max_divergence", gates.max_divergence),
    ):
        if not 0 <= share < 1:
            raise ConfigurationError(f"`{key}` = {share} is wrong: a share from 0 to below 1, e.g. 0.02 for 2 %")


def _check_costs(rules: Rules) -> None:
    fees = rules.fees
    for name in ("taker", "maker", "spot_taker", "spot_maker", "liquidation", "slippage"):
        share = getattr(fees, name)
        if not 0 <= share < 1:
            raise ConfigurationError(
                f"`fees.{name}` = {share} is wrong: a share of the notional from 0 to below 1, e.g. 0.0007 for 0.07 %"
            )
    for name in ("flat", "spot_flat"):
        flat = getattr(fees, name)
        if flat < 0:
            raise ConfigurationError(f"`fees.{name}` = {flat} is wrong: so many USD a contract, 0 or more, e.g. 0.15")
    for underlying, share in rules.margin.maintenance_by_underlying.items():
        if not 0 < share < 1:
            raise ConfigurationError(
                f"`margin.maintenance_by_underlying.{underlying}` = {share} is wrong: a share of the notional between "
                "0 and 1, e.g. 0.067"
            )


def _check_exits(rules: Rules) -> None:
    exits = rules.exits
    if not 0 <= exits.scale_out < 1:
        raise ConfigurationError(
            f"`exits.scale_out` = {exits.scale_out} is wrong: 0 for none, or a share below 1, e.g. 0.5 for one half"
        )
    for key, in_r in (
        ("exits.break_even", exits.break_even),
        ("exits.trail_after", exits.trail_after),
        ("exits.trail_distance", exits.trail_distance),
    ):
        if not (in_r.is_finite() and in_r >= 0):
            raise ConfigurationError(f"`{key}` = {in_r} is wrong: 0, or so many R above it, e.g. 1.5")
    if exits.max_bars < 0:
        raise ConfigurationError(f"`exits.max_bars` = {exits.max_bars} is wrong: 0 for no limit, or 1 and more")
    if not 0 <= exits.not_within_seconds <= DAY:
        raise ConfigurationError(
            f"`exits.not_within_seconds` = {exits.not_within_seconds} is wrong: 0 for off, or up to {DAY} seconds"
        )


def _check_fills(rules: Rules) -> None:
    fills = rules.fills
    _among("fills.model", (fills.model,), ("spread", "depth"))
    if not 0 <= fills.latency_ms <= 60_000:
        raise ConfigurationError(f"`fills.latency_ms` = {fills.latency_ms} is wrong: 0 to 60000 milliseconds")
    if not 1 <= fills.levels <= 1000:
        raise ConfigurationError(f"`fills.levels` = {fills.levels} is wrong: 1 to 1000 levels of a side")


def _numbers(key: str, value: Any) -> Iterator[tuple[str, Decimal | float]]:
    """Every number of the rules, with its key."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(f"{key}.{name}" if key else name, inner)
    elif isinstance(value, Decimal | float):
        yield key, value


def _among(key: str, values: Iterable[str], allowed: Sequence[str]) -> None:
    for value in values:
        if value not in allowed:
            raise ConfigurationError(f"`{key}` = {value!r} is wrong: one of {', '.join(allowed)}")
