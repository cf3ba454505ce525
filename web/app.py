"""The application: configuration, blueprints, error pages and the headers every answer carries."""

import logging
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec
from flask import Flask, Response, abort, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from atlas import __version__
from db.engine import connect, name_of, reason_of
from web import formats, health, pages, stream
from web.broadcast import Broadcast, follow_database
from web.panel import PAGES
from web.problems import problem

logger = logging.getLogger(__name__)

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

STATEMENT_TIMEOUT = 5.0
"""Seconds a query may run: a page that hangs says less than a 503."""

_OTHER_SCHEMA = ("42P01", "42703")
"""SQLSTATE of a table and of a column that is not there."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PanelConfig(msgspec.Struct, frozen=True):
    """What the panel needs to know.

    `database_url` is a SQLAlchemy URL. `account` None shows the account whose daemon beat last. `clock` returns aware
    UTC wall time. `hosts` are the names it answers to: others are refused, so that a page of another site cannot read
    the panel by pointing its own name at this machine. `viewers` caps the live streams, each of which holds a thread.
    """

    database_url: str
    clock: Callable[[], datetime]
    account: str | None = None
    hosts: tuple[str, ...] = LOOPBACK_HOSTS
    viewers: int = 16


def create_app(config: PanelConfig) -> Flask:
    """Return the panel's application. Connects when first asked, so that it starts also while the database is down."""
    app = Flask(__name__)
    engine = connect(config.database_url, pool_size=8, statement_timeout=STATEMENT_TIMEOUT)
    # One page is one snapshot: account, positions and trades of the same instant.
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    broadcast = Broadcast(config.viewers, lambda heard, closing: follow_database(engine, heard, closing))
    formats.register(app)
    app.register_blueprint(pages.blueprint(PAGES, reading, config.account, config.clock))
    app.register_blueprint(stream.blueprint(broadcast))
    app.register_blueprint(health.blueprint(reading, config.account, config.clock))
    app.extensions["broadcast"] = broadcast
    app.extensions["engine"] = engine
    app.context_processor(lambda: {"version": __version__})
    app.before_request(lambda: _check_host(config.hosts))
    app.after_request(_add_headers)
    app.register_error_handler(DBAPIError, lambda error: _database_failed(error, name_of(config.database_url)))
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _failed)
    return app


def _check_host(hosts: tuple[str, ...]) -> None:
    # Not Flask's TRUSTED_HOSTS: it takes the first colon of an IPv6 address for the port's.
    asked = urlsplit(f"//{request.host}").hostname
    if asked not in hosts:
        abort(400, f"This panel does not answer to the name {asked!r}, only to {', '.join(hosts)}.")


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _database_failed(error: DBAPIError, database: str) -> Response:
    said = reason_of(error)
    logger.warning("%s: %s: %s", request.path, database, said)
    state = getattr(error.orig, "sqlstate", None)
    remedy = "Run `atlas db upgrade`." if state in _OTHER_SCHEMA else "The page tries again by itself."
    return problem(503, f"{database}: {said}", remedy)


def _refused(error: HTTPException) -> Response:
    return problem(error.code or 500, error.description or error.name, getattr(error, "remedy", ""))


def _failed(error: Exception) -> Response:
    logger.exception("%s failed", request.path)
    reason = f"The panel failed: {type(error).__name__}: {error}"
    return problem(500, reason, "The panel's log has the whole story.")
