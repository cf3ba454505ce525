"""What fuzzing has found, each as the smallest input that did it: refused now, with an error of our own."""

import os
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pyarrow
import pytest
from pyarrow import parquet

from atlas.backtest.sweep.grid import read_grid
from atlas.config import load
from atlas.data.column_files import check_columns, open_columns, write_columns
from atlas.data.past_file import read_past
from atlas.errors import ConfigurationError, CredentialError, DataError, ExchangeError, UnknownProduct
from atlas.exchange.listing_reader import read_product
from atlas.exchange.rest import Rest
from atlas.exchange.times import parse_time, parse_unix
from atlas.exchange.wire import decode_frame
from atlas.market.candle_file import CandleFile
from atlas.market.funding_file import read_funding
from db.engine import resolve_url
from tests.fakes.rest_server import Reply, RestServer

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LEVEL = '{"side":"bid","price_level":"1","new_quantity":"%s"}'
BOOK = '{"channel":"l2_data","timestamp":"2026-03-04T12:00:00Z","sequence_num":1,"events":[{"type":"update",'
CANDLE = '{"candles":[{"start":"1772625600","low":"1","high":"1","open":"1","close":"1","volume":"%s"}]}'


def test_a_signalling_nan_is_no_size() -> None:
    frame = f'{BOOK}"product_id":"BTC-USD","updates":[{LEVEL % "sNaN"}]}}]}}'
    with pytest.raises(DataError, match="new_quantity is sNaN: a positive number was expected"):
        decode_frame(frame)


@pytest.mark.parametrize("kind", [["FUTURE"], {"value": "FUTURE"}, None, 7])
def test_a_product_whose_type_is_no_text_is_refused(kind: object) -> None:
    with pytest.raises(UnknownProduct, match="the exchange lists BTC-USD with product_type = "):
        read_product({"product_id": "BTC-USD", "product_type": kind})


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31 00:00:00 +0000 UTC"])
def test_a_time_at_the_end_of_the_calendar_is_refused(text: str) -> None:
    """Believed by the feed's clock, one would have broken every later comparison with it."""
    with pytest.raises(DataError, match="is not one of markets"):
        parse_time(text)


def test_unix_seconds_beyond_all_markets_are_refused() -> None:
    with pytest.raises(DataError, match="the year 9999 is not one of markets"):
        parse_unix(253_402_300_000)


@pytest.mark.parametrize(
    "volume", ['\\ud800", "x": "', '1"}], "pad": ' + "9" * 5000 + ', "x": [{"y": "', '", "x": ' + "[" * 100_000],
    ids=["half a character", "a number of 5000 digits", "brackets without end"],
)  # fmt: skip
def test_json_that_python_cannot_hold_is_no_json(volume: str) -> None:
    reply = Reply(200, (CANDLE % volume).encode(), {"Content-Type": "application/json"})
    with RestServer(lambda request: reply) as server:
        rest = Rest(server.url, rate=1000, wait=lambda seconds: None)
        try:
            with pytest.raises(ExchangeError, match="with what is not JSON"):
                rest.candles("BTC-USD", "1h", NOON, NOON)
        finally:
            rest.close()


def test_a_setting_nested_without_end_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "atlas.toml").write_text(f"[web]\n{'.'.join(['port'] * 5000)} = 1\n")
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        load(tmp_path / "atlas.toml")


def test_a_file_with_a_number_of_5000_digits_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "atlas.toml").write_text(f"[web]\nport = {'9' * 5000}\n")
    with pytest.raises(ConfigurationError, match="is not valid TOML"):
        load(tmp_path / "atlas.toml")


def test_brackets_without_end_in_the_environment_are_a_text_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "atlas.toml").write_text("")
    with patch.dict(os.environ, {"ATLAS_STRAT__CONTINUITY": "[" * 100_000}), pytest.raises(
        ConfigurationError, match=r"the environment: `strat.continuity` = "
    ):
        load(tmp_path / "atlas.toml")


def test_a_credential_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "atlas.toml").write_text("")
    (tmp_path / "DATABASE_URL").write_bytes(b"postgres\xc4\xfd")
    with patch.dict(os.environ, {"CREDENTIALS_DIRECTORY": str(tmp_path), "DATABASE_URL": ""}), pytest.raises(
        CredentialError, match=r"the credential .*DATABASE_URL is no text"
    ):
        load(tmp_path / "atlas.toml")


def test_a_database_url_whose_port_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the database URL cannot be read"):
        resolve_url("postgresql://a:b:c/name", {})


# ── files of the past ───────────────────────────────────────────────────────────────────────────────────────────────

CSV = "time,open,high,low,close,volume\n1704067200,1,2,1,2,3\n1704067260,1,2,1,2,3\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CSV.replace("1704067260", "1704067260000"), "line 3: time 1704067260000 lies after the year 2099: write unix"),
        (CSV.replace("1,2,1,2,3", "99999999999,99999999999,0.00000001,1,3", 1), "open 99999999999 has too many digits"),
        ("time,price,size,side\n1704067260000,1,2,buy\n", "line 2: time 1704067260000 lies after the year 2099"),
        ("time,price,size,side\n17040672600000000,1,2,buy\n", "line 2: time 17040672600000000 lies after"),
    ],
    ids=["milliseconds", "prices that no 64 bits hold together", "milliseconds of trades", "microseconds of trades"],
)  # fmt: skip
def test_a_number_that_is_right_only_by_itself_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_past(tmp_path / "a.csv")


def test_a_rate_that_cannot_even_be_rounded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,rate\n1704067200,1E+999999999\n")
    with pytest.raises(DataError, match=r"line 2: rate '1E\+999999999' is no share of notional"):
        read_funding(tmp_path / "a.csv")


def test_a_column_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({name: [1, 2] for name in CSV.split("\n")[0].split(",")}), path)
    path.write_bytes(path.read_bytes().replace(b"close", b"clo\xf3e"))
    with pytest.raises(DataError, match="cannot be read"):
        read_past(path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("candles.json", b'"fuzz"', b'"f\xf3zz"'),
        ("candles.json", b'"interval": 60', b'"interval": 60000000000000000'),
        ("candles.json", b'"scale": 0', b'"scale": -1'),
        ("volume.npy", b"'shape': (2,)", b"'shape': (2, "),
        ("time.npy", (1704067260).to_bytes(8, "little"), (1 << 50).to_bytes(8, "little")),
        ("candles.json", b'"high"', b'"high\\u0000"'),
    ],
    ids=["no text", "steps without end", "less than no decimals", "a header without end", "no time", "another column"],
)  # fmt: skip
def test_columns_damaged_anywhere_are_refused(tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    file = read_past(tmp_path / "a.csv")
    assert isinstance(file, CandleFile)
    write_columns(file, tmp_path / "a", "fuzz")
    path = tmp_path / "a" / name
    assert path.read_bytes().count(old) == 1
    path.write_bytes(path.read_bytes().replace(old, new))

    def opened() -> None:
        open_columns(tmp_path / "a")
        check_columns(tmp_path / "a")

    with pytest.raises(DataError, match=name):
        opened()


@pytest.mark.parametrize(
    ("days", "said"), [("3650000", r"train_days = 3650000: give 1 to 36500"), ("9" * 5000, "docs/sweep.md tells")]
)
def test_windows_longer_than_the_calendar_are_refused(tmp_path: Path, days: str, said: str) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(f'data = ["a"]\nproducts = ["b"]\n[grid]\n[walk_forward]\ntrain_days = {days}\ntest_days = 30\n')
    with pytest.raises(ConfigurationError, match=said):
        read_grid(path)
