"""What the real daemons of these tests run on."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from db.embedded import EmbeddedServer

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def daemon_database(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[Callable[[], str]]:
    """Return a function that makes a migrated database and returns its URL."""
    made: list[str] = []

    def make() -> str:
        name = f"faults_{worker}_{next(_numbers)}"
        postgres.create_database(name, template=migrated_template)
        made.append(name)
        return postgres.url(name)

    yield make
    for name in made:
        postgres.drop_database(name)
