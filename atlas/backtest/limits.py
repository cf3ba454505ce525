"""What a backtest by search cannot play, and leaves to `atlas replay`: settings that make every trade matter."""

from atlas.errors import ConfigurationError
from atlas.market.path import PathRules
from atlas.rules import Rules


def check(rules: Rules, path: PathRules) -> None:
    """Raise ConfigurationError, naming the setting, for rules that only a replay knows."""
    exits, fills, sizing = rules.exits, rules.fills, rules.sizing
    refused = {
        "signal_products": (bool(rules.signal_products), "none"),
        "fills.model": (fills.model != "spread", "spread"),
        "fills.latency_ms": (fills.latency_ms != 0, "0"),
        "exits.scale_out": (exits.scale_out != 0, "0"),
        "exits.break_even": (exits.break_even != 0, "0"),
        "exits.trail_distance": (exits.trail_distance != 0, "0"),
        "sizing.position_policy": (sizing.position_policy == "flip", "another than flip"),
    }
    for name, (is_refused, known) in refused.items():
        if is_refused:
            raise ConfigurationError(
                f"atlas backtest plays {name} only as {known}: use `atlas replay` with the same arguments, or change it"
            )
    apart = fills.touch and not exits.invalidated and sizing.position_policy == "flat_at_close"
    if path.through and not (apart and len(rules.strat.timeframes) == 1):
        raise ConfigurationError(
            "atlas backtest knows a path through every level only as in --preset common (touch, no invalidation, "
            "position policy flat_at_close, one timeframe): use `atlas replay` with the same arguments"
        )
