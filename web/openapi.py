"""`/api/v1/openapi.json`: the JSON API as OpenAPI, made of the pages' own arguments and answers.

spectree writes the document. It does not check requests or answers: `web.pages` does the first for page and API alike,
and tests hold the answers to their TypedDicts.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, is_typeddict

import msgspec
from flask import Blueprint, Response, jsonify
from pydantic import create_model
from spectree import Response as Answers
from spectree import SecurityScheme, SpecTree
from spectree.config import ModeEnum
from spectree.model_adapter.pydantic_adapter import PydanticModelAdapter
from spectree.models import SecureType, SecuritySchemeData

from atlas import __version__

if TYPE_CHECKING:
    from web.pages import Page

PATH = "/api/v1/openapi.json"
BEARER = "token"
"""The name of the security scheme: the read-only token of the API."""

View = Callable[..., Any]

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Problem(TypedDict):
    """What is wrong, with the value, and what would be right."""

    error: str
    remedy: str


class Sections(PydanticModelAdapter):
    """Arguments are pydantic models, answers TypedDicts: the keys named are all there are."""

    def is_model_type(self, value: type) -> bool:
        """Return whether the type can be described."""
        return is_typeddict(value) or super().is_model_type(value)

    def json_schema(self, model: type[Any], *, ref_template: str, mode: Any = "validation") -> dict[str, Any]:
        """Return the schema, what it refers to under `$defs`."""
        if not is_typeddict(model):
            return super().json_schema(model, ref_template=ref_template, mode=mode)
        _, parts = msgspec.json.schema_components((model,), ref_template=ref_template.replace("{model}", "{name}"))
        for part in parts.values():
            if "properties" in part:
                part["additionalProperties"] = False
        return {**parts.pop(model.__name__), "$defs": parts}


class Document:
    """Collects the API's routes as they are made, and answers `/api/v1/openapi.json`."""

    def __init__(self) -> None:
        scheme = SecuritySchemeData(type=SecureType.HTTP, scheme="bearer")  # type: ignore[call-arg]  # all others have defaults
        self._tree = SpecTree(
            "flask", title="ATLAS", version=__version__, mode=ModeEnum.strict, annotations=False, path="api/v1/none",
            description="What the panel shows, for programs. Money, prices, shares and R are decimals as strings, "
            "times ISO 8601 UTC, durations seconds; null is what cannot be known.",
            model_adapter=Sections(), naming_strategy=lambda model: str(model.__name__), validation_error_status=400,
            validation_error_model=Problem, security_schemes=[SecurityScheme(name=BEARER, data=scheme)],
            security={BEARER: []},
        )  # fmt: skip

    def describe(self, page: "Page", view: View) -> View:
        """Return the view of a page's JSON, described: what it takes, what it answers, how it refuses."""
        view.__doc__ = page.title
        in_path = _PARAMETER.findall(page.path)
        every = page.arguments.model_fields
        fields: dict[str, Any] = {name: (each.annotation, each) for name, each in every.items() if name not in in_path}
        query = create_model(f"{page.name}_query", **fields)
        answers = Answers(HTTP_200=page.answer, HTTP_400=Problem, HTTP_401=Problem, HTTP_404=Problem, HTTP_429=Problem,
                          HTTP_503=Problem)  # fmt: skip
        described: View = self._tree.validate(
            query=query, resp=answers, skip_validation=True, operation_id=page.name, tags=("sections",)
        )(view)
        return described

    def blueprint(self) -> Blueprint:
        """Return the route of the document itself."""
        routes = Blueprint("openapi", __name__)

        @routes.get(PATH)
        def document() -> Response:
            return jsonify(self._tree.spec)

        return routes
