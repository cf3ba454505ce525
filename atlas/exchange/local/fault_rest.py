"""What faults make of a request over REST."""

from http import HTTPStatus

from atlas.exchange.local.fault import Fault
from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.rest_routes import Answer

REST_KINDS = ("rest_timeout", "rest_reset", "rest_error", "rest_nonsense")
TOO_MANY = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Web server is down</h1></body></html>\n"
"""As the exchange's front (Cloudflare) answers when what is behind it does not."""


def rest_fault(play: FaultPlay, path: str, *kinds: str) -> Fault | None:
    """Return the fault that answers a request for this path, counting it; None if there is none."""
    for kind in kinds or REST_KINDS:
        struck = play.take(kind, lambda fault: path.endswith(fault.path))
        if struck is not None:
            return struck.fault
    return None


def faulty_answer(fault: Fault) -> Answer:
    """Return what a fault of kind rest_error or rest_nonsense answers."""
    if fault.kind == "rest_nonsense":
        return Answer(HTTPStatus.OK, {"html": HTML, "empty": "", "json": ["no object"]}[fault.body])
    status = fault.status or HTTPStatus.SERVICE_UNAVAILABLE
    if fault.body != "json":
        return Answer(status, HTML if fault.body == "html" else "")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Answer(status, TOO_MANY)
    return Answer(status, {"error": "INTERNAL", "error_details": "", "message": ""})
