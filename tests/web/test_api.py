"""The JSON API: described by OpenAPI, holds what the description says, refuses what it does not, and reads only."""

from collections.abc import Iterator
from typing import Any, is_typeddict

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.web.scene import TOKEN, Daemon, dispose, make_panel
from web.openapi import PATH
from web.panel import PAGES

FEW = settings(max_examples=5, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
# Not checked: that all the description allows is accepted. It cannot say between which years a day may be.

TRADE = "eth"
"""An open trade of a busy day."""
READER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def panel(busy: Daemon, database_url: str) -> Iterator[Flask]:
    """Return the panel over a busy day."""
    made = make_panel(database_url)
    yield made
    dispose(made)


def operation(panel: Flask, name: str) -> APIOperation[Any, Any, Any, Any]:
    """Return the described GET of a page."""
    schema = schemathesis.openapi.from_wsgi(PATH, panel, headers=READER)
    path = next(page.api_path for page in PAGES if page.name == name).replace("<", "{").replace(">", "}")
    return schema[path]["GET"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_has_its_section_described_key_by_key(page: Any) -> None:
    assert is_typeddict(page.answer)
    assert page.answer.__annotations__


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_schemathesis_finds_nothing(panel: Flask, name: str) -> None:
    asked = operation(panel, name)
    if not [*asked.query, *asked.path_parameters]:
        asked.Case().call_and_validate(headers=READER)
        return
    # What stands in a path is a text: none violates that.
    for mode in GenerationMode if [*asked.query] else [GenerationMode.POSITIVE]:

        @FEW
        @given(case=asked.as_strategy(generation_mode=mode, headers=READER))
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=READER, excluded_checks=[positive_data_acceptance])

        holds()


@pytest.mark.parametrize("name", [page.name for page in PAGES if "<id>" in page.path])
def test_a_trade_that_is_there_is_told_as_described(panel: Flask, name: str) -> None:
    answer = operation(panel, name).Case(path_parameters={"id": TRADE}).call_and_validate(headers=READER)
    assert answer.status_code == 200
    assert answer.json()["id"] == TRADE


@pytest.mark.parametrize("page", [page for page in PAGES if "<" not in page.path], ids=lambda page: page.name)
def test_lesson_107_an_empty_database_is_told_with_the_same_keys(page: Any, app: Flask) -> None:
    answer = operation(app, page.name).Case().call_and_validate(headers=READER)
    assert answer.status_code == 200


def test_an_error_is_json_with_its_remedy_and_never_an_empty_200(client: Any) -> None:
    for path in ("/api/v1/trades?sort=luck", "/api/v1/nothing", "/api/v1/overview?what=1"):
        answer = client.get(path)
        assert answer.status_code in (400, 404)
        assert answer.json["error"]
        assert set(answer.json) == {"error", "remedy"}


def test_the_document_itself_is_not_for_strangers(app: Flask) -> None:
    stranger = FlaskClient(app)
    assert stranger.get(PATH).status_code == 401
    answer = stranger.get(PATH, headers=READER)
    assert answer.json["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert set(answer.json["paths"]) == {page.api_path.replace("<", "{").replace(">", "}") for page in PAGES}
