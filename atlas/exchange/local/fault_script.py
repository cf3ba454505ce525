"""Fault scripts: TOML files of timed faults, `[[fault]]` after `[[fault]]` (docs/faults.md)."""

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atlas.errors import DataError, UsageError
from atlas.exchange.local.fault import COMMON, KINDS, PARAMETERS, Fault, Faults, script_name
from atlas.exchange.local.products import ListedProduct

_TIME = re.compile(r"(-?)(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_faults(path: Path, products: Mapping[str, ListedProduct]) -> Faults:
    """Return the schedule a script holds, for an exchange that lists these products.

    Raises:
        UsageError: the file cannot be read.
        DataError: it is no TOML, or an entry cannot be; names file, entry and value, and says what to give.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the fault script {path}: {error}; give a TOML file") from None
    try:
        script = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path} is no TOML: {error}; mend it there") from None
    entries = script.pop("fault", [])
    if script or not isinstance(entries, list):
        what = ", ".join(script) or "fault"
        raise DataError(f"{path} holds {what!r} beside its entries; write every fault as an entry [[fault]]")
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(_read(entry, products))
        except UsageError as error:
            raise DataError(f"{path}, fault {number}: {error}") from None
    return Faults(tuple(found))


def _read(entry: Any, products: Mapping[str, ListedProduct]) -> Fault:
    if not isinstance(entry, dict):
        raise UsageError(f"{entry!r} is no entry; write [[fault]] and its parameters below")
    name = entry.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"kind is {name!r}; give one of {', '.join(KINDS)}")
    names = {script_name(parameter): parameter for parameter in (*COMMON, *kind.takes)}
    values: dict[str, Any] = {}
    for written, value in entry.items():
        if written == "kind":
            continue
        if written not in names:
            raise UsageError(f"{name} takes no {written!r} ({value!r}); it takes {', '.join(names)}")
        parameter = names[written]
        if (taken := _READERS[parameter](value)) is None:
            raise UsageError(f"{written} is {value!r}; it must be {PARAMETERS[parameter]}")
        values[parameter] = taken
    fault = Fault(kind=str(name), **values).checked()
    if fault.product and fault.product not in products:
        raise UsageError(f"product is {fault.product!r}, which is not played; give one of {', '.join(products)}")
    return fault


def _span(value: Any) -> float | None:
    """Return seconds; a bare number is in seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else float(match[1] + match[2]) * _UNITS[match[3]]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else None


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("at", "lasts", "by", "retry_after"), _span),
    **dict.fromkeys(("after_frames", "count", "code", "size", "digits", "status", "ticks"), _whole),
    **dict.fromkeys(("product", "channel", "reason", "how", "message", "path", "body", "field"), _text),
    "minute": _instant,
}
