"""From what somebody typed to the id of a trigger."""

from difflib import get_close_matches

from sqlalchemy import Connection, func, select

from atlas.errors import DataError
from db.models import SetupRow, TriggerRow

OFFERED = 5
"""How many ids are named when the one asked for is not there."""
LOOKED_AT = 2000
"""The newest triggers among which a like id is sought."""


def known(connection: Connection, account: str, id_: str) -> bool:
    """Return whether a trigger of the account has this id."""
    query = select(func.count()).where(TriggerRow.account == account, TriggerRow.id == id_)
    return connection.execute(query).scalar_one() > 0


def found(connection: Connection, account: str, wanted: str) -> str:
    """Return the id of the trigger whose id is `wanted`, or of the only one whose id holds it.

    Raises DataError for any other, which says what is near: what became of a setup that never triggered, or other ids.
    """
    if known(connection, account, wanted):
        return wanted
    setup = select(SetupRow.status, SetupRow.valid_until).where(SetupRow.account == account, SetupRow.id == wanted)
    row = connection.execute(setup).one_or_none()
    if row is not None:
        raise DataError(
            f"{wanted} has not triggered: the setup is {row.status}, its time is until "
            f"{row.valid_until:%Y-%m-%d %H:%M} UTC; only triggers have a story"
        )
    holding = _holding(connection, account, wanted)
    if len(holding) == 1:
        return holding[0]
    nearest = holding[:OFFERED] or _nearest(connection, account, wanted)
    if holding:
        raise DataError(f"{wanted!r} is part of several ids: give more of it; the newest are {_listed(nearest)}")
    told = f"the nearest ids are {_listed(nearest)}" if nearest else "nothing has triggered yet"
    raise DataError(f"account {account!r} has no trade or trigger {wanted!r}; {told}")


def _holding(connection: Connection, account: str, wanted: str) -> list[str]:
    if not wanted:
        return []
    query = (
        select(TriggerRow.id)
        .where(TriggerRow.account == account, TriggerRow.id.icontains(wanted, autoescape=True))
        .order_by(TriggerRow.at.desc(), TriggerRow.id)
        .limit(OFFERED + 1)
    )
    return list(connection.execute(query).scalars())


def _nearest(connection: Connection, account: str, wanted: str) -> list[str]:
    """Return the ids most like it among the newest; the newest of all where none is like it."""
    query = select(TriggerRow.id).where(TriggerRow.account == account).order_by(TriggerRow.at.desc(), TriggerRow.id)
    newest = list(connection.execute(query.limit(LOOKED_AT)).scalars())
    return get_close_matches(wanted, newest, OFFERED, 0.5) or newest[:OFFERED]


def _listed(ids: list[str]) -> str:
    return ", ".join(f"`{id_}`" for id_ in ids)
