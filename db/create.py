"""Making a database on a server that is not the embedded one."""

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from db.engine import CONNECT_ARGS, normal, reported


def make_database(url: str | URL) -> None:
    """Make the database of the URL if the server does not have it. Raises DatabaseError, also without the right to."""
    wanted = normal(url)
    engine = create_engine(wanted, connect_args=CONNECT_ARGS)
    try:
        with engine.connect():
            return
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "3D000" and "does not exist" not in str(error.orig):
            with reported(wanted):
                raise
    finally:
        engine.dispose()
    admin = create_engine(
        make_url(wanted).set(database="postgres"), isolation_level="AUTOCOMMIT", connect_args=CONNECT_ARGS
    )
    try:
        with reported(wanted), admin.connect() as connection:
            quoted = admin.dialect.identifier_preparer.quote(wanted.database or "")
            connection.execute(text(f"CREATE DATABASE {quoted}"))
    finally:
        admin.dispose()
