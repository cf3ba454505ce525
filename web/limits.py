"""How often a client may ask. Counted in memory: the panel is one process."""

from flask import Flask, request
from flask_limiter import ApplicationLimit, Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user  # type: ignore[import-untyped]  # flask-login carries no types

LOGIN = "5 per minute"
COMMANDS = "10 per minute"
API = "120 per minute"

Limits = Limiter


def limits(app: Flask) -> Limits:
    """Return the app's limiter. The API is limited for whoever has not logged in: programs, each by its address."""
    return Limiter(
        get_remote_address,
        app=app,
        storage_uri="memory://",
        strategy="moving-window",
        headers_enabled=True,
        application_limits=[ApplicationLimit(API, exempt_when=_not_a_program)],
    )


def _not_a_program() -> bool:
    return not request.path.startswith("/api/") or bool(current_user.is_authenticated)
