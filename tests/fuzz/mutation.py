"""Own mutation of what was once right: of bytes, and of trees (JSON, TOML) so that they still parse."""

import copy
import json
from collections.abc import Iterator, MutableMapping, MutableSequence
from random import Random
from typing import Any

HUGE = "@huge@"
"""Stands for a number of 5000 digits, more than Python turns into a text or back."""

ODD: tuple[Any, ...] = (
    None, True, False, "", " ", "0", "-0", "-1", "1e400", "1e-400", "1E+999999999", "NaN", "sNaN", "Infinity", "-inf",
    "0x10", "1_000", "١٢", "1,5", "64700", "9" * 5000, 0, -1, 1, 7, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, HUGE,
    0.1, -0.0, 1e308, float("nan"), float("inf"), [], {}, [[]], [None], {"": None}, "\ud800", "\x00", "\u202e",
    "a" * 70000,
    "0001-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00Z",
    "2026-03-08T02:30:00-05:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00",
    "2026-01-01 00:00:00.123456789 +0000 UTC m=+1.5", "BTC-USD", "BIP-20DEC30-CDE", "nonsense", "snapshot", "update",
    "BUY", "UNKNOWN_ORDER_SIDE", "market_trades", "l2_data", "heartbeats", "subscriptions", "candles", "user", "status",
)  # fmt: skip
"""Values that have been trouble somewhere: of other types, at the ends of ranges, the right words in wrong places."""

TOKENS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"\\u0000", b"null", b"true", b"NaN", b"-", b"1e999",
    b"0" * 400, b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\r\n", b"=", b"#", b"'''", b"[[",
    b"]]",
)  # fmt: skip
DEEP = 100_000
"""Levels of nesting that no parser without a limit of its own survives."""


class Mutator:
    """Changes made by one seeded source of chance: the same seed, the same changes."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def tree(self, tree: Any) -> Any:
        """Return a copy with one to four places changed; what is no container may become anything."""
        changed = copy.deepcopy(tree)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            places = list(_places(changed))
            if not places:
                return self.value(changed)
            self._change(*self.random.choice(places))
        return changed

    def value(self, value: Any) -> Any:
        """Return something in place of a value: odd, or the value as it might be miswritten."""
        random, text = self.random, str(value)
        match random.randrange(6):
            case 0 if isinstance(value, str) and value:
                return self.bytes(value.encode("utf-8", "replace")).decode("latin-1")
            case 1 if isinstance(value, int | float) and not isinstance(value, bool):
                return value * random.choice((-1, 0, 1000, 10**15)) if value == value else 0
            case 2:
                return text if not isinstance(value, str) else [value]
            case 3:
                return {random.choice(("type", "value", text[:20])): value}
            case _:
                return copy.deepcopy(random.choice(ODD))

    def bytes(self, raw: bytes) -> bytes:
        """Return bytes cut, flipped, doubled, or with something put between; one to four times."""
        random = self.random
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(raw) + 1)
            until = min(len(raw), at + random.randint(1, 40))
            match random.randrange(7):
                case 0:
                    raw = raw[:at]
                case 1:
                    raw = raw[:at] + random.randbytes(random.randint(1, 8)) + raw[until:]
                case 2:
                    raw = raw[:at] + random.choice(TOKENS) + raw[at:]
                case 3:
                    raw = raw[:at] + raw[until:]
                case 4:
                    raw = raw[:at] + raw[at:until] * random.randint(2, 50) + raw[until:]
                case 5 if raw and at < len(raw):
                    raw = raw[:at] + bytes([raw[at] ^ 1 << random.randrange(8)]) + raw[at + 1 :]
                case 6 if random.random() < 0.05:
                    raw = raw[:at] + random.choice((b"[", b'{"a":')) * DEEP + raw[at:]
        return raw

    def json(self, tree: Any) -> bytes:
        """Return a tree as JSON: changed as a tree, as bytes, as both, or random bytes altogether."""
        random = self.random
        kind = random.randrange(20)
        if kind == 0:
            return random.randbytes(random.randint(0, 400))
        raw = json.dumps(self.tree(tree) if kind < 15 else tree, separators=random.choice(((",", ":"), (", ", ": "))))
        encoded = written_out(raw).encode("utf-8", "surrogatepass")
        return self.bytes(encoded) if kind >= 12 else encoded

    def _change(self, holder: Any, place: Any) -> None:
        random = self.random
        match random.randrange(6):
            case 0:
                del holder[place]
            case 1 if isinstance(holder, MutableSequence):
                holder.insert(place, copy.deepcopy(holder[place]))
            case 1:
                holder[self._key(place)] = holder.pop(place)
            case 2:
                others = holder if isinstance(holder, MutableMapping) else range(len(holder))
                holder[place] = copy.deepcopy(holder[random.choice(list(others))])
            case _:
                holder[place] = self.value(holder[place])

    def _key(self, key: Any) -> str:
        """Return another key: unknown, misspelt, or odd."""
        text = str(key)
        others = (text.upper(), text[:-1], text + "_", text + "\x00", "", "__class__", "type", "é" * 9)
        return self.random.choice(others)


def written_out(text: str) -> str:
    """Return JSON or TOML with the huge number in digits."""
    return text.replace(f'"{HUGE}"', "9" * 5000)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key of a tree; below a long list only its first and last few."""
    if isinstance(tree, MutableMapping):
        for key, value in tree.items():
            yield tree, key
            yield from _places(value)
    elif isinstance(tree, MutableSequence):
        for place in range(len(tree)):
            if place < 3 or place >= len(tree) - 3:
                yield tree, place
                yield from _places(tree[place])
