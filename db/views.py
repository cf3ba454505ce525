"""The reporting views as the database itself describes them: docs/views.md is `document` of a migrated database."""

import msgspec
from sqlalchemy import Connection, text

_COLUMNS = text(
    """
    SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname,
           format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0
    ORDER BY c.relname, a.attnum
    """
)

_INTRODUCTION = """# Reporting views

For psql, a notebook or Grafana. `atlas db psql` opens them; another user reads them, and nothing else, after
`GRANT atlas_reader TO somebody` (the role is made by `atlas db upgrade`). Times are UTC; days, weekdays and hours are
those of the account's timezone, as its daemon was set last, unless the session says otherwise:
`SET atlas.timezone = 'America/New_York'`.

Written by `atlas db views --markdown` from the comments in the database (`\\d+ v_trades` in psql shows them too).
"""


class ViewColumn(msgspec.Struct, frozen=True):
    """One column: its name, type and meaning, as the database has them."""

    name: str
    type: str
    meaning: str


class ReportingView(msgspec.Struct, frozen=True):
    """One view."""

    name: str
    meaning: str
    columns: list[ViewColumn]


def reporting_views(connection: Connection) -> list[ReportingView]:
    """Return every view of the schema, by name. A view or column without a comment has an empty meaning."""
    found: dict[str, ReportingView] = {}
    for view, meaning, name, kind, comment in connection.execute(_COLUMNS):
        into = found.setdefault(view, ReportingView(view, meaning or "", []))
        into.columns.append(ViewColumn(name, kind, comment or ""))
    return list(found.values())


def document(views: list[ReportingView]) -> str:
    """Return docs/views.md. Views with the same columns but for the one they group by are told of once."""
    parts = [_INTRODUCTION]
    told: dict[tuple[ViewColumn, ...], str] = {}
    for view in views:
        shared = tuple(view.columns[2:])
        parts.append(f"## {view.name}\n{view.meaning}\n")
        columns = view.columns
        if shared in told:
            parts[-1] += f"After the column it groups by, its columns are those of `{told[shared]}`.\n"
            columns = columns[:2]
        told.setdefault(shared, view.name)
        rows = [f"| `{column.name}` | {column.type} | {column.meaning} |" for column in columns]
        parts.append("\n".join(["| column | type | meaning |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)
