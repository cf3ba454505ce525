"""Local exchanges and clients for the tests, each on ports of its own."""

from collections.abc import Iterator

import pytest

from tests.exchange.local.scene import Connect, Open, clients, exchanges


@pytest.fixture
def open_exchange() -> Iterator[Open]:
    yield from exchanges()


@pytest.fixture
def connect() -> Iterator[Connect]:
    yield from clients()
