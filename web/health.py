"""/healthz: this process answers. /readyz: the verdict on the whole system, with its reasons."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db.engine import name_of, reason_of
from web import queries
from web.pages import Arguments, Shown
from web.system import System, system


def _seen(found: System) -> dict[str, Any]:
    """Return what the verdict rests on: the feed and the times of the last signs of life, of the market and of us."""
    daemon: dict[str, Any] = {**found["daemon"]} if found["daemon"] else {}
    pulses = [actor["last_progress"] for actor in found["actors"] if actor["last_progress"] is not None]
    return {
        "feed": daemon.get("feed"),
        "market_time": daemon.get("market_time"),
        "last_bar": found["last_bar"],
        "beat_at": daemon.get("beat_at"),
        "oldest_pulse": min(pulses, default=None),
        "night_audit": found["night_audit"],
    }


def blueprint(engine: Engine, account: str | None, clock: Callable[[], datetime]) -> Blueprint:
    """Return the routes `/healthz` and `/readyz`."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def process() -> Response:
        return jsonify({"ok": True})

    @routes.get("/readyz")
    def verdict() -> tuple[Response, int]:
        try:
            with engine.connect() as connection:
                name = account or queries.account_shown(connection)
                found = system(connection, Shown(name, clock()), Arguments())
                said: dict[str, Any] = {**found["system"], "seen": _seen(found)}
        except DBAPIError as error:
            # The database is one of the reasons, in the same shape as the others.
            reason = f"{name_of(engine.url)}: {reason_of(error)}"
            said = {"verdict": "down", "reasons": [{"level": "down", "text": reason}]}
        return jsonify(said), 503 if said["verdict"] == "down" else 200

    return routes
