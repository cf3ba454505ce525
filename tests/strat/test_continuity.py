"""Timeframe continuity in both modes, at detection and at the trigger."""

from decimal import Decimal

import msgspec
import pytest

from atlas.errors import ConfigurationError
from atlas.rules import CONTINUITY_FRAMES, StratRules
from atlas.strat.continuity import FrameView, full_side, read, read_both, validate

UNSEEN = FrameView("1d", None, None, None, None, None, None, known=False)


def frame(timeframe="1d", opened=100, high=104, low=97, prior_high=105, prior_low=95) -> FrameView:
    """A frame whose current period is inside the bar before it, unless told otherwise."""
    levels = (opened, high, low, high, prior_high, prior_low)
    return FrameView(timeframe, *(None if level is None else Decimal(level) for level in levels))


def opens(**by_frame: int) -> list[FrameView]:
    return [frame(name.removeprefix("f"), opened) for name, opened in by_frame.items()]


def test_price_strictly_beyond_the_open_agrees() -> None:
    frames = opens(f1M=90, f1w=95, f1d=99, f1h=101)
    long, short = (read(side, Decimal(100), frames, 3) for side in ("long", "short"))
    assert (long.agree, long.disagree, long.unknown) == (("1M", "1w", "1d"), ("1h",), ())
    assert (short.agree, short.disagree) == (("1h",), ("1M", "1w", "1d"))
    assert (long.score, long.enough, long.full) == ("3/4", True, False)
    assert (short.score, short.enough) == ("1/4", False)


@pytest.mark.parametrize("mode", ["open", "type"])
def test_both_sides_at_once_are_the_two_readings(mode) -> None:
    frames = [frame("1w", 95, low=94), frame("1d", 101, high=106), UNSEEN, frame("1h", 99)]
    both = read_both(Decimal(100), frames, 3, mode)
    assert both == tuple(read(side, Decimal(100), frames, 3, mode) for side in ("long", "short"))
    assert both[0].agree != both[1].agree


def test_a_price_equal_to_the_open_agrees_with_neither() -> None:
    for side in ("long", "short"):
        assert read(side, Decimal("100.00"), [frame(opened=100)], 1).agree == ()


def test_lesson_41_nothing_agreeing_is_0_of_4() -> None:
    reading = read("short", Decimal(100), opens(f1M=90, f1w=95, f1d=99, f1h=98), 3)
    assert reading.score == "0/4"


@pytest.mark.parametrize(
    ("high", "low", "price", "agrees"),
    [
        (106, 97, 104, "long"),
        (104, 94, 96, "short"),
        (104, 97, 103, None),
        (105, 95, 103, None),
        (106, 94, 101, "long"),
        (106, 94, 99, "short"),
        (106, 94, 100, None),
    ],
)
def test_lesson_42_43_type_mode_reads_the_forming_bar_and_a_3_by_its_color(high, low, price, agrees) -> None:
    view = frame(high=high, low=low)
    for side in ("long", "short"):
        assert (read(side, Decimal(price), [view], 1, "type").agree == ("1d",)) == (side == agrees)


def test_type_mode_includes_the_triggering_trade() -> None:
    inside = frame(high=105)
    assert read("long", Decimal(105), [inside], 1, "type").agree == ()
    assert read("long", Decimal("105.01"), [inside], 1, "type").agree == ("1d",)
    took_the_low = frame(high=105, low=94)
    assert read("long", Decimal("105.01"), [took_the_low], 1, "type").agree == ("1d",), "now a green 3"


def test_lesson_44_a_day_that_has_already_broken_yesterdays_low_counts_as_2d() -> None:
    assert read("short", Decimal(99), [frame(low=94)], 1, "type").agree == ("1d",)


def test_lesson_46_a_frame_without_history_is_unknown_and_the_denominator_stays() -> None:
    frames = [msgspec.structs.replace(UNSEEN, timeframe="1M"), *opens(f1w=95, f1d=99, f1h=98)]
    for mode in ("open", "type"):
        reading = read("long", Decimal(100), frames, 3, mode)
        assert reading.unknown == ("1M",)
        assert reading.score.endswith("/4")
        assert not reading.full
    assert read("long", Decimal(100), frames, 3).enough


def test_a_forming_period_whose_open_was_not_seen_is_unknown_even_with_trades() -> None:
    seen_late = msgspec.structs.replace(frame(high=106), known=False)
    for mode in ("open", "type"):
        assert read("long", Decimal(107), [seen_late], 1, mode).unknown == ("1d",)


