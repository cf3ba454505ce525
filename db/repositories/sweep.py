"""The backtests of sweeps that are done, so that a sweep broken off goes on, and another asks for none twice."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from db.models.sweep import SweepRunRow
from db.projections.row import replaced

Key = tuple[str, str, datetime, datetime]
"""Fingerprint of the rules, product, start and end of the window."""

_upsert = insert(SweepRunRow)
_upsert = _upsert.on_conflict_do_update(
    index_elements=["past", "rules", "product", "start", "until"], set_=replaced(_upsert)
)


def done(connection: Connection, past: str) -> dict[Key, str]:
    """Return the results as JSON of everything done over a past."""
    row = SweepRunRow
    query = select(row.rules, row.product, row.start, row.until, row.result).where(row.past == past)
    return {(rules, product, start, end): result for rules, product, start, end, result in connection.execute(query)}


def save(connection: Connection, past: str, key: Key, parameters: str, result: str) -> None:
    """Keep one result, in the place of an earlier one."""
    rules, product, start, until = key
    row = {"past": past, "rules": rules, "product": product, "start": start, "until": until}
    connection.execute(_upsert, [row | {"parameters": parameters, "result": result}])


def tried(connection: Connection, past: str, products: Collection[str]) -> set[str]:
    """Return the fingerprints of all rules ever tried on these products of a past."""
    row = SweepRunRow
    query = select(row.rules).where(row.past == past, row.product.in_(products)).distinct()
    return set(connection.scalars(query))


def forget(connection: Connection, past: str) -> int:
    """Delete everything done over a past; return how much it was."""
    return connection.execute(delete(SweepRunRow).where(SweepRunRow.past == past)).rowcount
