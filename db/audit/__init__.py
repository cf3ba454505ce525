"""`atlas audit`: everything recomputed from the append-only events alone, and compared with the tables.

`story` takes the events in order, `signals` and `orders` are the parts of it that are no money, `tables` compares.
"""

from decimal import Decimal

import msgspec
from sqlalchemy import Connection

from atlas.audit.difference import Difference
from db.audit.story import Story, tell
from db.audit.tables import compare

__all__ = ["Audit", "Difference", "audit"]


class Audit(msgspec.Struct, frozen=True):
    """What was recomputed of one account, and every difference; money is USD, as recomputed."""

    account: str
    events: int
    triggers: int
    trades: int
    rejections: int
    positions_open: int
    movements: int
    cash: Decimal
    reserved: Decimal
    differences: list[Difference]


def audit(connection: Connection, account: str) -> Audit:
    """Recompute an account and compare. Reads only, within the caller's transaction: of one instant.

    Raises DataError for an account that was never opened, or one whose events are of a version that did not record the
    rules and products its money went by.
    """
    story: Story = tell(connection, account)
    compare(connection, account, story)
    signals = story.signals
    return Audit(
        account=account,
        events=story.events,
        triggers=len(signals.triggers),
        trades=sum(1 for outcome in signals.outcomes.values() if outcome == "trade"),
        rejections=len(signals.rejections),
        positions_open=len(story.venue.held),
        movements=len({movement for movement, _ in story.venue.legs}),
        cash=story.venue.account.cash,
        reserved=story.venue.account.reserved,
        differences=story.findings.differences,
    )
