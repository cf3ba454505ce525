"""The panel over a daemon's database of its own, as a test client and as a site."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import ThreadedWSGIServer, make_server

from tests.web.scene import Daemon, dispose, make_panel


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
    """Return the URL of the panel served over loopback by a threaded server."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    assert isinstance(server, ThreadedWSGIServer)
    server.daemon_threads = True  # a live stream must not keep the test run from ending
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    app.extensions["broadcast"].close()
    server.shutdown()
    server.server_close()
    thread.join()
