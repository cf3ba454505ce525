"""The completeness ledger in the database: what a bar's row says after each event, holes, and flagged positions."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select

from actors.messages import (
    BarClosed,
    BarConfirmed,
    BarContradicted,
    Event,
    HoleFound,
    HoleRepaired,
    PositionChanged,
    PositionDoubted,
)
from atlas.market.bar import Bar
from db.batch import batch_of
from db.models import CandleRow, OutboxRow, PositionRow
from db.repositories.completeness import doubted_positions, ledgers, open_holes, summed, tallies
from db.writer import Writer
from tests.db.story import HOUR, START, SYMBOL, D, Trade, bar, position, setup

WEEK = timedelta(days=7)
Tell = Callable[..., None]


@pytest.fixture
def tell(writer: Writer) -> Tell:
    """Return a function that writes events, one transaction a call; none may be refused."""

    def write(*events: Event) -> None:
        assert writer.write([batch_of(events, input=1, at=START)]).refused == ()

    return write


def confirmed(at: object = START) -> BarConfirmed:
    return BarConfirmed(SYMBOL, "1h", at - HOUR, at, at + timedelta(seconds=9))  # type: ignore[operator]  # a datetime


def contradicted(closed: BarClosed, second: int = 30) -> BarContradicted:
    theirs = replace(closed.bar, close=D("43100.5"))
    return BarContradicted(SYMBOL, closed.bar.close_time + timedelta(seconds=second), closed.bar, theirs)


def repaired(of: BarContradicted) -> BarClosed:
    return BarClosed(SYMBOL, of.theirs, "1", True, 1, repaired=True)


def known(engine: Engine) -> list[str]:
    """What the ledger says of the only timeframe, and that the database counts the same."""
    with engine.connect() as connection:
        (ledger,), (tally,) = ledgers(connection, WEEK), tallies(connection, WEEK)
    assert (tally.bars, tally.until) == (ledger.bars, ledger.until)
    return [f"{stretch.bars} {stretch.knowledge}" for stretch in ledger.stretches]


def test_a_bar_goes_from_verified_to_confirmed(engine: Engine, tell: Tell) -> None:
    tell(bar())
    assert known(engine) == ["1 verified"]
    tell(confirmed())
    assert known(engine) == ["1 confirmed"]


def test_a_contradicted_bar_is_not_verified_until_it_is_replaced_and_that_it_was_stays(
    engine: Engine, tell: Tell
) -> None:
    closed = bar()
    tell(closed, confirmed())
    doubted = contradicted(closed)
    tell(doubted)
    assert known(engine) == ["1 contradicted"]
    tell(repaired(doubted))
    assert known(engine) == ["1 repaired"]
    with engine.connect() as connection:
        (ledger,) = ledgers(connection, WEEK)
        row = connection.execute(select(CandleRow.__table__)).one()
    assert (ledger.stretches[0].from_rest, ledger.stretches[0].were_contradicted) == (1, 1)
    assert (row.close, row.verified, row.confirmed_at, row.contradicted_at) == (
        D("43100.5"), True, None, doubted.at
    )  # fmt: skip


def test_a_bar_of_a_hole_is_unverified_until_rest_has_it(engine: Engine, tell: Tell) -> None:
    tell(bar(verified=False))
    assert known(engine) == ["1 unverified"]
    tell(replace(bar(revision=1), repaired=True))
    assert known(engine) == ["1 repaired"]


def test_every_kind_of_bar_is_counted_by_the_database_as_by_the_rule(engine: Engine, tell: Tell) -> None:
    hours = [START + n * HOUR for n in range(6)]
    tell(*[bar(at, verified=n != 2) for n, at in enumerate(hours)])
    tell(confirmed(hours[0]), confirmed(hours[1]), contradicted(bar(hours[3])))
    tell(replace(bar(hours[4], revision=1), repaired=True))
    assert known(engine) == ["2 confirmed", "1 unverified", "1 contradicted", "1 repaired", "1 verified"]
    with engine.connect() as connection:
        assert summed(tallies(connection, WEEK)) == {
            "unverified": 1, "contradicted": 1, "verified": 1, "repaired": 1, "confirmed": 2
        }  # fmt: skip
        (recent,) = ledgers(connection, timedelta(hours=2), SYMBOL)
        assert recent.bars == {"verified": 1, "repaired": 1}
        assert ledgers(connection, WEEK, "BTC-USD") == []


def test_ledgers_come_by_product_and_timeframe_finest_first(engine: Engine, tell: Tell) -> None:
    day = Bar("1d", START - 24 * HOUR, START, D(1), D(2), D(1), D(2), D(3))
    minute = replace(day, timeframe="15m", open_time=START - HOUR / 4)
    tell(BarClosed(SYMBOL, day, "1", True), BarClosed("ADP", minute, "1", True), bar())
    with engine.connect() as connection:
        found = [(each.symbol, each.timeframe) for each in ledgers(connection, WEEK)]
        assert found == [("ADP", "15m"), (SYMBOL, "1h"), (SYMBOL, "1d")]
        assert [(each.symbol, each.timeframe) for each in tallies(connection, WEEK)] == found


def test_without_a_bar_nothing_is_known(engine: Engine) -> None:
    with engine.connect() as connection:
        assert (ledgers(connection, WEEK), tallies(connection, WEEK), open_holes(connection)) == ([], [], [])


def test_a_hole_is_open_until_it_is_repaired_also_by_the_next_process(engine: Engine, tell: Tell) -> None:
    tell(HoleFound(SYMBOL, START, START - HOUR, "ids are missing", 1), HoleFound("ADP", START, None, "reset", 1))
    with engine.connect() as connection:
        assert [(hole.symbol, hole.since, hole.reason) for hole in open_holes(connection)] == [
            ("ADP", None, "reset"), (SYMBOL, START - HOUR, "ids are missing")
        ]  # fmt: skip
    tell(HoleRepaired(SYMBOL, START + HOUR))
    with engine.connect() as connection:
        assert [hole.symbol for hole in open_holes(connection)] == ["ADP"]


def test_a_doubted_position_is_flagged_for_good_and_told_once(engine: Engine, tell: Tell) -> None:
    story = Trade()
    for batch in story.batches:
        tell(*batch.events)
    told = PositionDoubted(setup(1).id, SYMBOL, START, "1h", START - HOUR, "it was not so")
    tell(told)
    tell(told)
    with engine.connect() as connection:
        row = connection.execute(select(PositionRow.__table__)).one()
        notices = connection.execute(select(OutboxRow.__table__).where(OutboxRow.kind == "contradicted")).all()
        assert doubted_positions(connection, "paper") == []
    assert row.contradicted
    assert [(one.key, one.critical, one.payload["text"]) for one in notices] == [(told.key, True, "it was not so")]


def test_the_flag_outlives_what_happens_to_the_position_later(engine: Engine, tell: Tell) -> None:
    story = Trade()
    opened = next(n for n, batch in enumerate(story.batches) if "PositionOpened" in str(batch.events))
    for batch in story.batches[: opened + 1]:
        tell(*batch.events)
    tell(PositionDoubted(setup(1).id, SYMBOL, START, "1h", START - HOUR, "it was not so"))
    with engine.connect() as connection:
        assert doubted_positions(connection, "paper") == [setup(1).id]
    tell(PositionChanged(position(setup(1)), 99))
    with engine.connect() as connection:
        assert connection.execute(select(PositionRow.contradicted, PositionRow.change)).one() == (True, 99)
