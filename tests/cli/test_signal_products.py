"""BIP traded by the signals of BTC-USD: a real daemon on a real websocket, what it records, and what is refused."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from tests.cli.command import Commands
from tests.cli.conftest import settled
from tests.cli.test_start_without_rest import query, wait_for

BIP, BTC, ETP = "BIP-20DEC30-CDE", "BTC-USD", "ETP-20DEC30-CDE"
PAIR = f"exchange.signal_products.{BIP}={BTC}"


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[..., str]
) -> Iterator[Commands]:
    """Return what runs commands with BIP and ETP traded, BIP by BTC-USD, at an exchange of these."""
    market = SyntheticMarket(listed((BIP, ETP, BTC)), time.time_ns(), seed=3)
    options = ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)
    with LocalExchange(market, options) as exchange:
        made = settled(tmp_path_factory.mktemp("atlas"), exchange, new_database())
        with (made.place / "atlas.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[exchange.signal_products]\n"{BIP}" = "{BTC}"\n')
        yield made


def test_lesson_53_signal_and_execution_product_and_the_source_of_prices_are_recorded(commands: Commands) -> None:
    with commands.start("run") as running:
        wait_for(commands, running, f"SELECT 1 FROM setups WHERE symbol = '{BTC}'")
        wait_for(commands, running, "SELECT 1 FROM events WHERE id LIKE 'alert:start:%'")
        ((said,),) = query(commands, "SELECT payload ->> 'text' FROM events WHERE id LIKE 'alert:start:%'")
        wait_for(commands, running, f"SELECT 1 FROM quotes WHERE symbol = '{BIP}'")
        symbols = {symbol for (symbol,) in query(commands, "SELECT DISTINCT symbol FROM setups")}
        assert running.stop() == 0
    assert f"{BIP} by signals of {BTC}, {ETP}; prices of ws://127.0.0.1:" in said
    assert symbols == {BTC, ETP}
    (decider,) = commands.place.rglob("decider.json")
    written = json.loads(decider.read_text())
    assert written["symbols"] == [BIP, ETP, BTC]
    assert written["rules"]["signal_products"] == {BIP: BTC}
    assert sorted(id_ for (id_,) in query(commands, "SELECT id FROM products")) == [BIP, BTC, ETP]


def test_a_scan_shows_the_setups_of_the_product_the_signals_are_from(commands: Commands) -> None:
    symbols = {row["symbol"] for row in commands("scan", "--json", "--timeframes", "15m,1h,4h,1d").json}
    assert symbols == {BTC, ETP}
    named = commands("scan", "--json", "--products", BIP, "--timeframes", "15m,1h,4h,1d").json
    assert {row["symbol"] for row in named} == {BIP}


def test_a_scan_of_no_product_is_refused(commands: Commands) -> None:
    ended = commands("scan", "--products", ",")
    assert (ended.code, ended.said()) == (
        2, "--products ',' names none: write ids with commas between them, e.g. BTC-USD"
    )  # fmt: skip


def test_doctor_looks_at_the_pair(commands: Commands) -> None:
    checks = {check["check"]: check for check in commands("doctor", "--json").json["checks"]}
    assert checks[f"product {BTC}"]["level"] == "ok"
    assert checks[f"signals of {BIP}"]["level"] == "ok"
    assert f"from {BTC}, also of BTC" in checks[f"signals of {BIP}"]["text"]


def test_lesson_53_a_signal_of_another_underlying_is_refused_at_the_start(commands: Commands) -> None:
    wrong = ("--set", f"exchange.products={ETP}", "--set", f"exchange.signal_products.{ETP}={BTC}")
    (commands.place / "wrong.toml").write_text(
        (commands.place / "atlas.toml").read_text().split("[exchange.signal_products]")[0]
    )
    ended = commands("run", "--config", "wrong.toml", *wrong)
    assert ended.code == 78
    assert f"{ETP} is of ETH, {BTC} of BTC" in ended.err.splitlines()[-1]
    checks = {
        check["check"]: check
        for check in commands("doctor", "--json", "--config", "wrong.toml", *wrong).json["checks"]
    }
    assert (checks[f"signals of {ETP}"]["level"], checks[f"signals of {ETP}"]["exit_code"]) == ("error", 78)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (f"exchange.products={ETP}", f"{BIP} is not among exchange.products ['{ETP}']"),
        (f"exchange.signal_products.{BIP}={BIP}", "name another product, or leave the line out"),
        (f"exchange.signal_products.{BIP}={ETP}", f"{ETP} is traded itself: take it out of exchange.products"),
        (f"exchange.signal_products.{ETP}={BTC}", f"{BIP} has its signals from there, and a setup is traded once"),
        ("gates.max_price_age_seconds=0", "`gates.max_price_age_seconds` = 0.0 is wrong: a number above 0"),
        ("exchange.listing_days=0", "`exchange.listing_days` = 0.0 is wrong: a number above 0"),
        ("alerts.stale_price_seconds=0", "`alerts.stale_price_seconds` = 0.0 is wrong: more than 0, e.g. 900"),
        ("exchange.expiry_days=-1", "`exchange.expiry_days` = -1 is wrong: 0 or more"),
    ],
)
def test_pairs_that_make_no_sense_are_configuration_errors(commands: Commands, sets: str, said: str) -> None:
    ended = commands("config", "show", "--set", sets)
    assert ended.code == 78
    assert said in ended.said()
