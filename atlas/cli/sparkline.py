"""A series of numbers as one line of blocks: ▁▂▃▅█."""

from collections.abc import Sequence
from decimal import Decimal

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[Decimal], width: int = 60) -> str:
    """Return one block a value, from the least to the most; more than `width` values are the last of each stretch.

    All equal: the lowest block throughout. No value: no block.
    """
    if len(values) > width:
        values = [values[(number + 1) * len(values) // width - 1] for number in range(width)]
    if not values:
        return ""
    least, most = min(values), max(values)
    span = most - least
    steps = len(BLOCKS) - 1
    return "".join(BLOCKS[int((value - least) * steps / span) if span else 0] for value in values)
