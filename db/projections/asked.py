"""Notices that are made only where they are asked for (`discord.on`): every setup found, every trigger rejected.

They are many: nobody wants their rows in the outbox who does not read them.
"""

from collections.abc import Set

from actors.messages import Event, Rejected, SetupsReplaced
from atlas.money import readable
from atlas.risk import MODE_SIGNALS
from db.notices import moment
from db.projections.operation import notice
from db.projections.row import Row


def asked(account: str, event: Event, kinds: Set[str]) -> list[Row]:
    """Return the notices of an event that are of `kinds`: setup, rejected."""
    if "setup" in kinds and isinstance(event, SetupsReplaced) and event.verified:
        return _setups(account, event)
    # In the mode signals each trigger is told anyway; one that repeats was told when it came first.
    if "rejected" in kinds and isinstance(event, Rejected) and not event.repeats and event.value != MODE_SIGNALS:
        text = (
            f"{event.symbol} {event.timeframe} {event.name} {event.side}: rejected by {event.gate}, "
            f"{event.value} where {event.threshold} is asked"
        )
        return [notice(account, event.key, "rejected", {"at": moment(event.at), "text": text})]
    return []


def _setups(account: str, event: SetupsReplaced) -> list[Row]:
    """One notice for each setup, once: read anew from the same bars, a setup has the same id."""
    return [
        notice(
            account,
            f"setup:{setup.id}",
            "setup",
            {
                "at": moment(event.closed_at),
                "text": f"{setup.symbol} {setup.timeframe} {setup.name} {setup.side}: "
                f"trigger {readable.price(setup.trigger)}, stop {readable.price(setup.stop)}, "
                f"target {readable.price(setup.target)}",
            },
        )
        for setup in event.setups
    ]
