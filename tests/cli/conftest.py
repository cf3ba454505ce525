"""One exchange, one database and places for the commands to run in."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.embedded import EmbeddedServer
from tests.cli.command import Commands

PRODUCTS = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def live_exchange() -> Iterator[LocalExchange]:
    """Return a local exchange whose market goes on at the wall's own pace, as Coinbase's does."""
    market = SyntheticMarket(listed(PRODUCTS), time.time_ns(), seed=3)
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, rest_limit=500, rest_burst=500)) as exchange:
        yield exchange


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[Callable[..., str]]:
    """Return a function that makes a database, migrated unless `template` is None, and returns its URL."""
    made: list[str] = []

    def make(template: str | None = migrated_template) -> str:
        name = f"cli_{worker}_{next(_numbers)}"
        postgres.create_database(name, template=template)
        made.append(name)
        return postgres.url(name)

    yield make
    for name in made:
        postgres.drop_database(name)


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> Commands:
    """Return what runs commands with an atlas.toml of two products and a migrated, empty database."""
    return settled(tmp_path_factory.mktemp("atlas"), live_exchange, new_database())


def settled(place: Path, exchange: LocalExchange, database_url: str) -> Commands:
    """Write the configuration of a place; return what runs commands there."""
    products = ", ".join(f'"{product}"' for product in PRODUCTS)
    (place / "atlas.toml").write_text(
        f"""
        [exchange]
        ws_url = "{exchange.ws_url}"
        rest_url = "{exchange.rest_url}"
        products = [{products}]
        rest_per_second = 100

        [feed]  # A machine busy with other tests is no fault of the feed's.
        silence_seconds = 60
        heartbeat_seconds = 60
        max_drift_seconds = 60
        """,
        encoding="utf-8",
    )
    return Commands(place, ATLAS_DATABASE_URL=database_url)
