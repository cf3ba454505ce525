"""Who may come in: one owner with a password, programs with a read-only token, and nobody else.

Open to all are `/healthz`, the login and the static files. `/readyz` and `/metrics` answer also this machine's own
programs: a request from loopback that no proxy passed on. While no password is set nothing else is shown at all.
"""

import hashlib
import ipaddress
import logging
from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask_login import (  # type: ignore[import-untyped]  # flask-login carries no types
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]  # nor does flask-wtf
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from web.keys import Keys
from web.limits import LOGIN, Limits
from web.problems import for_a_program, problem

logger = logging.getLogger(__name__)

SESSION_DAYS = 30
OPEN = frozenset({"static", "health.process", "access.login"})
FOR_THIS_MACHINE = frozenset({"health.verdict", "metrics.metrics"})
PASSED_ON = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Headers by which a proxy is known."""


class Owner(UserMixin):  # type: ignore[misc]  # flask-login carries no types
    """The one who may do everything; a session knows them by the password it was opened with."""

    def __init__(self, fingerprint: str) -> None:
        self.id = fingerprint


def protect(app: Flask, keys: Callable[[], Keys], limits: Limits, *, proxied: bool) -> None:
    """Put the guard before every request, and the routes `/login` and `/logout` beside it.

    `proxied`: one proxy in front tells the client's address and scheme, and everybody comes by https.
    """
    secret = keys().session
    app.config.update(
        SECRET_KEY=secret,
        # A name of its own for each panel: browsers do not keep the cookies of two ports apart.
        SESSION_COOKIE_NAME=f"atlas_{hashlib.sha256(secret.encode()).hexdigest()[:8]}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=proxied,
        PERMANENT_SESSION_LIFETIME=timedelta(days=SESSION_DAYS),
        WTF_CSRF_TIME_LIMIT=None,  # a page may stay open over night; the session ends it
    )
    if proxied:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]  # as Flask documents
    manager = LoginManager(app)
    manager.session_protection = None  # phones change their address all the time

    @manager.user_loader  # type: ignore[untyped-decorator]  # flask-login carries no types
    def owner(fingerprint: str) -> Owner | None:
        known = keys()
        return Owner(fingerprint) if known.password and fingerprint == known.fingerprint else None

    app.before_request(lambda: _guard(keys()))
    CSRFProtect(app)
    app.register_blueprint(_routes(keys, limits))


def _guard(keys: Keys) -> AnyResponse | None:
    """Let a request through, or answer in its place."""
    if request.endpoint in OPEN or (request.endpoint in FOR_THIS_MACHINE and from_this_machine()):
        return None
    if not keys.password:
        remedy = "Set one on the machine ATLAS runs on: `atlas web set-password`. Then load this page again."
        return problem(403, "The panel has no password yet, so it shows nothing.", remedy)
    if current_user.is_authenticated or (_for_readers() and keys.reader(bearer()) is not None):
        return None
    if for_a_program() or request.method != "GET":
        answer = problem(401, "Nobody is logged in.", "Log in, or send `Authorization: Bearer TOKEN` to read the API.")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="ATLAS"'
        return answer
    asked = request.full_path.rstrip("?")
    return redirect(url_for("access.login", next=asked) if asked != "/" else url_for("access.login"))


def _for_readers() -> bool:
    """Whether a token is enough: for what only reads and is made for programs."""
    reads = request.method in ("GET", "HEAD", "OPTIONS")
    return reads and (request.path.startswith("/api/") or request.endpoint in FOR_THIS_MACHINE)


def bearer() -> str:
    """Return the token this request carries, empty if none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def from_this_machine() -> bool:
    """Return whether a program of this machine asks, and not a proxy for somebody else."""
    try:
        near = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
    return near and not any(name in request.headers for name in PASSED_ON)


def _routes(keys: Callable[[], Keys], limits: Limits) -> Blueprint:
    routes = Blueprint("access", __name__)

    @limits.limit(LOGIN, methods=["POST"])
    def login() -> AnyResponse | str | tuple[str, int]:
        goal = _local(request.args.get("next", "/"))
        if current_user.is_authenticated:
            return redirect(goal)
        if not keys().password:
            return redirect("/")
        if request.method == "GET":
            return render_template("login.html", wrong=False)
        if not keys().opens(request.form.get("password", "")):
            logger.warning("a wrong password from %s", request.remote_addr)
            return render_template("login.html", wrong=True), 403
        session.clear()  # nothing of before the login lives on
        session.permanent = True
        login_user(Owner(keys().fingerprint))
        logger.info("login from %s", request.remote_addr)
        return redirect(goal)

    def logout() -> AnyResponse:
        logout_user()
        session.clear()
        return redirect(url_for("access.login"))

    routes.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    routes.add_url_rule("/logout", "logout", logout, methods=["POST"])
    return routes


def _local(goal: str) -> str:
    """Return a path of this panel: a login leads nowhere else."""
    return goal if goal.startswith("/") and not goal.startswith(("//", "/\\")) and goal.isprintable() else "/"
