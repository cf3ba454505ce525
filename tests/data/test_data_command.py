"""`atlas data` as somebody types it: import, list, verify, download, and a replay over what was kept."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from tests.cli.command import Commands
from tests.data.candle_csv import START, minutes, write_csv

NOW = datetime(2029, 3, 6, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalExchange]:
    market = SyntheticMarket(listed(["BTC-USD"]), int(NOW.timestamp()) * 1_000_000_000, seed=3)
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, rest_limit=1000, hold=True)) as exchange:
        yield exchange


def test_imported_file_is_listed_verified_and_found_damaged(tmp_path: Path) -> None:
    atlas = Commands(tmp_path)
    write_csv(tmp_path / "venue_BTC-USD_1m.csv.gz", minutes(30))
    imported = atlas("data", "import", "venue_BTC-USD_1m.csv.gz", "--name", "btc", "--json")
    assert imported.code == 0, imported.err
    assert imported.json[0]["rows"] == 30
    listed = atlas("data", "list", "--json").json
    assert [(each["name"], each["symbol"], each["rows"], each["step"]) for each in listed] == [
        ("btc", "BTC-USD", 30, 60)
    ]
    assert atlas("data", "verify", "btc", "--json").json[0]["counts"] == {}
    high = tmp_path / "candles" / "btc" / "high.npy"
    high.write_bytes(high.read_bytes()[:-1] + b"\x01")
    damaged = atlas("data", "verify", "btc")
    assert damaged.code == 65
    assert "high.npy has changed since it was written" in damaged.said()


def test_file_no_replay_may_be_fed_with_is_told_row_by_row_and_not_kept(tmp_path: Path) -> None:
    atlas = Commands(tmp_path)
    rows = [*minutes(3), f"{START + 180},100,98,99,98.5,1", f"{START + 180},100,101,99,100,1"]
    write_csv(tmp_path / "bad.csv", rows)
    refused = atlas("data", "import", "bad.csv")
    assert refused.code == 65
    assert "bad.csv, line 5 at 2026-01-01 00:03:00: 98 as high is below the low" in refused.out
    assert "bad.csv, line 6 at 2026-01-01 00:03:00: 1767225780 is a duplicate of the row before" in refused.out
    assert "line 6" in refused.said()
    assert "(and 1 more; `atlas data verify` lists them)" in refused.said()
    assert not (tmp_path / "candles" / "bad").exists()


def test_candles_come_from_the_exchange_and_play_by_their_name(tmp_path: Path, local: LocalExchange) -> None:
    atlas = Commands(tmp_path, ATLAS_EXCHANGE__REST_URL=local.rest_url, ATLAS_EXCHANGE__REST_PER_SECOND="500")
    got = atlas("data", "download", "BTC-USD", "--from", "2029-03-05", "--name", "days", "--json")
    assert got.code == 0, got.err
    told = got.json
    assert (told["name"], told["step"], told["to"]) == ("days", 60, "2029-03-06T12:30:00Z")
    assert sorted(path.name for path in (tmp_path / "candles").iterdir()) == ["days"]
    again = atlas("data", "download", "BTC-USD", "--from", "2029-03-05", "--name", "days")
    assert again.code == 2
    assert "days is in" in again.said()
    played = atlas("replay", "--data", "days", "--product", "BTC-USD", "--timeframes", "1h", "--json")
    assert played.code == 0, played.err
    assert json.loads(played.out)["settings"]["strat"]["timeframes"] == ["1h"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("import", "a.csv", "b.csv", "--name", "x"), "--name belongs to one file"),
        (("import", "a.csv", "--name", "../x"), "--name ../x: use letters, digits"),
        (("import", "a.csv", "--jump", "5%"), "--jump 5%: write a share above 0"),
        (("download", "BTC-USD", "--from", "soon"), "--from 'soon' is no date"),
    ],
)
def test_wrong_command_line_is_one_line(tmp_path: Path, argv: tuple[str, ...], said: str) -> None:
    write_csv(tmp_path / "a.csv", minutes(2))
    write_csv(tmp_path / "b.csv", minutes(2))
    refused = Commands(tmp_path)("data", *argv)
    assert refused.code == 2
    assert said in refused.err.splitlines()[-1]
