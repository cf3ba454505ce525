"""The read-only role: who may read the reporting views and nothing else.

Roles belong to the server and not to one database, so it is no migration's: each `atlas db upgrade` makes what is
missing, and a database restored elsewhere has it again after the next.
"""

import logging

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

logger = logging.getLogger(__name__)

READER = "atlas_reader"
"""Nobody logs in as it: `GRANT atlas_reader TO somebody` lets somebody read."""

_MADE_MEANWHILE = ("42710", "23505")
"""SQLSTATE of a role that another upgrade on the same server made at the same moment."""


def let_read(connection: Connection) -> None:
    """Make the role if it is missing, and let it read every reporting view of this database.

    A user who may not make roles gets a warning that names the remedy: ATLAS itself does not need the role.
    """
    if not _exists(connection) and not _made(connection):
        return
    views = connection.execute(
        text("SELECT quote_ident(viewname) FROM pg_views WHERE schemaname = current_schema() AND viewname LIKE 'v\\_%'")
    ).scalars()
    for view in views.all():
        connection.execute(text(f"GRANT SELECT ON {view} TO {READER}"))


def _exists(connection: Connection) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": READER})
    return found.first() is not None


def _made(connection: Connection) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE ROLE {READER} NOLOGIN"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _MADE_MEANWHILE:
            return True
        logger.warning(
            "the read-only role %s was not made (%s): ask the server's administrator for `CREATE ROLE %s NOLOGIN`, "
            "then run `atlas db upgrade` again; ATLAS itself does not need it",
            READER,
            str(error.orig).splitlines()[0],
            READER,
        )
        return False
    return True
