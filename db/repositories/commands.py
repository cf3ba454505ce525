"""Commands: asked by panel and command line as a row and a notification, answered by the daemon in the same row."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, insert, select, text, update

from db.models import CommandRow

CHANNEL = "atlas_commands"
"""Notified, with the account's name, for every new command."""


class Command(msgspec.Struct, frozen=True):
    """One command and what became of it. `kind` halt, resume, flatten, close …; `args` as the kind needs them."""

    id: int
    kind: str
    args: dict[str, Any]
    by: str
    created_at: datetime
    status: Literal["pending", "taken", "done", "failed"]
    result: str | None
    done_at: datetime | None


_columns = [column for column in CommandRow.__table__.columns if column.name in Command.__struct_fields__]


def add(connection: Connection, account: str, kind: str, args: dict[str, Any], by: str) -> int:
    """Ask the daemon of `account` for something; return the command's id. Notified when the transaction commits."""
    row = {"account": account, "kind": kind, "args": args, "by": by}
    command_id = connection.execute(
        insert(CommandRow).values(**row, created_at=func.now()).returning(CommandRow.id)
    ).scalar_one()
    connection.execute(text("SELECT pg_notify(:channel, :account)"), {"channel": CHANNEL, "account": account})
    return command_id


def take(connection: Connection, account: str) -> list[Command]:
    """Take all pending commands of the account, oldest first; nobody else is given them."""
    pending = (
        select(CommandRow.id)
        .where(CommandRow.account == account, CommandRow.status == "pending")
        .with_for_update(skip_locked=True)
    )
    taken = update(CommandRow).where(CommandRow.id.in_(pending)).values(status="taken").returning(*_columns)
    return sorted((_command(row) for row in connection.execute(taken).mappings()), key=lambda command: command.id)


def unanswered(connection: Connection, account: str) -> list[Command]:
    """Return what a daemon took and did not answer: after a crash these are to be taken up again, or failed."""
    query = select(*_columns).where(CommandRow.account == account, CommandRow.status == "taken").order_by(CommandRow.id)
    return [_command(row) for row in connection.execute(query).mappings()]


def answer(connection: Connection, command_id: int, status: Literal["done", "failed"], result: str) -> bool:
    """Write the answer of a command, once; return False if it had one already."""
    changed = connection.execute(
        update(CommandRow)
        .where(CommandRow.id == command_id, CommandRow.status.in_(("pending", "taken")))
        .values(status=status, result=result, done_at=func.now())
    )
    return changed.rowcount == 1


def get(connection: Connection, command_id: int, account: str | None = None) -> Command | None:
    """Return a command as it is now; with `account`, only if it is one of that account."""
    query = select(*_columns).where(CommandRow.id == command_id)
    if account is not None:
        query = query.where(CommandRow.account == account)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _command(row)


def recent(connection: Connection, account: str, limit: int) -> list[Command]:
    """Return the newest commands, newest first: who asked for what, and what became of it."""
    query = select(*_columns).where(CommandRow.account == account).order_by(CommandRow.id.desc()).limit(limit)
    return [_command(row) for row in connection.execute(query).mappings()]


def _command(row: Any) -> Command:
    return Command(**row)
