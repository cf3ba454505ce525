"""What fuzzing has found, each as the smallest input that did it: refused now, with an error of our own."""

import os
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from atlas.config import load
from atlas.errors import ConfigurationError, CredentialError, DataError, ExchangeError, UnknownProduct
from atlas.exchange.listing_reader import read_product
from atlas.exchange.rest import Rest
from atlas.exchange.times import parse_time, parse_unix
from atlas.exchange.wire import decode_frame
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
