"""The metrics kept while trades close are those of all trades at once."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import InternalError
from atlas.money.book import Position
from atlas.performance import DIMENSIONS, Performance, measure, measure_by
from atlas.running import RunningPerformance
from atlas.strat.setup import ContinuityReading, Side
from tests.test_performance import START, closed

ZONE = ZoneInfo("America/New_York")
SIDES: tuple[Side, ...] = ("long", "short")


@st.composite
def trades(draw: st.DrawFn) -> list[Position]:
    """Closed trades in any order: break-evens, trades without an R, exits at one instant, every group."""
    found: list[Position] = []
    for number in range(draw(st.integers(0, 12))):
        entry = START + timedelta(minutes=draw(st.integers(0, 6000)))
        side = draw(st.sampled_from(SIDES))
        reading = ContinuityReading(side, "open", ("1d", "4h"), ("1d", "4h")[: draw(st.integers(0, 2))], (), (), 2)
        found.append(
            closed(
                str(draw(st.sampled_from(["0", "-0.01", "30.5"]) | st.decimals("-900", "900", places=2))),
                number,
                side=side,
                timeframe=draw(st.sampled_from(["4h", "1d", "15m"])),
                first_stop=D(draw(st.sampled_from([68000, 67000, 67991]))),
                entry_time=entry,
                exit_time=entry + timedelta(minutes=draw(st.sampled_from([1, 60, 61, 4000]))),
                exit_reason=draw(st.sampled_from(["stop", "target"])),
                at_trigger=reading,
            )
        )
    return found


def without_exposure(metrics: Performance) -> Performance:
    return msgspec.structs.replace(metrics, exposure=None)


@given(trades(), st.data())
def test_trades_added_as_they_close_come_to_what_all_of_them_do(found: list[Position], data: Any) -> None:
    in_order = sorted(found, key=lambda each: (each.exit_time, each.id))
    running = RunningPerformance(D(10000), ZONE)
    while in_order:
        some = data.draw(st.integers(1, len(in_order)))
        running.add(data.draw(st.permutations(in_order[:some])))
        in_order = in_order[some:]
    assert running.metrics == without_exposure(measure(found, D(10000)))
    for dimension in DIMENSIONS:
        wanted = measure_by(dimension, found, D(10000), ZONE)
        assert running.by[dimension] == {name: without_exposure(each) for name, each in wanted.items()}
        assert list(running.by[dimension]) == list(wanted)


def test_what_was_told_before_stays_as_it_was() -> None:
    running = RunningPerformance(D(10000), ZONE)
    running.add([closed("100")])
    before = running.metrics, running.by
    running.add([closed("50", 1)])
    assert (before[0].trades, before[1]["side"]["long"].trades) == (1, 1)
    assert (running.metrics.trades, running.by["side"]["long"].trades) == (2, 2)


def test_a_trade_that_closed_before_one_that_is_there_is_refused() -> None:
    running = RunningPerformance(D(10000), ZONE)
    running.add([closed("100", 1)])
    with pytest.raises(InternalError, match="p0 did not close after p1"):
        running.add([closed("50", 0)])
    with pytest.raises(InternalError, match="p1 did not close after p1"):
        running.add([closed("50", 1)])
    assert running.metrics.trades == 1
