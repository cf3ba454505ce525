"""`atlas replay --data` as somebody types it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atlas.market.candle_file import read_candles
from tests.cli.command import Commands
from tests.past_candles import DAY, written

TRADE = [
    "symbol", "timeframe", "setup", "side", "setup_time", "entry_time", "entry_price", "stop", "target", "exit_time",
    "exit_price", "exit_reason", "contracts", "gross", "fees", "funding", "net", "r", "mae_r", "mfe_r", "continuity",
]  # fmt: skip


FREE = "gates.off=magnitude,fees,continuity"
PLAYED = ("replay", "--product", "BIP-20DEC30-CDE", "--timeframes", "15m", "--set", FREE)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("past")
    path = written(place, seed=3, days=2)
    told = Commands(place)(*PLAYED, "--data", str(path), "--json")
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert not _floats({key: value for key, value in found.items() if key != "settings"}), "money is text"
    return found


def _floats(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [found for each in (value.values() if isinstance(value, dict) else value) for found in _floats(each)]
    return [value] if isinstance(value, float) else []


def test_the_result_has_settings_trades_funnel_metrics_and_equity(result: Any) -> None:
    assert list(result) == ["settings", "trades", "open", "funnel", "metrics", "equity"]
    assert result["trades"], "a market of two days has trades"
    assert list(result["trades"][0])[: len(TRADE)] == TRADE
    assert result["settings"]["account"]["name"] == "replay"


def test_triggers_are_trades_and_rejections_and_the_money_adds_up(result: Any) -> None:
    for row in result["funnel"]:
        assert row["triggers"] == row["trades"] + sum(row["rejections"].values()), row
    traded = sum(row["trades"] for row in result["funnel"])
    assert traded == len(result["trades"]) + len(result["open"])
    assert result["metrics"]["trades"] == len(result["trades"])
    net = sum(Decimal(trade["net"]) for trade in result["trades"])
    assert Decimal(result["metrics"]["net_profit"]) == net
    if not result["open"]:
        assert Decimal(result["equity"][-1]["equity"]) == Decimal(10000) + net
    assert Decimal(result["equity"][0]["equity"]) == 10000


def test_the_same_command_gives_the_same_result_in_a_file(tmp_path: Path, result: Any) -> None:
    command, out = Commands(tmp_path), tmp_path / "out.json"
    path = written(tmp_path, seed=3, days=2)
    shown = command(*PLAYED, "--data", str(path), "--json", str(out))
    assert shown.code == 0, shown.err
    assert "triggers" in shown.out
    assert json.loads(out.read_text()) == result


def test_what_does_not_fit_is_one_clear_line(tmp_path: Path) -> None:
    command, path = Commands(tmp_path), str(written(tmp_path, seed=3, days=2))
    missing = command("replay", "--data", path)
    assert missing.code == 2
    assert "give one --product for each --data" in missing.said()
    tickless = command("replay", "--data", path, "--product", "SLP-20DEC30-CDE")
    assert tickless.code == 78
    assert "--tick" in tickless.said()
    early = command(*PLAYED, "--data", path, "--from", "2031-01-01")
    assert early.code == 2
    assert "is not before" in early.said()
    loose = command("replay", "--timeframes", "1h")
    assert loose.code == 2
    assert "belong to --data" in loose.said()
    late = command(*PLAYED, "--data", path, "--from", "yesterday")
    assert late.code == 2
    assert "'yesterday' is no date" in late.said()


def test_candles_too_coarse_for_a_timeframe_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "coarse.csv"
    rows = [f"{DAY + 1800 * n},100,101,99,100,5" for n in range(10)]
    path.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    assert read_candles(path).interval == 1800
    refused = Commands(tmp_path)(*PLAYED, "--data", str(path))
    assert refused.code == 65
    assert "15m is no whole multiple" in refused.said()
