"""Named sets of settings, and the path that goes with them.

`common` is the strategy every tool of research can express, so that tools can be measured side by side: 15m bars that
are a 1 strictly inside a 2, stop orders on both their ends for the next bar, stop at the other end, target at the end
of the bar before, one unit, 0.05 % of the price a side. Touch counts, and the price passes through every level between
two points of a candle's path, open → high → low → close.
"""

from typing import Any, Final

import msgspec

from atlas.errors import UsageError
from atlas.market.path import PathRules

EXITS_FROM: Final = ("fill", "next_bar")
"""From when on a position may be left: at once, or from the candle after the one it was entered in."""
COMMON_SETTINGS: Final[dict[str, Any]] = {
    "mode": "paper",
    "strat": {
        "timeframes": ["15m"],
        "families": ["2-1"],
        "detected": ["2-1"],
        "stop": "setup_bar",
        "inside": "strict",
        "continuity": {"15m": [["15m"], 1]},
    },
    "gates": {
        "off": ["magnitude", "reward_risk", "continuity", "max_open_positions", "total_risk", "daily_loss", "fees"]
    },
    "sizing": {"mode": "units", "units": "1", "position_policy": "flat_at_close", "long_only_spot": False},
    "exits": {"invalidated": False},
    "fills": {"touch": True},
    "fees": {
        "taker": "0.0005", "maker": "0.0005", "flat": "0", "slippage": "0",
        "spot_taker": "0.0005", "spot_maker": "0.0005", "spot_flat": "0",
    },
    "margin": {"default_funding_yearly": "0"},
    "account": {"starting_equity": "10000000"},
    "alerts": {"full_continuity": False},
}  # fmt: skip
"""No gate that is of ATLAS, no funding, no leverage to speak of: an account no trade of one unit can empty."""


class Preset(msgspec.Struct, frozen=True):
    """`settings` as atlas.toml would hold them, the `path` through a candle, and the product it is measured on."""

    settings: dict[str, Any]
    path: PathRules
    product: str


PRESETS: Final = {
    "common": Preset(COMMON_SETTINGS, PathRules(always_high_first=True, trusted=True, through=True), "BTC-USD")
}


def preset(name: str, exits_from: str = "fill", interval: int = 60) -> Preset:
    """Return a preset; `exits_from` next_bar keeps a position until the candle of `interval` seconds has ended.

    Raises UsageError for a name that is none.
    """
    found = PRESETS.get(name)
    if found is None:
        raise UsageError(f"--preset {name!r} is not known: write one of {', '.join(PRESETS)}")
    if exits_from == "fill":
        return found
    exits = {**found.settings["exits"], "not_within_seconds": interval}
    return msgspec.structs.replace(found, settings={**found.settings, "exits": exits})
