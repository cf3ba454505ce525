"""What the owner reads: one Discord embed per notice, within Discord's limits.

Fields and colors: operations.md "What a Strat trader reads". Notices come from db/notices.py: Decimals as strings,
shares as fractions, times ISO 8601 UTC.
"""

import json
import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from actors.alerter_digest import digest_parts, listing
from actors.alerter_outbox import Notice
from atlas.money import readable

logger = logging.getLogger(__name__)

GREEN, RED, BLUE, ORANGE, GREY = 0x2E9E6B, 0xD0503F, 0x3B82C4, 0xE0912F, 0x8A949C

TITLE, DESCRIPTION, FIELDS, NAME, VALUE, FOOTER, TOTAL = 256, 4096, 25, 256, 1024, 2048, 6000
"""Discord's limits of one embed, in UTF-16 units ("Embed Limits" of its documentation)."""

WARNINGS = (
    "feed_down", "halt", "daily_loss", "retired", "database_down", "drift", "audit", "backup_failed", "listing",
    "expiry", "night_audit_failed", "database_revived", "spool_set_aside",
)  # fmt: skip
GOOD_NEWS = ("feed_up", "resume", "recovered", "database_up")

Embed = dict[str, Any]
Field = dict[str, Any]


def compose(notice: Notice, account: str) -> Embed:
    """Return the embed of a notice; a payload that lacks fields is shown as far as it goes."""
    try:
        embed = _COMPOSERS.get(notice.kind, _plain)(notice)
    except Exception:  # a payload that cannot be formatted is not lost, and does not stop the notices behind it
        logger.exception("alert %s could not be formatted and goes out as it is", notice.key)
        embed = _embed(f"{notice.kind} (unformatted)", json.dumps(notice.payload), ORANGE, [])
    repeated = " · possibly repeated" if notice.doubtful else ""
    embed["footer"] = {"text": f"ATLAS {account} · {notice.key}{repeated}"}
    embed["timestamp"] = str(notice.payload.get("at") or notice.created_at.isoformat())
    return fit(embed)


def compose_list(notices: Sequence[Notice], account: str) -> Embed:
    """Return one embed that stands for many notices."""
    title, text = listing(notices)
    embed = _embed(title, text, BLUE, [])
    repeated = " · possibly repeated" if any(notice.doubtful for notice in notices) else ""
    embed["footer"] = {"text": f"ATLAS {account} · {notices[0].key} to {notices[-1].key}{repeated}"}
    embed["timestamp"] = notices[-1].created_at.isoformat()
    return fit(embed)


def _entry(notice: Notice) -> Embed:
    paid = notice.payload
    signal = paid.get("signal") or {}
    fields = [
        _field("Trigger → entry", _arrow(signal.get("trigger_here", paid.get("trigger")), paid.get("entry"))),
        _field("Signal", _signal(signal)),
        _field("Stop", _price(paid.get("stop"))),
        _field("Target", _price(paid.get("target"))),
        _field("Magnitude", _share(paid.get("magnitude"))),
        _field("R:R", _number(paid.get("reward_risk"))),
        _field("Continuity", _continuity(paid.get("continuity"))),
        _field("Labels", ", ".join(map(str, paid.get("labels") or ()))),
        _field("Leverage", _leverage(paid)),
        _field("Size", _size(paid)),
        _field("Risk", _usd(paid.get("risk"))),
        _field("Liquidation", _price(paid.get("liquidation"))),
    ]
    color = GREEN if paid.get("side") == "long" else RED
    return _embed(f"Entry: {_headline(paid)}", "", color, fields)


def _exit(notice: Notice) -> Embed:
    paid = notice.payload
    net = _decimal(paid.get("net"))
    fields = [
        _field("Net P&L", _usd(paid.get("net"), sign=True)),
        _field("Percent", _share(paid.get("percent"), sign=True)),
        _field("R", _number(paid.get("r"), sign=True)),
        _field("Entry → exit", _arrow(paid.get("entry"), paid.get("exit"))),
        _field("Reason", _reason(paid)),
        _field("Held", _held(paid.get("seconds"))),
        _field("Costs", _costs(paid)),
        _field("Size", _size(paid)),
        _field("Continuity", _continuity(paid.get("continuity"))),
    ]
    color = GREY if not net else GREEN if net > 0 else RED
    return _embed(f"Exit: {_headline(paid)}", "", color, fields)


def _reason(paid: dict[str, Any]) -> str | None:
    """The reason, and what there is to know of how it was found."""
    while_down = "while ATLAS was down" if paid.get("filled_while_down") else None
    doubt = "ambiguous: stop and target in one candle" if paid.get("ambiguous") else None
    by_rest = "by prices from REST: the feed was down" if paid.get("rest") else None
    hole = "after a hole in the feed" if paid.get("after_hole") else None
    return ", ".join(str(part) for part in (paid.get("reason"), while_down, doubt, by_rest, hole) if part) or None


def _full_continuity(notice: Notice) -> Embed:
    paid = notice.payload
    side, before = paid.get("side"), paid.get("before")
    was = f", {before} before" if before not in (None, side) else ""
    text = f"{' '.join(map(str, paid.get('frames', ())))} agree{was}"
    color = GREEN if side == "long" else RED
    since = str(paid.get("since", "")).replace("T", " ")[:19]
    title = f"Full continuity: {paid.get('symbol', '')} {str(side).upper()}"
    return _embed(title, text, color, [_field("Since", f"{since} UTC" if since else None)])


