"""The digest of a day or a week as an embed, and many notices at once as a list: what is read instead of single ones.

The numbers are db/digest.py's. A digest's notice is committed with the event that began the next day.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from actors.alerter_outbox import Notice
from atlas.money import readable

DIGESTS = ("daily_digest", "weekly_digest")
"""Kinds of notices that need numbers before they can be told."""

LINES = 25
"""Notices a list names, the newest; the others are counted."""


def digest_parts(notice: Notice) -> tuple[str, str, dict[str, str | None], Decimal | None]:
    """Return title, description, fields by name and net profit of a digest."""
    paid = notice.payload
    net, trades = _decimal(paid["net"]), int(paid["trades"])
    first, last = str(paid["first_day"]), str(paid["last_day"])
    title = f"{'Week' if notice.kind == 'weekly_digest' else 'Day'} {first}" + (f" to {last}" if first != last else "")
    text = "" if trades else "No trade was closed."
    fields = {
        "Net P&L": _usd(paid["net"]) if trades else None,
        "Equity": _equity(paid),
        "Trades": f"{trades}: {paid['wins']} won, {paid['losses']} lost" if trades else None,
        "Win rate": _share(paid.get("win_rate")),
        "Profit factor": _number(paid.get("profit_factor")),
        "Expectancy": _r(paid.get("expectancy_r")),
        "Best": _usd(paid.get("best")),
        "Worst": _usd(paid.get("worst")),
        "Costs": f"fees {_plain(paid['fees'])}, funding {_plain(paid['funding'])}" if trades else None,
        "Triggers": _triggers(paid),
        "Open at the end": str(paid["open"]) if paid["open"] else None,
    }
    return title, text, fields, net if trades else None


def curve(notice: Notice) -> list[tuple[date, Decimal]]:
    """Return the equity at the end of each day a digest carries, oldest first."""
    return [(date.fromisoformat(day), Decimal(equity)) for day, equity in notice.payload.get("curve") or ()]


def listing(notices: Sequence[Notice]) -> tuple[str, str]:
    """Return title and text of a message that stands for many notices: a line each, oldest first."""
    shown = notices[-LINES:]
    left_out = len(notices) - len(shown)
    lines = [f"{left_out} more came before these."] if left_out else []
    lines += [f"`{_clock(notice)}` {_line(notice)}" for notice in shown]
    return f"{len(notices)} alerts at once", "\n".join(lines)


def _clock(notice: Notice) -> str:
    at = str(notice.payload.get("at") or notice.created_at.isoformat())
    return at.replace("T", " ")[5:16]


def _line(notice: Notice) -> str:
    paid = notice.payload
    what = notice.kind.replace("_", " ").capitalize()
    if notice.kind in ("entry", "exit"):
        side = str(paid.get("side", "")).upper()
        what = f"{what}: {paid.get('symbol', '')} {side} {paid.get('setup', '')} {paid.get('timeframe', '')}"
        if notice.kind == "exit":
            return f"{what}, {paid.get('reason')}, **{_usd(paid.get('net'))}**"
        return f"{what} at {paid.get('entry')}"
    return f"{what}: {str(paid.get('text') or paid.get('symbol') or '')[:100]}"


def _equity(paid: dict[str, Any]) -> str | None:
    before, after = _decimal(paid.get("equity_before")), _decimal(paid.get("equity"))
    if after is None:
        return None
    if not before:
        return readable.usd(after)
    return f"{readable.usd(after)} ({readable.share((after - before) / before, sign=True)})"


def _triggers(paid: dict[str, Any]) -> str | None:
    gates = paid.get("rejections") or {}
    if not paid.get("triggers"):
        return None
    told = ", ".join(f"{count} {gate}" for gate, count in list(gates.items())[:5])
    return f"{paid['triggers']}" + (f"; rejected: {told}" if told else "")


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _usd(value: object) -> str | None:
    amount = _decimal(value)
    return None if amount is None else readable.usd(amount, sign=True)


def _plain(value: object) -> str:
    return readable.usd(Decimal(str(value)))


def _share(value: object) -> str | None:
    share = _decimal(value)
    return None if share is None else readable.share(share)


def _number(value: object) -> str | None:
    number = _decimal(value)
    return None if number is None else readable.number(number)


def _r(value: object) -> str | None:
    multiple = _decimal(value)
    return None if multiple is None else readable.r(multiple)
