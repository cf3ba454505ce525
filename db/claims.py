"""Claims: the journal's transaction that opens a position claims its setup for one shard of the group.

A lease keeps two shards from acting at once; should one act after it has lost its lease without knowing (a process that
was frozen), its entry is refused here, in the same transaction, by the key of the table.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from actors.messages import Event, PositionOpened
from atlas.errors import SetupTaken
from db.models import ClaimRow

_claim = insert(ClaimRow).on_conflict_do_nothing()


def claim(connection: Connection, group: str, account: str, events: Iterable[Event]) -> None:
    """Claim the setups of the positions opened by these events. Raises SetupTaken if another shard has one of them."""
    opened = [event.position for event in events if isinstance(event, PositionOpened)]
    if not opened:
        return
    rows = [
        {"group": group, "setup": p.id, "symbol": p.symbol, "account": account, "until": p.entry_bar_end}
        for p in opened
    ]
    connection.execute(_claim, rows)
    others = select(ClaimRow.setup, ClaimRow.account).where(
        tuple_(ClaimRow.group, ClaimRow.setup).in_([(group, p.id) for p in opened]), ClaimRow.account != account
    )
    taken = connection.execute(others).first()
    if taken is not None:
        raise SetupTaken(
            f"setup {taken.setup} has been entered by account {taken.account!r} of group {group!r}: nothing was "
            f"written for {account!r}; it starts anew from what is"
        )
