"""How the panel says no: one exception with a remedy, one answer for it. The status is never 200 (lesson 105)."""

from flask import Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

PROGRAMS = ("/api/", "/content/")
"""Below these paths an answer is for a program, which gets JSON; a person gets a page."""
ENDPOINTS = ("/stream", "/readyz", "/healthz", "/metrics")


class Refused(HTTPException):
    """The panel does not do what it is asked: `reason` says why, with the value, and `remedy` what would be right."""

    def __init__(self, code: int, reason: str, remedy: str = "") -> None:
        super().__init__(description=reason)
        self.code = code
        self.remedy = remedy


def for_a_program() -> bool:
    """Return whether this request was made by a program: it gets JSON."""
    return request.path.startswith(PROGRAMS) or request.path in ENDPOINTS


def problem(code: int, reason: str, remedy: str = "") -> Response:
    """Return the answer that says what is wrong."""
    answer = (
        jsonify({"error": reason, "remedy": remedy})
        if for_a_program()
        else Response(render_template("problem.html", code=code, reason=reason, remedy=remedy), mimetype="text/html")
    )
    answer.status_code = code
    return answer
