"""The names by which context labels are shown and filtered."""

from typing import Final

from atlas.strat.context import Context

LABELS: Final = (
    "in-force",
    "failed-2",
    "hammer",
    "shooter",
    "machine-gun-long",
    "machine-gun-short",
    "inside-mother",
    "fifty-standby",
    "fifty-active",
    "fifty-complete",
    "first-long",
    "first-short",
    "ladder",
)
"""Every name there is, in the order they are shown."""


def label_names(context: Context) -> tuple[str, ...]:
    """Return the names of what holds, in the order of LABELS; what is unknown, or does not hold, has none."""
    held = {
        "in-force": context.in_force,
        "failed-2": context.failed_two,
        context.shape: context.shape,
        f"machine-gun-{context.machine_gun}": context.machine_gun,
        "inside-mother": context.mother_time,
        f"fifty-{context.fifty}": context.fifty,
        f"first-{context.first_side}": context.first_side,
        "ladder": context.ladder,
    }
    return tuple(name for name in LABELS if held.get(name))
