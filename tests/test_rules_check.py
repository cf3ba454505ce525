"""Rules that fit their types and make no sense: the error names key, value and what would be right."""

from decimal import Decimal as D
from typing import Any

import pytest
from msgspec.structs import fields, replace

from atlas.errors import ConfigurationError
from atlas.rules import Rules
from atlas.rules_check import check

WRONG: list[tuple[str, Any, str]] = [
    ("fees.taker", D("-0.0001"), "a share of the notional from 0 to below 1, e.g. 0.0007 for 0.07 %"),
    ("fees.taker", D(1), "a share of the notional"),
    ("fees.maker", D("1.5"), "a share of the notional"),
    ("fees.spot_taker", D(-1), "a share of the notional"),
    ("fees.spot_maker", D(1), "a share of the notional"),
    ("fees.liquidation", D(1), "a share of the notional"),
    ("fees.slippage", D("-0.0005"), "a share of the notional"),
    ("fees.slippage", D(1), "a share of the notional"),
    ("fees.flat", D("-0.15"), "so many USD a contract, 0 or more, e.g. 0.15"),
    ("fees.spot_flat", D(-1), "so many USD a contract"),
    ("margin.maintenance", D(1), "a share between 0 and 1"),
    ("margin.maintenance_by_underlying", {"SOL": D(1)}, "a share of the notional between 0 and 1, e.g. 0.067"),
    ("margin.maintenance_by_underlying", {"SOL": D(0)}, "a share of the notional between 0 and 1"),
    ("gates.min_magnitude", D("-0.005"), "a share from 0 to below 1, e.g. 0.02 for 2 %"),
    ("gates.min_magnitude", D(1), "a share from 0 to below 1"),
    ("gates.max_divergence", D("-0.02"), "a share from 0 to below 1"),
    ("gates.max_divergence", D(1), "a share from 0 to below 1"),
    ("gates.max_fee_share", D("-0.2"), "0 or more, e.g. 0.20"),
    ("gates.min_reward_risk", D("-0.5"), "0 for any, or a ratio above it, e.g. 0.5"),
    ("gates.min_reward_risk_by_family", {"3-1": D(-1)}, "0 for any, or a ratio above it"),
    ("gates.min_reward_risk_by_family", {"3-3": D(1)}, "one of 3-1, 2-1"),
    ("sizing.max_open_positions", 0, "1 or more; to trade nothing, set `mode` to signals"),
    ("strat.close_grace_seconds", -1.0, "0 or more seconds, e.g. 2"),
]


def with_value(key: str, value: Any) -> Rules:
    """The default rules with one setting changed."""
    section, name = key.split(".")
    rules = Rules()
    return replace(rules, **{section: replace(getattr(rules, section), **{name: value})})


def refusal(rules: Rules) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check(rules)
    return str(caught.value)


@pytest.mark.parametrize(("key", "value", "remedy"), WRONG)
def test_a_money_setting_that_makes_no_sense_is_refused(key: str, value: Any, remedy: str) -> None:
    said = refusal(with_value(key, value))
    if isinstance(value, dict):
        ((inner, number),) = value.items()
        wrong = f"`{key}` = {inner!r}" if "one of" in remedy else f"`{key}.{inner}` = {number}"
    else:
        wrong = f"`{key}` = {value}"
    assert said.startswith(f"{wrong} is wrong: {remedy}")


def numbers() -> list[str]:
    """Every setting that is a Decimal or a float."""
    rules = Rules()
    sections = [field.name for field in fields(rules) if hasattr(getattr(rules, field.name), "__struct_fields__")]
    return [
        f"{section}.{field.name}"
        for section in sections
        for field in fields(getattr(rules, section))
        if isinstance(getattr(getattr(rules, section), field.name), D | float)
    ]


@pytest.mark.parametrize("key", numbers())
def test_no_setting_may_be_without_end_or_no_number(key: str) -> None:
    section, name = key.split(".")
    kind = type(getattr(getattr(Rules(), section), name))
    for value in ("NaN", "Infinity", "-Infinity", *(("sNaN",) if kind is D else ())):
        assert refusal(with_value(key, kind(value))).startswith(f"`{key}` = {kind(value)} is wrong: a finite number")


@pytest.mark.parametrize("key", ["gates.min_reward_risk_by_family", "margin.maintenance_by_underlying"])
def test_no_number_of_a_table_may_be_nan(key: str) -> None:
    assert refusal(with_value(key, {"3-1": D("NaN")})).startswith(f"`{key}.3-1` = NaN is wrong: a finite number")


@pytest.mark.parametrize(
    ("key", "value"),
    [("fees.taker", D(0)), ("fees.flat", D(0)), ("fees.slippage", D(0)), ("gates.min_magnitude", D(0)),
     ("gates.min_reward_risk", D(0)), ("gates.max_fee_share", D(2)), ("sizing.max_open_positions", 1),
     ("margin.default_funding_yearly", D("-0.1")), ("strat.close_grace_seconds", 0.0),
     ("gates.min_reward_risk_by_family", {"3-1": D(2)})],
)  # fmt: skip
def test_what_is_at_the_edge_and_makes_sense_is_taken(key: str, value: Any) -> None:
    check(with_value(key, value))


def test_the_defaults_make_sense() -> None:
    check(Rules())
