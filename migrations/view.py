"""How a migration makes a view: each column is its name, its expression and its meaning, so that none lacks a comment.

The meanings are comments in the database (`\\d+ v_trades` in psql shows them); docs/views.md is written from those.
"""

from collections.abc import Iterable
from typing import NamedTuple

from alembic import op


class Column(NamedTuple):
    """One column: `expression` over the view's `source`, `meaning` with its unit."""

    name: str
    expression: str
    meaning: str


class View(NamedTuple):
    """One view. `source` is what stands after SELECT's columns: FROM, WHERE, GROUP BY. `before` is its WITH, if any."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: str
    before: str = ""


def create(views: Iterable[View]) -> None:
    """Make the views and their comments, in order: a view may read those before it."""
    for view in views:
        _make("CREATE VIEW", view, view.columns)


def extend(view: View, *more: Column) -> None:
    """Give a view that is there more columns, at its end; those who read it notice nothing."""
    longer = view._replace(columns=(*view.columns, *more))
    _make("CREATE OR REPLACE VIEW", longer, more)


def drop(views: Iterable[View]) -> None:
    """Drop the views, the last first."""
    for view in reversed(tuple(views)):
        _run(f"DROP VIEW {view.name}")


def _make(how: str, view: View, told: Iterable[Column]) -> None:
    """Make the view; comment on it and on the columns `told`."""
    selected = ", ".join(f'{column.expression} AS "{column.name}"' for column in view.columns)
    _run(f"{how} {view.name} AS {view.before} SELECT {selected} {view.source}")
    _run(f"COMMENT ON VIEW {view.name} IS {_literal(view.meaning)}")
    for column in told:
        _run(f'COMMENT ON COLUMN {view.name}."{column.name}" IS {_literal(column.meaning)}')


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _run(statement: str) -> None:
    # Not through sqlalchemy.text, which would take the colons of a cast for parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
