"""The application: configuration, blueprints, error pages and the headers every answer carries."""

import logging
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]  # flask-wtf carries no types
from jinja2 import StrictUndefined
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from atlas import __version__
from db.engine import connect, name_of, reason_of
from web import access, control, formats, health, metrics, pages, stream
from web.broadcast import Broadcast, follow_database
from web.keys import Keys
from web.limits import limits
from web.panel import PAGES
from web.problems import Refused, problem
from web.shared import Shared

logger = logging.getLogger(__name__)

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

STATEMENT_TIMEOUT = 5.0
"""Seconds a query may run: a page that hangs says less than a 503."""

_OTHER_SCHEMA = ("42P01", "42703")
"""SQLSTATE of a table and of a column that is not there."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: over https the check of a form's origin reads it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PanelConfig(msgspec.Struct, frozen=True):
    """What the panel needs to know.

    `database_url` is a SQLAlchemy URL. `account` None shows the account whose daemon beat last. `clock` returns aware
    UTC wall time, `keys` the password and tokens as they are now. `names` are those it answers to beside loopback's
    and plain addresses: others are refused, so that a page of another site cannot reach the panel by pointing its own
    name at this machine. `proxied`: a proxy in front carries it by https. `viewers` caps the live streams, each of
    which holds a thread. `logs` is the folder of the daemons' logs.
    """

    database_url: str
    clock: Callable[[], datetime]
    keys: Callable[[], Keys]
    account: str | None = None
    names: tuple[str, ...] = ()
    proxied: bool = False
    viewers: int = 16
    logs: Path | None = None


def create_app(config: PanelConfig) -> Flask:
    """Return the panel's application. Connects when first asked, so that it starts also while the database is down."""
    app = Flask(__name__)
    # A key no section has is an error with its name, never an empty cell or $0.00 (lesson 107).
    app.jinja_options = {"undefined": StrictUndefined}
    # A page takes one core at most: the daemon needs the other.
    engine = connect(config.database_url, pool_size=8, statement_timeout=STATEMENT_TIMEOUT, one_core=True)
    # One page is one snapshot: account, positions and trades of the same instant.
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    broadcast = Broadcast(config.viewers, lambda heard, closing: follow_database(engine, heard, closing))
    app.before_request(lambda: _check_host(config.names))
    app.after_request(_add_headers)
    limiter = limits(app)
    access.protect(app, config.keys, limiter, proxied=config.proxied)
    formats.register(app)
    shared = Shared(lambda: broadcast.change)
    app.register_blueprint(pages.blueprint(PAGES, reading, config.account, config.clock, shared, config.logs))
    app.register_blueprint(control.blueprint(engine, config.account, config.clock, limiter))
    app.register_blueprint(stream.blueprint(broadcast))
    app.register_blueprint(health.blueprint(reading, config.account, config.clock))
    app.register_blueprint(metrics.blueprint(reading, config.account, config.clock))
    app.extensions["broadcast"] = broadcast
    app.extensions["engine"] = engine
    app.context_processor(lambda: {"version": __version__})
    app.register_error_handler(DBAPIError, lambda error: _database_failed(error, name_of(config.database_url)))
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _failed)
    return app


def _check_host(names: tuple[str, ...]) -> None:
    # Not Flask's TRUSTED_HOSTS: it takes the first colon of an IPv6 address for the port's.
    try:
        asked = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        asked = request.host
    if asked not in (*LOOPBACK_HOSTS, *names) and not _is_address(asked):
        said = ", ".join((*LOOPBACK_HOSTS, *names))
        remedy = "A public name has to be among `web.names` of the settings."
        raise Refused(400, f"This panel does not answer to the name {asked!r}, only to {said}.", remedy)


def _is_address(host: str) -> bool:
    """Whether it is an address and no name: nobody can point an address somewhere else."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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


def _refused(error: HTTPException) -> AnyResponse:
    if error.code is not None and error.code < 400:  # a redirect, e.g. of a path without its slash
        return error.get_response()
    match error:
        case CSRFError():
            return problem(400, f"The form was not taken: {error.description}", "Load the page again and repeat it.")
        case TooManyRequests():
            return problem(429, f"Too many requests: {error.description} are the limit.", "Wait a minute.")
        case _:
            return problem(error.code or 500, error.description or error.name, getattr(error, "remedy", ""))


def _failed(error: Exception) -> Response:
    logger.exception("%s failed", request.path)
    return problem(500, f"The panel failed: {type(error).__name__}.", "The panel's log has the whole story.")
