"""What faults do to the text of a frame; the rest of it stays as it was, key by key."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from atlas.exchange.local import frames
from atlas.exchange.local.book import OFFER, Level
from atlas.exchange.local.fault import Fault
from atlas.exchange.local.instants import NS, US, from_datetime, rfc3339
from atlas.exchange.local.publications import WIRE_NAMES
from atlas.exchange.local.tape import Tape

UNHEARD_OF = "forecasts"
UNKNOWN_EVENTS = '[{"type":"update","forecasts":[{"product_id":"BTC-USD","chance":"0.5"}]}]'
_UNKNOWN_FIELD = "not_yet_documented"
_TIMES = ("timestamp", "time", "event_time", "current_time")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(.*)")
_QUOTES = ("best_bid", "best_ask", "best_bid_quantity", "best_ask_quantity")


def concerns(fault: Fault, channel: str, text: str) -> bool:
    """Tell whether a fault is about a frame of this channel (its name in frames) with this text."""
    if fault.channel and channel not in (fault.channel, WIRE_NAMES.get(fault.channel)):
        return False
    return not fault.product or f'"{fault.product}"' in text


def altered(text: str, fault: Fault) -> str:
    """Return a frame as one of the kinds unknown_fields, empty_quotes, fractions and clock_jump leaves it."""
    return msgspec.json.encode(_ALTER[fault.kind](msgspec.json.decode(text), fault)).decode()


def huge(tape: Tape, stamp: int, size: int) -> str:
    """Return the events of a level2 snapshot of at least `size` bytes: the book, and offers without end behind it."""
    product, levels = tape.product, tape.book().levels()
    top = max(level.ticks for level in levels)
    row = len(frames.level2("snapshot", product, [Level(OFFER, top, 1)], stamp))
    one = row - len(frames.level2("snapshot", product, [], stamp))
    behind = (Level(OFFER, top + 1 + place, 1) for place in range(size // one + 1))
    return frames.level2("snapshot", product, [*levels, *behind], stamp)


def _with_unknown_fields(node: Any, fault: Fault, key: str = "") -> Any:
    if isinstance(node, list):
        return [_with_unknown_fields(each, fault) for each in node]
    if not isinstance(node, dict) or key == "subscriptions":  # that one maps channels: a key there is no field
        return node
    grown = {name: _with_unknown_fields(value, fault, name) for name, value in node.items()}
    return grown | {_UNKNOWN_FIELD: {"of": [1, None, "x"]}}


def _without_quotes(node: Any, fault: Fault) -> Any:
    for event in node.get("events", ()):
        for ticker in event.get("tickers", ()):
            if not fault.product or ticker["product_id"] == fault.product:
                ticker.update(dict.fromkeys(_QUOTES, ""))
    return node


def _with_times(change: Callable[[str, Fault], str]) -> Callable[[Any, Fault], Any]:
    def walk(node: Any, fault: Fault) -> Any:
        if isinstance(node, list):
            return [walk(each, fault) for each in node]
        if not isinstance(node, dict):
            return node
        return {
            name: change(value, fault) if name in _TIMES and isinstance(value, str) else walk(value, fault)
            for name, value in node.items()
        }

    return walk


def _cut(text: str, fault: Fault) -> str:
    """Write a time with so many digits; what lies beyond the microsecond is nines, to be cut and not rounded."""
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    day, between, second, fraction, rest = match.groups()
    digits = f"{(fraction or '0'):0<6}"
    shown = f"{digits:9<9}"[: fault.digits]
    return f"{day}{between}{second}{'.' if shown else ''}{shown}{rest}"


def _shifted(text: str, fault: Fault) -> str:
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    day, between, second, fraction, rest = match.groups()
    at = from_datetime(datetime.fromisoformat(f"{day}T{second}").replace(tzinfo=UTC))
    at += int(f"{fraction or '0':0<9}") + round(fault.by * NS / US) * US
    return rfc3339(at).removesuffix("Z").replace("T", between) + rest


_ALTER: dict[str, Callable[[Any, Fault], Any]] = {
    "unknown_fields": _with_unknown_fields,
    "empty_quotes": _without_quotes,
    "fractions": _with_times(_cut),
    "clock_jump": _with_times(_shifted),
}
ALTERING = tuple(_ALTER)
"""The kinds that change a frame's text."""
