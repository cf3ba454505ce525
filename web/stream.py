"""The live stream: `/stream` tells each viewer that something changed; the page then asks for its content."""

from collections.abc import Iterator
from contextlib import ExitStack

from flask import Blueprint, Response, jsonify, request

from web.broadcast import Broadcast

HEARTBEAT = 15.0
"""Seconds between comments on a silent stream, so that no proxy takes it for dead."""

PACE = 1.0
"""Least seconds between two events to one viewer: the prices of a busy feed change more often than anyone can read."""


def blueprint(broadcast: Broadcast) -> Blueprint:
    """Return the route `/stream`."""
    routes = Blueprint("stream", __name__)

    @routes.get("/stream")
    def stream() -> Response | tuple[Response, int, dict[str, str]]:
        with ExitStack() as place:
            if broadcast.closing or not place.enter_context(broadcast.viewer()):
                reason = f"all {broadcast.capacity} live places are taken; the page asks every few seconds instead"
                return jsonify({"error": reason}), 503, {"Retry-After": "30"}
            last_seen = _number(request.headers.get("Last-Event-ID"))
            # The place is given back when the answer is closed, not only when the generator ends: a viewer that goes
            # before the first byte never starts the generator.
            answer = Response(events(broadcast, last_seen), mimetype="text/event-stream")
            answer.headers["X-Accel-Buffering"] = "no"
            answer.call_on_close(place.pop_all().close)
            return answer

    return routes


def events(broadcast: Broadcast, seen: int | None) -> Iterator[str]:
    """Yield server-sent events: one at once if the viewer may have missed something, then one per change."""
    yield "retry: 3000\n\n"
    number = broadcast.number
    if seen != number:
        yield _event(number)
    while not broadcast.closing:
        newest = broadcast.wait(number, HEARTBEAT)
        if broadcast.closing:
            return
        if newest == number:
            yield ": still here\n\n"
            continue
        yield _event(newest)
        number = newest
        # Waiting on an unreachable number is a pause that still ends at once when the process does.
        broadcast.wait(newest + 10**9, PACE)


def _event(number: int) -> str:
    return f"id: {number}\nevent: changed\ndata: {number}\n\n"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
