"""Continuity where something is just enough, or just one thing is missing."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations

import msgspec
import pytest

from atlas.rules import StratRules
from atlas.strat.continuity import FrameView, full_levels, full_side, own_opens, read, validate

MIDNIGHT = datetime(2026, 1, 15, tzinfo=UTC)
TRADED = FrameView("1d", *(Decimal(level) for level in (100, 106, 96, 101, 105, 95)), True, MIDNIGHT, MIDNIGHT)
PRICE = Decimal(107)


def without(*fields: str) -> FrameView:
    return msgspec.structs.replace(TRADED, **dict.fromkeys(fields))


@pytest.mark.parametrize("mode", ["open", "type"])
def test_both_modes_of_the_spec_are_valid_settings(mode: str) -> None:
    validate(StratRules(continuity_mode=mode))


@pytest.mark.parametrize("minimum", [1, 2])
def test_a_minimum_of_one_frame_and_of_all_frames_can_be_met(minimum: int) -> None:
    validate(StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), minimum)}))


@pytest.mark.parametrize("missing", [("prior_high",), ("prior_low",), ("prior_high", "prior_low")])
def test_type_mode_is_unknown_without_either_extreme_of_the_bar_before(missing: tuple[str, ...]) -> None:
    assert read("long", PRICE, [without(*missing)], 1, "type").unknown == ("1d",)


@pytest.mark.parametrize("missing", [("high",), ("low",), ("high", "low")])
def test_type_mode_agrees_with_neither_without_either_extreme_of_the_period(missing: tuple[str, ...]) -> None:
    assert read("long", PRICE, [without(*missing)], 1, "type").disagree == ("1d",)


@pytest.mark.parametrize("missing", [("opened",), ("began",), ("opened", "began")])
def test_opens_are_not_counted_without_either_of_the_two_times(missing: tuple[str, ...]) -> None:
    assert own_opens([TRADED, without(*missing)]) is None
    assert own_opens([TRADED, msgspec.structs.replace(without(*missing), known=False)]) == 1


def test_no_frame_has_no_open() -> None:
    assert own_opens([]) == 0


def test_full_levels_are_the_lowest_and_the_highest_open_of_the_four_frames_and_of_no_other() -> None:
    opens = {"1M": 103, "1w": 90, "1d": 110, "1h": 100}
    frames = [msgspec.structs.replace(TRADED, timeframe=name, open=Decimal(at)) for name, at in opens.items()]
    other = msgspec.structs.replace(TRADED, timeframe="15m", open=Decimal(1))
    assert full_levels([*frames, other]) == (90, 110)
    assert full_levels(frames[1:]) is None
    assert full_levels([*frames[1:], other]) is None
    assert full_levels([*frames[1:], msgspec.structs.replace(frames[0], known=False)]) is None
    assert full_levels([*frames[1:], msgspec.structs.replace(frames[0], open=None)]) is None


@pytest.mark.parametrize(("price", "side"), [(89, "short"), (90, None), (100, None), (110, None), (111, "long")])
def test_full_continuity_is_beyond_the_levels_and_not_at_them(price: int, side: str | None) -> None:
    opens = {"1M": 103, "1w": 90, "1d": 110, "1h": 100}
    frames = [msgspec.structs.replace(TRADED, timeframe=name, open=Decimal(at)) for name, at in opens.items()]
    assert full_side(Decimal(price), frames) == side


@pytest.mark.parametrize("mode", ["open", "type"])
def test_each_frame_is_in_exactly_one_of_agree_disagree_and_unknown(mode: str) -> None:
    frames = [
        msgspec.structs.replace(TRADED, timeframe="1M", open=Decimal(50)),
        msgspec.structs.replace(TRADED, timeframe="1w", known=False),
        msgspec.structs.replace(TRADED, timeframe="1d", open=None, high=None, low=None, last=None),
    ]
    reading = read("long", PRICE, frames, 1, mode)
    assert (reading.agree, reading.disagree, reading.unknown) == (("1M",), ("1d",), ("1w",))


def test_independent_opens_are_the_same_in_whatever_order_the_frames_come() -> None:
    days = {"1M": 1, "1w": 12, "1d": 15}
    times = {name: datetime(2026, 1, day, tzinfo=UTC) for name, day in days.items()}
    frames = [msgspec.structs.replace(TRADED, timeframe=name, opened=at, began=at) for name, at in times.items()]
    for order in permutations(frames):
        assert own_opens(order) == 3
