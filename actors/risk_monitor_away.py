"""What happened while ATLAS was down: gathered while it is settled, and told the owner in one alert (operations.md)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.messages import Alert, SettlingEnded
from actors.runtime.behaviour import Send
from atlas.money.book import Position
from atlas.money.readable import price, usd

KIND = "recovered"
MINUTE = timedelta(minutes=1)


class Away(msgspec.Struct):
    """ATLAS was last heard of at `since`; `told` are the positions closed since then, in words, `funding` in USD."""

    since: datetime
    told: list[str] = []
    funding: Decimal = Decimal(0)


def closed(away: Away | None, position: Position) -> None:
    """A position has been closed; nothing is noted while ATLAS is there."""
    if away is None or position.exit_price is None or position.exit_time is None:
        return
    doubt = ", ambiguous" if position.ambiguous else ""
    away.told.append(
        f"{_named(position)}: {position.exit_reason}{doubt} at {price(position.exit_price)}, "
        f"{position.exit_time:%Y-%m-%d %H:%M} UTC, net {usd(position.net, sign=True)}"
    )


def funded(away: Away | None, amount: Decimal) -> None:
    """Funding was paid, or received if negative."""
    if away is not None:
        away.funding += amount


def recovered(away: Away, still_open: list[Position], ended: SettlingEnded) -> Iterator[Send]:
    """Tell how long ATLAS was away and what happened to what was open."""
    minutes = max(ended.until - away.since, timedelta(0)) // MINUTE
    parts = [
        f"Recovered after {minutes} {'minute' if minutes == 1 else 'minutes'} "
        f"({away.since:%Y-%m-%d %H:%M} to {ended.until:%Y-%m-%d %H:%M} UTC)"
    ]
    parts += [f"Closed meanwhile: {'; '.join(away.told)}"] if away.told else ["Nothing was closed meanwhile"]
    if away.funding:
        parts.append(f"Funding {'paid' if away.funding > 0 else 'received'}: {usd(abs(away.funding))}")
    if still_open:
        parts.append(f"Still open: {', '.join(map(_named, still_open))}")
    yield Send("journal", Alert(KIND, f"{away.since:%Y%m%dT%H%M%S}", ended.until, ". ".join(parts)))


def _named(position: Position) -> str:
    return f"{position.symbol} {position.timeframe} {position.setup} {position.side}"
