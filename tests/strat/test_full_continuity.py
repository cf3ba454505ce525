"""Full timeframe continuity as it comes, goes and flips; and how many opens are really several (strat.md 4)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.errors import ConfigurationError
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.strat.continuity import (
    FULL_FRAMES,
    FrameView,
    FullContinuity,
    full_levels,
    full_side,
    independent_opens,
    own_opens,
    read,
)

THURSDAY = datetime(2026, 1, 1, tzinfo=UTC)
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
"""Also the first of a month."""


def hours(*opened: datetime) -> list[Bar]:
    """A bar of an hour at each of the times."""
    one = Decimal(1)
    return [Bar("1h", at, at + timedelta(hours=1), one, one, one, one, one) for at in opened]


def every_hour(since: datetime, until: datetime) -> list[Bar]:
    count = int((until - since) / timedelta(hours=1)) + 1
    return hours(*(since + timedelta(hours=number) for number in range(count)))


# ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_other_side_is_a_flip_also_after_disagreement_and_the_same_side_is_not() -> None:
    told = FullContinuity()
    sides = (None, "long", "long", None, "long", None, None, "short", "long", None, "long")
    assert [told.turn(side) for side in sides] == [
        None, "gained", None, "lost", "gained", "lost", None, "flipped", "flipped", "lost", "gained",
    ]  # fmt: skip
    assert (told.side, told.last) == ("long", "long")


def test_what_was_last_survives_being_written_and_read() -> None:
    told = FullContinuity()
    told.turn("short")
    told.turn(None)
    again = msgspec.json.decode(msgspec.json.encode(told), type=FullContinuity)
    assert again.turn("long") == "flipped"


def test_a_price_that_falls_through_the_opens_loses_and_then_flips_it() -> None:
    opens = dict(zip(FULL_FRAMES, (90, 95, 99, 98), strict=True))
    frames = [FrameView(name, *(Decimal(at),) * 4, None, None) for name, at in opens.items()]
    told = FullContinuity()
    turns = {price: told.turn(full_side(Decimal(price), frames)) for price in (100, 99, 91, 90, 89, 88)}
    assert turns == {100: "gained", 99: "lost", 91: None, 90: None, 89: "flipped", 88: None}


# ── independent opens ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_month_that_begins_on_a_monday_opens_all_frames_on_one_print() -> None:
    assert independent_opens(FULL_FRAMES, MONDAY + timedelta(minutes=30), hours(MONDAY)) == 1


def test_after_the_first_hour_the_hour_has_an_open_of_its_own() -> None:
    bars = hours(MONDAY, MONDAY + timedelta(hours=1))
    assert independent_opens(FULL_FRAMES, MONDAY + timedelta(hours=1, minutes=1), bars) == 2


def test_in_mid_month_all_four_opens_are_independent() -> None:
    at = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
    assert independent_opens(FULL_FRAMES, at, every_hour(THURSDAY, at)) == 4


def test_periods_that_began_without_trades_open_on_the_same_later_print() -> None:
    """Nothing traded on the Monday until five: the day and the hour open there, and the week with them."""
    at = datetime(2026, 1, 12, 5, 30, tzinfo=UTC)
    earlier = every_hour(THURSDAY, datetime(2026, 1, 11, 23, tzinfo=UTC))
    assert independent_opens(FULL_FRAMES, at, [*earlier, *hours(at.replace(minute=0))]) == 2


def test_a_period_without_a_trade_has_no_open() -> None:
    at = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
    assert independent_opens(FULL_FRAMES, at, every_hour(THURSDAY, at - timedelta(hours=1))[:-1]) == 3
    assert independent_opens(FULL_FRAMES, at, []) == 0


def test_an_unknown_timeframe_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="60"):
        independent_opens(("60",), MONDAY, hours(MONDAY))


# ── the same, as the scanner has them ───────────────────────────────────────────────────────────────────────────────


def view(timeframe: str, opened: int | None, *, known: bool = True) -> FrameView:
    price = None if opened is None else Decimal(opened)
    return FrameView(timeframe, price, price, price, price, None, None, known)


@given(
    st.lists(st.one_of(st.none(), st.integers(95, 105)), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(94, 106),
    st.integers(1, 4),
)
def test_the_side_is_that_of_the_lowest_and_the_highest_open(
    opens: list[int | None], known: list[bool], price: int, given_frames: int
) -> None:
    frames = [view(*each[:2], known=each[2] or price % 2 == 0) for each in zip(FULL_FRAMES, opens, known, strict=True)]
    frames = [*frames[:given_frames], view("15m", 120)]
    levels = full_levels(frames)
    found = None if levels is None else "short" if price < levels[0] else "long" if price > levels[1] else None
    assert found == full_side(Decimal(price), frames)


def as_of(at: datetime, trades: list[datetime]) -> list[FrameView]:
    """The four frames at that time, each with its first trade."""
    found = []
    for name in FULL_FRAMES:
        opened = period(name, at)[0]
        began = next((trade for trade in trades if trade >= opened), None)
        price = None if began is None else Decimal(1)
        found.append(FrameView(name, price, price, price, price, None, None, True, opened, began))
    return found


@settings(max_examples=300)
@given(st.sets(st.integers(0, 24 * 40), max_size=12), st.integers(0, 24 * 40))
def test_the_number_of_independent_opens_is_told_by_when_the_periods_began(traded: set[int], now: int) -> None:
    at = datetime(2026, 1, 20, tzinfo=UTC) + timedelta(hours=now, minutes=59)
    trades = [datetime(2026, 1, 20, tzinfo=UTC) + timedelta(hours=hour) for hour in sorted(traded) if hour <= now]
    before = hours(datetime(2025, 12, 31, 23, tzinfo=UTC))
    assert own_opens(as_of(at, trades)) == independent_opens(FULL_FRAMES, at, [*before, *hours(*trades)])


def test_an_open_that_is_not_known_is_none_of_them() -> None:
    at = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
    frames = as_of(at, [bar.open_time for bar in every_hour(THURSDAY, at)])
    assert own_opens(frames) == 4
    assert own_opens([msgspec.structs.replace(frames[0], known=False), *frames[1:]]) == 3


def test_a_reading_carries_the_number_and_none_where_nobody_can_tell() -> None:
    at = datetime(2026, 6, 1, 1, 30, tzinfo=UTC)
    frames = as_of(at, [MONDAY, MONDAY + timedelta(hours=1)])
    assert read("long", Decimal(2), frames, 3).opens == 2
    assert read("long", Decimal(2), [view("1d", 1)], 1).opens is None