def test_type_mode_without_a_closed_bar_is_unknown_and_open_mode_is_not() -> None:
    first = frame(prior_high=None, prior_low=None)
    assert read("long", Decimal(101), [first], 1, "type").unknown == ("1d",)
    assert read("long", Decimal(101), [first], 1).agree == ("1d",)


def test_a_period_without_a_trade_agrees_with_neither() -> None:
    untraded = frame(opened=None, high=None, low=None)
    for mode in ("open", "type"):
        for side in ("long", "short"):
            assert read(side, Decimal(200), [untraded], 1, mode).disagree == ("1d",)


@pytest.mark.parametrize("mode", ["open", "type"])
@pytest.mark.parametrize(("side", "price"), [("long", "105.5"), ("short", "94.5")])
def test_lesson_51_at_the_break_the_detection_frame_agrees(mode, side, price) -> None:
    # The entry bar opened inside the setup bar, whose range is 95 to 105, and now takes one side of it.
    assert read(side, Decimal(price), [frame("1h")], 1, mode).agree == ("1h",)


def test_lesson_51_except_in_mode_open_when_the_first_trade_of_the_period_is_itself_the_break() -> None:
    gap = frame("1h", opened=107, high=107, low=107)
    assert read("long", Decimal(107), [gap], 1).agree == ()
    assert read("long", Decimal(107), [gap], 1, "type").agree == ("1h",)


def test_lesson_49_the_side_asked_for_is_the_side_measured() -> None:
    frames = opens(f1M=110, f1w=105, f1d=99)
    assert read("short", Decimal(100), frames, 2).agree == ("1M", "1w")
    assert read("long", Decimal(100), frames, 2).agree == ("1d",)


@pytest.mark.parametrize("timeframe", CONTINUITY_FRAMES)
def test_lesson_45_47_full_agreement_is_full_and_enough_on_every_timeframe(timeframe) -> None:
    names, needed = CONTINUITY_FRAMES[timeframe]
    reading = read("long", Decimal(101), [frame(name) for name in names], needed)
    assert reading.frames == names
    assert reading.full
    assert reading.enough


@pytest.mark.parametrize("timeframe", CONTINUITY_FRAMES)
def test_one_below_the_minimum_is_not_enough_on_any_timeframe(timeframe) -> None:
    names, needed = CONTINUITY_FRAMES[timeframe]
    frames = [frame(name, 100 if i < needed - 1 else 102) for i, name in enumerate(names)]
    assert not read("long", Decimal(101), frames, needed).enough


def test_lesson_45_detecting_on_a_frame_without_a_row_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"6h.*add a row"):
        validate(StratRules(timeframes=("1h", "6h")))


def test_a_row_can_be_added() -> None:
    validate(StratRules(timeframes=("6h",), continuity={"6h": (("1w", "1d", "6h"), 2)}))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (StratRules(timeframes=("1H",)), "unknown timeframe '1H'"),
        (StratRules(continuity_mode="color"), "continuity_mode = 'color'"),
        (StratRules(timeframes=("1h",), continuity={"1h": (("1d", "60"), 1)}), "unknown timeframe '60'"),
        (StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), 3)}), "minimum of 3"),
        (StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), 0)}), "minimum of 0"),
        (StratRules(timeframes=("1h",), continuity={"1h": ((), 1)}), "minimum of 1"),
        (StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1d"), 2)}), "twice"),
    ],
)
def test_a_rule_that_cannot_be_measured_or_met_is_a_configuration_error(rules, said) -> None:
    with pytest.raises(ConfigurationError, match=said):
        validate(rules)


def test_the_defaults_are_valid_and_are_the_table_of_the_spec() -> None:
    validate(StratRules())
    validate(StratRules(timeframes=tuple(CONTINUITY_FRAMES)))


def test_an_unknown_mode_is_not_measured_as_another() -> None:
    with pytest.raises(ConfigurationError, match="'either'"):
        read("long", Decimal(1), [frame()], 1, "either")


def test_full_continuity_needs_all_four_frames_on_one_side() -> None:
    frames = opens(f1M=90, f1w=95, f1d=99, f1h=98)
    assert full_side(Decimal(100), frames) == "long"
    assert full_side(Decimal(89), frames) == "short"
    assert full_side(Decimal(98), frames) is None
    assert full_side(Decimal(100), frames[1:]) is None, "the month is not given"
    assert full_side(Decimal(100), [msgspec.structs.replace(UNSEEN, timeframe="1M"), *frames[1:]]) is None
    assert full_side(Decimal(100), [*frames, frame("15m", 120)]) == "long", "other frames have no say"
