"""Why a setup is one, in the words of strat.md's table."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from atlas.rules import StratRules
from atlas.strat.reasons import reasons
from atlas.strat.setup import Setup, Side
from atlas.strat.setups import TABLE

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def setup(name: str, family: str, side: Side = "long", *, two_sided: bool = True, measured: bool = False) -> Setup:
    """A setup of this name; which levels does not matter here."""
    up = 1 if side == "long" else -1
    levels = [Decimal(100 + up * each) for each in (0, -7, 9, -5)]
    times = (NOON - HOUR, NOON, NOON + HOUR)
    return Setup("id", "BTC-USD", "1h", name, family, side, *times, *levels, two_sided, measured)


TOLD = [
    (setup("3-1-?", "3-1"), 0, "Family 3-1 of strat.md 2: C2 is a 3, C1 a 1."),
    (setup("3-1-?", "3-1"), 1, "It has two sides: the first to break uses up the setup."),
    (setup("3-1-?", "3-1"), 3, "Stop: the low of C2, 93 (strat.stop = structure)."),
    (setup("3-1-?", "3-1"), 4, "Target: the high of C2, 109."),
    (setup("2D-1-?", "2-1", "short"), 2, "Trigger: a trade below the low of C1, 100."),
    (setup("2D-1-?", "2-1", "short"), 3, "Stop: the high of C2, 107 (strat.stop = structure)."),
    (setup("2D-1-1-?", "2-1"), 0, "Family 2-1 of strat.md 2: 2 1s after a 2D, C1 the last of them."),
    (setup("2D-1-1-?", "2-1"), 3, "Stop: the low of the 2D before the run of 1s, 93 (strat.stop = structure)."),
    (setup("2U-2D-?", "2-2", two_sided=False), 1,
     "It is long only: if the low of C1, 95, breaks first, the setup is dead."),
    (setup("2U-2D-?", "2-2", two_sided=False), 3, "Stop: the low of C1, 93 (strat.stop = structure)."),
    (setup("3-2U-?", "3-2-2", "short", two_sided=False), 4, "Target: the low of C2, 91."),
    (setup("3-?", "3-2"), 0, "Family 3-2 of strat.md 2: C1 is a 3."),
    (setup("3-?", "3-2"), 4,
     "Target: the smaller of 1.5 × the risk beyond the trigger and 1.5 % of the trigger beyond it, 109."),
    (setup("1-2D-?", "rev-strat", measured=True), 4,
     "Target: measured, 1.5 × the risk beyond the trigger, for the high of C2 is not beyond it, 109."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "place", "said"), TOLD)
def test_a_setup_names_its_rule_and_where_its_levels_come_from(given: Setup, place: int, said: str) -> None:
    assert reasons(given, StratRules())[place] == said


def test_the_settings_of_stop_and_target_change_what_is_said() -> None:
    rules = StratRules(stop="setup_bar", outside_target="percent")
    assert "the low of C1, 93 (strat.stop = setup_bar)" in reasons(setup("3-1-?", "3-1"), rules)[3]
    assert reasons(setup("3-?", "3-2"), rules)[4] == "Target: 1.5 % of the trigger beyond it, 109."


def test_every_row_of_the_table_has_words() -> None:
    for row in TABLE:
        for side in row.sides:
            named = row.setup_bar if not row.named else f"{row.before[0]}-{row.setup_bar}"
            assert len(reasons(setup(f"{named}-?", row.family, side), StratRules())) == 5
