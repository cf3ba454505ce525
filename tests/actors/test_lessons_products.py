"""Lessons about the bars behind a signal: neighbours across a gap, and that the raw bars are kept."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from actors.messages import BarClosed, SetupsReplaced, decode, encode
from atlas.market.bar import Bar
from atlas.rules import Rules
from atlas.strat.series import Series
from tests.actors.scene import BIP, HOURLY, INSIDE, REVERSAL, Row, Scene, at, bars

HOURS = Rules(strat=HOURLY)
FRIDAY = datetime(2026, 3, 6, 20, tzinfo=UTC)
"""Two hours before the break, 17:00 to 18:00 in New York."""


def test_lesson_62_the_bar_after_the_break_is_typed_against_the_bar_before_it() -> None:
    scene = Scene(rules=HOURS)
    for hours, prices in ((0, (60000, 60500)), (1, (60200, 60400)), (3, (60300, 60450)), (4, (60300,))):
        for minutes, price in enumerate(prices):
            scene.trade(price, FRIDAY + timedelta(hours=hours, minutes=minutes))
    told = {event.bar.open_time.hour: event for event in scene.events(BarClosed) if event.bar.open_time >= FRIDAY}
    assert {hour: event.type for hour, event in told.items()} == {20: "1", 21: "1", 23: "2U"}
    after = scene.events(SetupsReplaced)[-1]
    assert {setup.name for setup in after.setups} == {"1-2U-?"}
    assert [bar.open_time.hour for bar in after.bars] == [20, 21, 23]


def reread(told: tuple[Bar, ...]) -> Series:
    return Series.from_bars(BIP, "1h", told, HOURLY)


RUN: tuple[Row, ...] = (
    (60000, 61000, 59000, 60500),
    (60500, 62000, 59500, 61500),
    *((61000, 61900 - 10 * step, 59600 + 10 * step, 61200) for step in range(7)),
)
"""A 2U and a run of seven 1s."""


@pytest.mark.parametrize(("rows", "count"), [(REVERSAL, 3), (INSIDE, 3), (RUN, 9)], ids=["2-2", "2-1", "a long run"])
def test_lesson_67_the_raw_bars_behind_a_signal_are_stored_with_it(rows: tuple[Row, ...], count: int) -> None:
    event = Scene(rows).one(SetupsReplaced)
    kept = decode(encode(event)).bars
    assert kept == bars(rows)[-count:]
    closed = reread(kept).closed
    assert closed is not None
    assert closed.setups == event.setups != ()


def test_lesson_67_they_grow_with_a_run_of_inside_bars_that_closes_live() -> None:
    scene = Scene(INSIDE)
    for hour in range(6):
        scene.bar((61000, 61700 - 10 * hour, 60100 + 10 * hour, 61200), at(60 * hour))
    scene.trade(61000, at(360))
    event = scene.events(SetupsReplaced)[-1]
    assert {setup.name for setup in event.setups} == {"2U-1-1-1-1-1-1-1-?"}
    assert len(event.bars) == 9
    closed = reread(event.bars).closed
    assert closed is not None
    assert closed.setups == event.setups


def test_a_close_without_setups_keeps_no_bars_with_it() -> None:
    scene = Scene(((60000, 61000, 59000, 60500), (60500, 60900, 59500, 60800)))
    event = scene.one(SetupsReplaced)
    assert (event.setups, event.bars) == ((), ())
    assert Decimal(60900) == scene.kit.state(f"scanner:{BIP}").frames["1h"].recent[-1].high
