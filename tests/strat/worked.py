"""Worked cases of the project's own: bars as a trader draws them, and what they are and allow.

Rows are open, high, low, close; each case begins with `first`, the bar without a type. Stops are those of the setting
`structure`. `of` names the cases of the shared golden folder that a case tells in our words; where strat.md overrules
one, `overruled` is the line of strat.md that does.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Row = tuple[float, float, float, float]
Levels = tuple[float, float, float]

BEFORE: Row = (50, 60, 40, 52)


class Worked(NamedTuple):
    """`types` of the bars after `first`, and the setups of the setup bar: name and, a side, trigger, stop, target.

    The setup bar is the last one; with `entered` or `entry_bar` the last is the entry bar and the one before it the
    setup bar. `entered` is the resolved name. `labels` are those of the last bar, `shape` that of the setup bar.
    """

    name: str
    rows: list[Row]
    types: str
    setup: str = ""
    long: Levels | None = None
    short: Levels | None = None
    of: str = ""
    first: Row = BEFORE
    entered: str = ""
    entry_bar: bool = False
    labels: Mapping[str, Any] = MappingProxyType({})
    overruled: str = ""


TYPES = [
    Worked("the first bar has no type", [], "", of="first_bar_has_no_type"),
    Worked("within both extremes is inside", [(51, 59, 41, 55)], "1", of="inside_strict"),
    Worked("an equal high is no break", [(51, 60, 41, 55)], "1", of="equal_high_is_not_a_break"),
    Worked("both extremes equal is inside", [(50, 60, 40, 45)], "1", of="identical_range_is_inside"),
    Worked("a higher high and a higher low is a 2U", [(51, 61, 41, 58)], "2U", of="2U_basic"),
    Worked("one tick over an equal low is a 2U", [(50, 60.01, 40, 55)], "2U",
           of="one_tick_break_counts 2U_with_equal_low"),
    Worked("one tick under an equal high is a 2D", [(50, 60, 39.99, 45)], "2D", of="2D_with_equal_high"),
    Worked("a whole bar above the last is a 2U, gap or not", [(65, 70, 62, 66)], "2U"),
    Worked("a whole bar below the last is a 2D", [(38, 39, 35, 36)], "2D", of="gap_down_whole_bar_below_prior_is_2D"),
    Worked("both extremes taken is a 3", [(50, 61, 39, 58)], "3", "3-?", (61, 39, 61.915), (39, 61, 38.415),
           of="outside_basic"),
    Worked("a gap up that sells through the old low is a 3", [(62, 63, 39, 41)], "3", "3-?", (63, 39, 63.945),
           (39, 63, 38.415), of="gap_up_then_sells_through_prior_low_is_3"),
    Worked("a single price is a bar like any other", [(50, 50, 50, 50)], "1", of="zero_range_bar_inside"),
    Worked("each inside bar is measured against the one before it", [(50, 58, 42, 51), (50, 57, 43, 51),
                                                                     (50, 57.5, 43, 51)], "1 1 2U", "1-2U-?",
           short=(43, 57.5, 21.25)),
    Worked("three 1s in the first bar are nothing but inside it", [(50, 58, 42, 51), (50, 57, 43, 51),
                                                                   (50, 56, 44, 51)], "1 1 1",
           of="inside_stack_each_vs_immediate_prior", labels={"mother": (60, 40)}),
    Worked("inside bars from the first bar on are nothing", [(50, 58, 42, 51), (50, 57, 43, 51)], "1 1"),
]  # fmt: skip
SETUPS = [
    Worked("2-1-2 up or down after a 2D", [(48, 58, 34, 36), (38, 50, 36, 44)], "2D 1", "2D-1-?", (50, 34, 58),
           (36, 58, 34), of="21_pending_setup_both_sides"),
    Worked("2-1-2 up or down after a 2U", [(52, 66, 44, 64), (60, 63, 48, 55)], "2U 1", "2U-1-?", (63, 44, 66),
           (48, 66, 44)),
    Worked("2-1-2 up out of a 2D", [(46, 56, 30, 34), (36, 46, 34, 44), (44, 48, 38, 47)], "2D 1 2U", "2D-1-?",
           (46, 30, 56), (34, 56, 30), entered="2D-1-2U", of="212_bull_reversal"),
    Worked("2-1-2 down out of a 2U", [(56, 70, 50, 68), (66, 68, 58, 60), (60, 62, 54, 56)], "2U 1 2D", "2U-1-?",
           (68, 50, 70), (58, 70, 50), entered="2U-1-2D", of="212_bear_reversal"),
    Worked("2-1-2 down, going on from a 2D", [(44, 48, 30, 32), (34, 44, 32, 36), (34, 36, 26, 28)], "2D 1 2D",
           "2D-1-?", (44, 30, 48), (32, 48, 30), entered="2D-1-2D", of="212_bear_continuation"),
    Worked("2-1-2 up from a small bar at the low", [(46, 52, 33, 35), (36, 37, 34, 34.5), (36, 39, 35, 38)],
           "2D 1 2U", "2D-1-?", (37, 33, 52), (34, 52, 33), entered="2D-1-2U", of="SPY_2021_11_12_212_bull"),
    Worked("an inside bar that shares its high has a measured target", [(48, 56, 30, 34), (36, 56, 34, 42),
                                                                        (44, 58, 38, 57)], "2D 1 2U", "2D-1-?",
           (56, 30, 95), (34, 56, 30), entered="2D-1-2U", of="212_inside_shares_high_magnitude_invalid",
           overruled="A target that is not strictly beyond the trigger becomes trigger ± 1.5 × risk"),
    Worked("3-1-2 after a red 3", [(58, 64, 36, 38), (42, 52, 40, 50)], "3 1", "3-1-?", (52, 36, 64), (40, 64, 36)),
    Worked("3-1-2 after a green 3", [(42, 64, 36, 62), (60, 62, 50, 56)], "3 1", "3-1-?", (62, 36, 64), (50, 64, 36)),
    Worked("3-1-2 up out of a red 3", [(56, 66, 34, 36), (42, 52, 40, 50), (50, 56, 46, 54)], "3 1 2U", "3-1-?",
           (52, 34, 66), (40, 66, 34), entered="3-1-2U", of="312_bull_reversal_red3"),
    Worked("3-1-2 up out of a green 3", [(42, 66, 34, 64), (60, 62, 50, 58), (58, 64, 54, 62)], "3 1 2U", "3-1-?",
           (62, 34, 66), (50, 66, 34), entered="3-1-2U", of="312_bull_continuation_green3"),
    Worked("3-1-2 down out of a green 3", [(42, 66, 34, 64), (60, 62, 50, 58), (56, 58, 46, 48)], "3 1 2D", "3-1-?",
           (62, 34, 66), (50, 66, 34), entered="3-1-2D", of="312_bear_reversal_green3"),
    Worked("a gap beyond trigger and target moves neither", [(61, 63, 33, 50), (43, 48, 36, 38), (30, 35, 28, 34)],
           "3 1 2D", "3-1-?", (48, 33, 63), (36, 63, 33), entered="3-1-2D", of="SPY_2022_11_17_312_bear"),
    Worked("two 1s: triggers of the last, stop and target of the 3", [(42, 64, 36, 62), (60, 62, 50, 56),
                                                                      (56, 61, 51, 57)], "3 1 1", "3-1-1-?",
           (61, 36, 64), (51, 64, 36)),
    Worked("2-2 down out of an advance", [(54, 68, 50, 66), (66, 76, 62, 74), (74, 75, 60, 61)], "2U 2U 2D", "2U-2U-?",
           short=(62, 76, 50), entered="2U-2U-2D", of="22_bear_reversal"),
    Worked("2-2 down from a small bar on top", [(59, 62, 57, 60), (60.5, 66, 58.5, 64), (63, 64, 52, 53)], "2U 2U 2D",
           "2U-2U-?", short=(58.5, 66, 57), entered="2U-2U-2D", of="SPY_2021_08_26_22_bear"),
    Worked("2-2 up after a failed advance", [(54, 68, 50, 66), (64, 67, 47, 49), (51, 68.5, 49, 68)], "2U 2D 2U",
           "2U-2D-?", long=(67, 47, 68), entered="2U-2D-2U", of="22_after_2U_ref"),
    Worked("2-2 up after a failed second 2U", [(54, 68, 50, 66), (64, 76, 60, 74), (72, 75, 58, 59), (61, 77, 60, 76)],
           "2U 2U 2D 2U", "2U-2D-?", long=(75, 58, 76), entered="2U-2D-2U", of="randy_jackson_bull"),
    Worked("2-2 up out of a decline", [(46, 50, 34, 36), (36, 44, 28, 30)], "2D 2D", "2D-2D-?", long=(44, 28, 50)),
    Worked("2-2 up after a bar that gapped down", [(48, 58, 34, 36), (32, 46, 28, 42), (42, 52, 38, 50)], "2D 2D 2U",
           "2D-2D-?", long=(46, 28, 58), entered="2D-2D-2U", of="SPY_2021_08_20_22_bull"),
    Worked("2-2 down after a failed decline", [(46, 50, 34, 36), (36, 52, 35, 51)], "2D 2U", "2D-2U-?",
           short=(35, 52, 34)),
    Worked("2-2 down out of a shooter", [(51, 61, 41, 59), (58, 70, 57, 57.5), (57, 58, 50, 52)], "2U 2U 2D", "2U-2U-?",
           short=(57, 70, 41), entered="2U-2U-2D", labels={"shape": "shooter"}),
    Worked("a shooter after the first bar is no setup", [(58, 70, 57, 57.5), (57, 58, 50, 52)], "2U 2D",
           first=(50, 60, 40, 58), entry_bar=True, labels={"shape": "shooter"}, of="shooter_entry_short",
           overruled="C1 must have a type, and C2 where the table names it"),
    Worked("3-2-2 down", [(56, 66, 34, 60), (60, 74, 58, 70), (68, 72, 56, 57)], "3 2U 2D", "3-2U-?",
           short=(58, 74, 34), entered="3-2U-2D", of="322_bear_reversal"),
    Worked("3-2-2 up", [(54, 66, 34, 40), (40, 44, 30, 32)], "3 2D", "3-2D-?", long=(44, 30, 66)),
    Worked("the break of a 3 upward, with a target of its own", [(46, 66, 34, 64), (64, 70, 58, 68)], "3 2U", "3-?",
           (66, 34, 66.99), (34, 66, 33.49), entered="3-2U", of="32_bull",
           overruled="trigger + the smaller of 1.5 × risk and 1.5 % of the trigger"),
    Worked("the break of a 3 downward, with a target of its own", [(46, 66, 34, 64), (60, 64, 32, 33)], "3 2D", "3-?",
           (66, 34, 66.99), (34, 66, 33.49), entered="3-2D", of="32_bear_reversal_of_green3",
           overruled="trigger + the smaller of 1.5 × risk and 1.5 % of the trigger"),
    Worked("a 3 after a 3 is a 3", [(50, 62, 38, 60), (60, 63, 37, 38)], "3 3", "3-?", (63, 37, 63.945),
           (37, 63, 36.445)),
    Worked("inside, outside, inside is a 3-1", [(52, 56, 44, 50), (50, 57, 43, 44), (46, 54, 45, 53)], "1 3 1", "3-1-?",
           (54, 43, 57), (45, 57, 43), of="ioi_pending"),
    Worked("rev strat up, and the rung beyond its target", [(52, 56, 44, 50), (50, 53, 42, 43), (44, 54, 43, 53.8)],
           "1 2D 2U", "1-2D-?", long=(53, 42, 56), entered="1-2D-2U", labels={"ladder": (60,)}, of="122_bull_revstrat"),
    Worked("rev strat down, and the rung beyond its target", [(49, 56, 44, 47), (48, 58, 46, 57),
                                                              (56, 57, 44.5, 45)], "1 2U 2D", "1-2U-?",
           short=(46, 58, 44), entered="1-2U-2D", labels={"ladder": (40,)}, of="122_bear_revstrat"),
]  # fmt: skip
NO_ENTRIES = [
    Worked("a 2U that goes on is held, and sold only at its low", [(54, 68, 50, 66), (64, 76, 60, 74)], "2U 2U",
           "2U-2U-?", short=(60, 76, 50), labels={"continuation": "2U-2U"}, of="22_continuation_no_entry",
           overruled="Continuations (`2U-2U`, `2D-2D`, `3-2U-2U`, `3-2D-2D`) are never entries."),
    Worked("a 1 that becomes a 3, high first, is no entry", [(52, 56, 46, 53), (53, 58, 44, 45)], "1 3", entry_bar=True,
           labels={"midpoint": 51, "first": "long"}, of="13_bear_high_first",
           overruled="A run of 1s with no typed 2 or 3 before it gives nothing."),
    Worked("a 2D that becomes a 3, low first, is no entry", [(46, 56, 30, 34), (36, 58, 28, 57)], "2D 3",
           entry_bar=True, labels={"midpoint": 43, "first": "short"}, of="23_outside_reversal_2d_3u",
           overruled="For one-sided setups the opposite break first kills the setup"),
    Worked("a gap that turns the color is no entry", [(44, 44.5, 40, 41)], "2D", first=(46, 55, 45, 54),
           of="kicker_bear_full_gap", overruled="Gaps have no special type."),
]  # fmt: skip
LABELS = [
    Worked("a 2U within the mother bar", [(50, 56, 44, 52), (52, 58, 45, 57)], "1 2U", "1-2U-?", short=(45, 58, 44),
           labels={"mother": (60, 40)}, of="2U_vs_inside_but_still_in_motherbar"),
    Worked("a 2U beyond the mother bar", [(50, 56, 44, 52), (52, 61, 45, 60)], "1 2U", "1-2U-?", short=(45, 61, 44),
           labels={"mother": None}, of="motherbar_resolved_by_break"),
    Worked("a green 2D that closes back inside has failed both ways", [(43, 58, 39, 55)], "2D",
           labels={"failed": (True, True), "midpoint": 50}, of="F2D_green_close_inside"),
    Worked("a red 2U that holds the high has failed by color only", [(63, 64, 60.5, 61)], "2U",
           labels={"failed": (True, False), "in_force": True}, of="2U_red_but_holds_above_prior_high"),
    Worked("a green 2U back inside has failed by reclaim only", [(52, 61, 51, 55)], "2U",
           labels={"failed": (False, True), "in_force": False}, of="2U_green_but_closes_back_inside"),
    Worked("a 3 never is a failed 2", [(58, 61, 39, 44)], "3", "3-?", (61, 39, 61.915), (39, 61, 38.415),
           labels={"failed": (False, False)}, of="outside_bar_is_never_failed2"),
    Worked("a hammer", [(56, 57, 41, 56.5)], "1", labels={"shape": "hammer"}, of="hammer_clear"),
    Worked("a red hammer", [(56.5, 57, 41, 56)], "1", labels={"shape": "hammer"}, of="hammer_green_or_red_both_ok"),
    Worked("34 % is no hammer", [(54.6, 58, 48, 56)], "1", labels={"shape": None}, of="hammer_boundary_fail"),
    Worked("a shooter", [(42, 57, 41.5, 42.5)], "1", labels={"shape": "shooter"}, of="shooter_clear"),
    Worked("a full body has no shape", [(41.5, 58.5, 41.5, 58.5)], "1", labels={"shape": None},
           of="full_body_is_neither"),
    Worked("five lower highs", [(51, 59, 48, 49), (49, 58, 46, 47), (47, 57, 44, 45), (45, 56, 42, 43),
                                (43, 55, 40, 41)], "2D 2D 2D 2D 2D", "2D-2D-?", long=(55, 40, 56),
           first=(50, 60, 50, 51), labels={"gun": "long", "run": 5, "ladder": (57, 58, 59, 60)},
           of="pmg_bull_5_lower_highs"),
    Worked("an equal high ends the run", [(51, 59, 48, 49), (49, 58, 46, 47), (47, 58, 44, 45), (45, 56, 42, 43),
                                          (43, 55, 40, 41)], "2D 2D 2D 2D 2D", "2D-2D-?", long=(55, 40, 56),
           first=(50, 60, 50, 51), labels={"gun": None, "run": 2}, of="pmg_equal_high_breaks_run"),
    Worked("five higher lows", [(41, 44, 32, 43), (43, 46, 34, 45), (45, 48, 36, 47), (47, 50, 38, 49),
                                (49, 52, 40, 51)], "2U 2U 2U 2U 2U", "2U-2U-?", short=(40, 52, 38),
           first=(40, 42, 30, 41), labels={"gun": "short", "run": 5, "ladder": (36, 34, 32, 30)},
           of="pmg_bear_5_higher_lows"),
]  # fmt: skip
CASES = [*TYPES, *SETUPS, *NO_ENTRIES, *LABELS]


class Aligned(NamedTuple):
    """Opens of 1M, 1w, 1d and 1h, a price, how many agree with long and with short, and the side of all, if any."""

    name: str
    opens: tuple[float, float, float, float]
    price: float
    agree: tuple[int, int]
    full: str | None
    of: str
    overruled: str = ""


CONTINUITY = [
    Aligned("above every open", (40, 45, 48, 50.5), 51, (4, 0), "long", "ftfc_up"),
    Aligned("below every open", (40, 45, 48, 50.5), 39, (0, 4), "short", "ftfc_down"),
    Aligned("only the hour against", (40, 45, 48, 50.5), 50, (3, 1), None, "conflict_60_red"),
    Aligned("at the week's open, which agrees with neither", (40, 45, 44, 44), 45, (3, 0), None,
            "equal_to_an_open_is_conflict"),
    Aligned("day and hour against month and week", (46, 45, 43, 43.5), 44, (2, 2), None,
            "override_D_and_60_vs_W_M", "All frames agree → full size; at least the minimum → half size"),
]  # fmt: skip
