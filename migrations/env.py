"""Alembic's environment. db.migrate hands the connection in; `alembic` by itself is not used."""

from alembic import context

from db.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run migrations through `atlas db upgrade` or db.migrate, which hand in a connection")

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_server_default=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
