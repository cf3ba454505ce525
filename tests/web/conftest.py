"""The panel over a daemon's database of its own, as a test client and as a site."""

from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.web.scene import NOW, Daemon, busy_day, dispose, make_panel, served


@pytest.fixture
def daemon(database_url: str) -> Iterator[Daemon]:
    """Return the writer of account `paper`, not yet opened."""
    writer = Daemon(database_url)
    yield writer
    writer.close()


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    """Return the panel over this test's database, at noon of 1 July 2026."""
    panel = make_panel(database_url)
    yield panel
    dispose(panel)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a test client of the panel."""
    return app.test_client()


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """Return the URL of the panel served over loopback."""
    with served(app) as url:
        yield url


@pytest.fixture
def busy(daemon: Daemon) -> Daemon:
    """Return a daemon in the middle of a day."""
    busy_day(daemon)
    return daemon


@pytest.fixture
def still() -> Iterator[None]:
    """Let wall time stand still: a slow machine must not let a minute of limits pass."""
    with time_machine.travel(NOW, tick=False):
        yield
