"""What a page is, and the routes made of one: the page, its content alone, its JSON, and its table as CSV.

One function makes what a page shows and what `/api/v1/NAME` answers, so that the two cannot differ. Values: money,
prices, shares (0.02 = 2 %) and R are Decimals as strings, times ISO 8601 UTC with a Z, durations seconds; what cannot
be known is null, never 0 (`web.values`). Templates write them by the filters of `web.formats`.

A page that is live needs nothing of its own: `static/panel.js` asks for its content anew at each change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_origin

import msgspec
from flask import Blueprint, Response, jsonify, render_template, request, url_for
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection, Engine

from web import queries
from web.openapi import Document
from web.problems import Refused
from web.shared import Shared
from web.table import as_csv

Section = Mapping[str, Any]


class Shown(msgspec.Struct, frozen=True):
    """Whom and when a page shows: the account, None while there is none, and the aware UTC time of the answer.

    `logs` is the folder of the daemons' logs, if it is known.
    """

    account: str | None
    now: datetime
    logs: Path | None = None


class Arguments(BaseModel):
    """What may stand in a page's query string and path: nothing. Pages that take something inherit and add fields.

    Every field has strict bounds; a tuple field may be given several times.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(msgspec.Struct, frozen=True):
    """One page. `name` names its template and its API, `path` may hold a parameter: `/trades/<id>`.

    `section` raises `Refused` for what is not there. `answer` is the TypedDict its section is described by in OpenAPI.
    `scripts` and `styles` are files of `static`. `table` gives the rows of `PATH.csv`, the head first. `of_session`:
    its content holds something of one session, a form's token, so that no two viewers may share it.
    """

    name: str
    title: str
    path: str
    section: Callable[[Connection, Shown, Any], Section]
    answer: type
    arguments: type[Arguments] = Arguments
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    in_menu: bool = True
    of_session: bool = False
    table: Callable[[Connection, Shown, Any], Iterable[Sequence[str | None]]] | None = None

    @property
    def parameters(self) -> str:
        """The part of the path from its first parameter on, with a slash before; empty without one."""
        _, mark, rest = self.path.partition("<")
        return f"/{mark}{rest}" if mark else ""

    @property
    def api_path(self) -> str:
        """Where the section is answered as JSON."""
        return f"/api/v1/{self.name}{self.parameters}"


def blueprint(
    pages: Sequence[Page],
    engine: Engine,
    account: str | None,
    clock: Callable[[], datetime],
    shared: Shared,
    logs: Path | None = None,
) -> Blueprint:
    """Return the routes of all pages; `account` None shows the one whose daemon beat last."""
    routes, document = Blueprint("pages", __name__), Document()
    menu = tuple(page for page in pages if page.in_menu)

    def whom(connection: Connection) -> Shown:
        return Shown(account or queries.account_shown(connection), clock(), logs)

    def add(page: Page) -> None:
        def section(values: dict[str, Any]) -> Section:
            asked = arguments(page, values)
            with engine.connect() as connection:
                return page.section(connection, whom(connection), asked)

        def shown(**values: Any) -> str:
            query = request.query_string.decode("ascii", "replace")
            content = url_for(f"pages.{page.name}_content", **values) + (f"?{query}" if query else "")
            return render_template("page.html", page=page, menu=menu, view=section(values), content=content)

        def content(**values: Any) -> str:
            def made() -> str:
                return render_template(f"{page.name}.html", page=page, view=section(values))

            return made() if page.of_session else shared.get(request.full_path, made)

        def api(**values: Any) -> Response:
            return jsonify(section(values))

        def download(**values: Any) -> Response:
            asked = arguments(page, values)
            assert page.table is not None
            with engine.connect() as connection:
                return as_csv(page.table(connection, whom(connection), asked), f"{page.name}.csv")

        routes.add_url_rule(page.path, page.name, shown)
        routes.add_url_rule(f"/content/{page.name}{page.parameters}", f"{page.name}_content", content)
        routes.add_url_rule(page.api_path, f"{page.name}_json", document.describe(page, api))
        if page.table is not None:
            routes.add_url_rule(f"{page.path}.csv", f"{page.name}_csv", download)

    for page in pages:
        add(page)
    routes.register_blueprint(document.blueprint())
    return routes


def arguments(page: Page, values: Mapping[str, Any]) -> Any:
    """Return the page's arguments from query string and path. Raises Refused, 400, that names the value."""
    given: dict[str, Any] = dict(values)
    for name, texts in request.args.lists():
        field = page.arguments.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is tuple:
            given[name] = texts
        elif len(texts) > 1:
            raise Refused(400, f"{name} is given {len(texts)} times: {', '.join(texts)}", f"Give {name} once.")
        elif name in values:
            raise Refused(400, f"{name} is part of the path and of the query string", f"Leave ?{name}= out.")
        else:
            given[name] = texts[0]
    try:
        return page.arguments.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"]) or "the query string"
        known = ", ".join(page.arguments.model_fields) or "none"
        if fault["type"] == "extra_forbidden":
            raise Refused(400, f"{name} is not an argument of this page", f"It takes: {known}.") from None
        reason = f"{name} = {str(fault['input'])[:80]!r} is wrong: {fault['msg']}"
        raise Refused(400, reason, "Give another value, or leave it out.") from None
