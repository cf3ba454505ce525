"""Rules that fit their types and still make no sense are refused, by key, value and what would be right."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from atlas.errors import ConfigurationError
from atlas.market.timeframes import require
from atlas.risk import SWITCHABLE
from atlas.rules import Rules
from atlas.strat.continuity import validate
from atlas.strat.labels import FAILED_TWO
from atlas.strat.setup import FAMILIES

POSITION_POLICIES = ("one_per_product", "one_per_timeframe", "unlimited")
"""The policies the risk monitor carries out; `flip` is judged by atlas.risk but not carried out yet."""


def check(rules: Rules) -> None:
    """Refuse values that fit their type and still make no sense. Raises ConfigurationError."""
    if not rules.strat.timeframes:
        raise ConfigurationError("`strat.timeframes` is empty: name at least one, e.g. 1h")
    for timeframe in rules.strat.timeframes:
        require(timeframe)
    validate(rules.strat)
    _among("strat.families", rules.strat.families, FAMILIES)
    _among("strat.stop", (rules.strat.stop,), ("structure", "setup_bar"))
    _among("strat.outside_target", (rules.strat.outside_target,), ("nearer", "risk", "percent"))
    _among("strat.failed", (rules.strat.failed,), FAILED_TWO)
    _among("strat.continuity_mode", (rules.strat.continuity_mode,), ("open", "type"))
    _among("gates.off", rules.gates.off, SWITCHABLE)
    _among("sizing.mode", (rules.sizing.mode,), ("risk", "leverage"))
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
    try:
        ZoneInfo(rules.account.timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"`account.timezone` = {rules.account.timezone!r} is wrong: a name like UTC or America/New_York"
        ) from None
    if rules.account.starting_equity <= 0:
        raise ConfigurationError(f"`account.starting_equity` = {rules.account.starting_equity} is wrong: more than 0")


def _among(key: str, values: Iterable[str], allowed: Sequence[str]) -> None:
    for value in values:
        if value not in allowed:
            raise ConfigurationError(f"`{key}` = {value!r} is wrong: one of {', '.join(allowed)}")
