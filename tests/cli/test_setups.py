"""`atlas setups FILE` as somebody types it, and the listing it prints."""

from decimal import Decimal
from pathlib import Path

import pytest

from atlas.cli.setups import setups_of
from atlas.market.candle_bars import read_bars
from atlas.rules import StratRules
from tests.cli.command import Commands, Ended

START = 1767225600  # 2026-01-01 00:00 UTC
HOURS = [
    (100, 105, 95, 102),
    (102, 108, 97, 107),  # 2U
    (107, 107.5, 98, 100),  # 1: a 2-1
    (100, 109, 96, 97),  # 3
    (97, 100, 95.5, 99),  # 2D: a 3-2-2
]


def written(place: Path, hours: int = 5, minutes: int = 0, name: str = "XBT-USD.hours.csv") -> Path:
    """Write the first `hours` as quarters of an hour that add up to them, then `minutes` of an hour far beyond."""
    lines = ["time,open,high,low,close,volume"]
    for hour, (opened, high, low, close) in enumerate(HOURS[:hours]):
        quarters = [
            (opened,) * 4,
            (opened, high, opened, high),
            (high, high, low, low),
            (low, max(low, close), low, close),
        ]
        lines += [
            ",".join(map(str, (START + hour * 3600 + quarter * 900, *prices, 1)))
            for quarter, prices in enumerate(quarters)
        ]
    lines += [f"{START + hours * 3600 + minute * 60},99,500,1,99,1" for minute in range(0, minutes, 15)]
    path = place / name
    path.write_text("\n".join(lines) + "\n")
    return path


def setups(path: Path, *argv: str) -> Ended:
    return Commands(path.parent)("setups", str(path), "--timeframe", "1h", *argv)


def test_the_setups_of_the_last_closed_bar_whatever_the_forming_one_has_done(tmp_path: Path) -> None:
    expected = {
        "id": "XBT-USD:1h:20260101T0400Z:3-2D-?:long",
        "timeframe": "1h",
        "setup": "3-2D-?",
        "side": "long",
        "setup_time": "2026-01-01T04:00:00Z",
        "valid_from": "2026-01-01T05:00:00Z",
        "valid_until": "2026-01-01T06:00:00Z",
        "trigger": "100",
        "stop": "95.5",
        "target": "109",
        "measured": False,
        "family": "3-2-2",
    }
    (listed,) = setups(written(tmp_path), "--json").json
    assert listed == expected
    assert list(listed) == list(expected), "the order of the fields"
    assert setups(written(tmp_path, minutes=45), "--json").json == [expected]


def test_all_lists_every_bar_by_setup_time_long_first(tmp_path: Path) -> None:
    listed = setups(written(tmp_path), "--all", "--json").json
    assert [(one["setup_time"][11:13], one["setup"], one["side"]) for one in listed] == [
        ("02", "2U-1-?", "long"),
        ("02", "2U-1-?", "short"),
        ("03", "3-?", "long"),
        ("03", "3-?", "short"),
        ("04", "3-2D-?", "long"),
    ]
    assert [(one["trigger"], one["stop"], one["target"]) for one in listed[2:4]] == [
        ("109", "96", "110.635"),
        ("96", "109", "94.56"),
    ]


def test_the_stop_is_structure_unless_asked(tmp_path: Path) -> None:
    path = written(tmp_path, hours=3)
    assert [one["stop"] for one in setups(path, "--json").json] == ["97", "108"]
    assert [one["stop"] for one in setups(path, "--stop", "setup_bar", "--json").json] == ["98", "107.5"]


def test_the_symbol_is_the_files_name_up_to_its_first_dot_or_the_one_given(tmp_path: Path) -> None:
    path = written(tmp_path, name="BIP-20DEC30-CDE.15m.2026.csv")
    assert read_bars(path, "1h").symbol == "BIP-20DEC30-CDE"
    (listed,) = setups(path, "--json", "--symbol", "X").json
    assert listed["id"].startswith("X:1h:")


def test_the_table_says_the_same(tmp_path: Path) -> None:
    lines = setups(written(tmp_path, hours=3)).out.splitlines()
    assert lines[0].split()[:7] == ["setup", "bar", "setup", "side", "trigger", "stop", "target"]
    assert [line.split()[2:7] for line in lines[1:]] == [
        ["2U-1-?", "long", "107.5", "97", "108"],
        ["2U-1-?", "short", "98", "108", "97"],
    ]


def test_no_setup_is_an_empty_list(tmp_path: Path) -> None:
    path = written(tmp_path, hours=1)
    assert setups(path, "--json").json == []
    assert setups(path).said() == "no setup to show"


def test_a_wrong_stop_is_refused(tmp_path: Path) -> None:
    refused = setups(written(tmp_path), "--stop", "close")
    assert (refused.code, "'close' is not one of 'structure', 'setup_bar'" in refused.said()) == (2, True)


@pytest.mark.shared
def test_a_year_of_real_hours_every_side_has_stop_trigger_target_and_an_id_of_its_own(shared: Path) -> None:
    bars = read_bars(shared / "data" / "ohlcv" / "coinbase_BTC-USD_1h_2024-2026.csv.gz")
    found = setups_of(bars, StratRules(), every=True)
    assert len({one.id for one in found}) == len(found) > len(bars.closed)
    for one in found:
        sign = Decimal(1 if one.side == "long" else -1)
        assert sign * one.stop < sign * one.trigger < sign * one.target
    assert [one for one in found if one.setup_time == bars.closed[-1].open_time] == setups_of(
        bars, StratRules(), every=False
    )
