"""`atlas backtest` as somebody types it."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from atlas.backtest.limits import check
from atlas.errors import ConfigurationError
from atlas.market.path import GUESSED
from atlas.presets import preset
from atlas.rules import ExitRules, FillRules, Rules, SizingRules
from tests.cli.command import Commands
from tests.past_candles import written

PLAYED = ("--product", "BIP-20DEC30-CDE", "--timeframes", "15m,1h", "--set", "gates.off=magnitude,fees,continuity")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("past"), seed=3, days=2)


def test_it_tells_what_a_replay_tells_with_the_same_arguments(past: Path, tmp_path: Path) -> None:
    command, told = Commands(tmp_path), []
    for name in ("backtest", "replay"):
        out = tmp_path / f"{name}.json"
        stretch = ("--data", str(past), *PLAYED, "--from", "2026-03-04T06:00", "--to", "2026-03-05T21:00")
        shown = command(name, *stretch, "--json", str(out))
        assert shown.code == 0, shown.err
        result = json.loads(out.read_text())
        for trade in result["open"]:
            del trade["mae_r"], trade["mfe_r"]  # a replay tells them of what is open once a minute
        told.append((shown.out, result))
    assert told[0] == told[1]
    assert "triggers" in told[0][0]
    assert told[0][1]["trades"], "a market of two days has trades"


def test_the_common_strategy_needs_no_more_than_its_name(past: Path, tmp_path: Path) -> None:
    told = Commands(tmp_path)("backtest", "--preset", "common", "--data", str(past), "--json")
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert {trade["timeframe"] for trade in found["trades"]} == {"15m"}
    assert {row["family"] for row in found["funnel"]} == {"2-1"}


@pytest.mark.parametrize(
    ("setting", "rules"),
    [
        ("fills.latency_ms", Rules(fills=FillRules(latency_ms=250))),
        ("fills.model", Rules(fills=FillRules(model="depth"))),
        ("exits.scale_out", Rules(exits=ExitRules(scale_out=Decimal("0.5")))),
        ("exits.break_even", Rules(exits=ExitRules(break_even=Decimal(1)))),
        ("exits.trail_distance", Rules(exits=ExitRules(trail_distance=Decimal(1)))),
        ("sizing.position_policy", Rules(sizing=SizingRules(position_policy="flip"))),
        ("signal_products", Rules(signal_products={"BIP-20DEC30-CDE": "BTC-USD"})),
    ],
)
def test_a_setting_that_only_a_replay_knows_is_refused_and_the_replay_named(setting: str, rules: Rules) -> None:
    with pytest.raises(ConfigurationError, match=rf"{setting} only as .* `atlas replay`"):
        check(rules, GUESSED)


def test_a_path_through_every_level_is_for_the_common_strategy_alone() -> None:
    through = preset("common").path
    check(msgspec.convert(preset("common").settings, Rules), through)
    with pytest.raises(ConfigurationError, match="--preset common"):
        check(Rules(), through)


def test_what_does_not_fit_is_one_clear_line(past: Path, tmp_path: Path) -> None:
    command = Commands(tmp_path)
    nothing = command("backtest")
    assert nothing.code == 2
    assert "give --data FILE" in nothing.said()
    late = command("backtest", "--data", str(past), *PLAYED, "--set", "fills.latency_ms=250")
    assert late.code == 78
    assert "fills.latency_ms" in late.said()
    beside = command("backtest", "--data", str(past), *PLAYED, "--from", "2031-01-01", "--to", "2032-01-01")
    assert beside.code == 2
    assert "it runs from 2026-03-04 00:00 to 2026-03-06 00:00" in beside.said()