def _digest(notice: Notice) -> Embed:
    title, text, values, net = digest_parts(notice)
    color = GREY if not net else GREEN if net > 0 else RED
    return _embed(title, text, color, [_field(name, value) for name, value in values.items()])


def _plain(notice: Notice) -> Embed:
    text = str(notice.payload.get("text") or "")
    if notice.critical:
        color = RED
    elif notice.kind in WARNINGS:
        color = ORANGE
    else:
        color = GREEN if notice.kind in GOOD_NEWS else BLUE
    return _embed(notice.kind.replace("_", " ").capitalize() or "Alert", text, color, [])


_COMPOSERS: dict[str, Callable[[Notice], Embed]] = {
    "entry": _entry,
    "exit": _exit,
    "full_continuity": _full_continuity,
    "daily_digest": _digest,
    "weekly_digest": _digest,
}


def _embed(title: str, description: str, color: int, fields: list[Field | None]) -> Embed:
    # No `url`: Discord merges embeds of the same URL.
    return {"title": title, "description": description, "color": color, "fields": [field for field in fields if field]}


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def length(text: str) -> int:
    """Return the length as Discord's clients count it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, limit: int) -> str:
    """Return the text, ended by … where it was too long."""
    if length(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: 2 * max(limit - 1, 0)].decode("utf-16-le", errors="ignore")
    return f"{kept}…" if limit > 0 else ""


def weight(embed: Embed) -> int:
    """Return what an embed counts for the limit over all embeds of a message."""
    words = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
    return sum(map(length, words)) + _weight(embed.get("fields", []))


def fit(embed: Embed) -> Embed:
    """Return the embed within every limit. What goes first when all of it is too long: the end of the description,
    then fields from the end."""
    title, footer = cut(embed["title"], TITLE), cut(embed["footer"]["text"], FOOTER)
    fields = [
        {**field, "name": cut(field["name"], NAME), "value": cut(field["value"], VALUE)} for field in embed["fields"]
    ]
    fields = fields[:FIELDS]
    left = TOTAL - length(title) - length(footer)
    while fields and _weight(fields) > left:
        fields.pop()
    description = cut(embed["description"], min(DESCRIPTION, left - _weight(fields)))
    fitted = {**embed, "title": title, "description": description, "fields": fields, "footer": {"text": footer}}
    return {name: value for name, value in fitted.items() if value not in ("", [])}


def _weight(fields: list[Field]) -> int:
    return sum(length(field["name"]) + length(field["value"]) for field in fields)


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _field(name: str, value: object) -> Field | None:
    """A field; none for an empty value, which Discord refuses."""
    text = "" if value is None else str(value).strip()
    return {"name": name, "value": text, "inline": True} if text else None


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _headline(paid: dict[str, Any]) -> str:
    side = str(paid.get("side", "")).upper()
    return f"{paid.get('symbol', '')} {side} · {paid.get('setup', '')} {paid.get('timeframe', '')}".strip()


def _price(value: object) -> str | None:
    number = _decimal(value)
    return None if number is None else readable.price(number)


def _arrow(before: object, after: object) -> str | None:
    return " → ".join(price for price in (_price(before), _price(after)) if price) or None


def _signal(signal: dict[str, Any]) -> str | None:
    """`BTC-USD 60,010 × 1.0012`: the product the signal is from, the trigger there, and the ratio of prices."""
    ratio = _decimal(signal.get("ratio"))
    if ratio is None:
        return None
    return f"{signal.get('product')} {_price(signal.get('trigger'))} × {readable.price(ratio)}"


def _number(value: object, *, sign: bool = False) -> str | None:
    number = _decimal(value)
    return None if number is None else readable.number(number, sign=sign)


def _share(value: object, *, sign: bool = False) -> str | None:
    number = _decimal(value)
    return None if number is None else readable.share(number, sign=sign)


def _usd(value: object, *, sign: bool = False) -> str | None:
    number = _decimal(value)
    return None if number is None else readable.usd(number, sign=sign)


def _continuity(reading: dict[str, Any] | None) -> str | None:
    """`3/4: 1w 1d 1h, not 1M (2 independent opens)`."""
    if not reading:
        return None
    agree = [str(frame) for frame in reading.get("agree", ())]
    others = [str(frame) for frame in reading.get("frames", ()) if frame not in agree]
    against = f"not {' '.join(others)}" if others else ""
    opens = reading.get("opens")
    own = "" if opens is None else f" ({opens} independent open{'s' * (opens != 1)})"
    return f"{reading.get('score')}: " + ", ".join(part for part in (" ".join(agree), against) if part) + own


def _leverage(paid: dict[str, Any]) -> str | None:
    leverage = _decimal(paid.get("leverage"))
    return None if leverage is None else f"{readable.quantity(leverage)}× {paid.get('tier', '')}".strip()


def _size(paid: dict[str, Any]) -> str | None:
    contracts = _decimal(paid.get("contracts"))
    if contracts is None:
        return None
    notional = _usd(paid.get("notional"))
    unit = "contract" if contracts == 1 else "contracts"
    return f"{readable.quantity(contracts)} {unit}" + (f" ({notional})" if notional else "")


def _costs(paid: dict[str, Any]) -> str | None:
    fees, funding = _usd(paid.get("fees")), _decimal(paid.get("funding"))
    if fees is None:
        return None
    return f"fees {fees}" + (f", funding {_usd(funding)}" if funding else "")


def _held(seconds: object) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(int(str(seconds)), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 1:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
