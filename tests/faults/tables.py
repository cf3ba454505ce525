"""Every row of a database, for comparing two runs of the same market."""

from collections.abc import Collection

from sqlalchemy import Engine, select, text

from db.models import Base

OWN_TIMES = frozenset({"updated_at", "created_at", "next_try_at", "beat_at", "started_at", "stopped_at"})
"""Columns in which the database writes its own clock."""


NUMBERED = {"events": "seq", "ledger": "seq", "outbox": "id"}
"""Numbers in the order of writing: a row written in vain a second time leaves a hole, so only the order counts."""


def contents(engine: Engine, but: Collection[str] = ()) -> dict[str, list[tuple[str, ...]]]:
    """Return the rows of every table in order, without the database's own times and numbers and the columns `but`."""
    found = {}
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            number = NUMBERED.get(table.name)
            columns = [column for column in table.columns if column.name not in OWN_TIMES | {number, *but}]
            asked = select(*columns)
            rows = connection.execute(asked if number is None else asked.order_by(table.columns[number]))
            found[table.name] = [tuple(map(str, row)) for row in rows]
            if number is None:
                found[table.name].sort()
    return found


def empty(engine: Engine) -> None:
    """Take every row away, and begin to number anew."""
    names = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
