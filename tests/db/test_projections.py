"""Events become rows: each rule about a row's life."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, Row, select

import actors.messages
from actors.messages import (
    Alert,
    CommandBegun,
    CommandDone,
    DayStarted,
    Event,
    HaltChanged,
    Invalidated,
    LateTrade,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Rejected,
)
from atlas.market.bar import Tick
from db.batch import batch_of
from db.engine import session
from db.models import (
    AccountRow,
    Base,
    CandleRow,
    CommandRow,
    OrderRow,
    OutboxRow,
    PositionRow,
    RejectionRow,
    SetupRow,
    TriggerRow,
)
from db.projections import PROJECTIONS
from db.repositories import commands
from db.writer import Writer
from tests.db.story import HOUR, START, SYMBOL, D, Trade, bar, order, position, replaced, setup, triggered

Tell = Callable[..., None]
LONG, SHORT = setup(1), setup(1, side="short")


@pytest.fixture
def tell(writer: Writer) -> Tell:
    """Return a function that writes events, one transaction a call; none may be refused."""

    def write(*events: Event) -> None:
        assert writer.write([batch_of(events, input=1, at=START)]).refused == ()

    return write


def statuses(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return dict(connection.execute(select(SetupRow.id, SetupRow.status)).all())


def one(engine: Engine, table: type[Base]) -> Row[Any]:
    with engine.connect() as connection:
        return connection.execute(select(table.__table__)).one()


def test_every_event_class_has_its_projection() -> None:
    classes = {
        found
        for found in vars(actors.messages).values()
        if isinstance(found, type) and issubclass(found, Event) and found is not Event
    }
    assert set(PROJECTIONS) == classes


def test_new_setups_lapse_those_that_waited(engine: Engine, tell: Tell) -> None:
    later = setup(2, at=START + HOUR)
    tell(replaced(LONG, SHORT))
    tell(replaced(later, at=START + HOUR))
    assert statuses(engine) == {LONG.id: "lapsed", SHORT.id: "lapsed", later.id: "waiting"}
    with engine.connect() as connection:
        lapsed = connection.execute(select(SetupRow.resolved_at).where(SetupRow.id == LONG.id)).scalar_one()
    assert lapsed == START + HOUR


def test_setups_of_another_timeframe_or_symbol_stay(engine: Engine, tell: Tell) -> None:
    daily = replace(setup(3), id="daily", timeframe="1d")
    other = replace(setup(4), id="other", symbol="ETP-20DEC30-CDE")
    tell(replace(replaced(daily), timeframe="1d"), replace(replaced(other), symbol=other.symbol), replaced(LONG))
    tell(replaced(at=START + HOUR))
    assert statuses(engine) == {"daily": "waiting", "other": "waiting", LONG.id: "lapsed"}


def test_re_derived_setup_goes_on_waiting_with_its_new_levels(engine: Engine, tell: Tell) -> None:
    tell(replaced(LONG, SHORT))
    tell(replaced(replace(LONG, target=D("44000.1")), revision=1))
    assert statuses(engine) == {LONG.id: "waiting", SHORT.id: "lapsed"}
    with engine.connect() as connection:
        target = connection.execute(select(SetupRow.target).where(SetupRow.id == LONG.id)).scalar_one()
    assert target == D("44000.1")


@pytest.mark.parametrize("ending", ["triggered", "missed", "invalidated", "lapsed"])
def test_lesson_32_final_setup_never_waits_again(engine: Engine, tell: Tell, ending: str) -> None:
    endings: dict[str, Event] = {
        "triggered": triggered(LONG),
        "missed": triggered(LONG, missed=True),
        "invalidated": Invalidated(LONG.id, SYMBOL, "1h", START, "opposite_broke"),
        "lapsed": replaced(at=START, revision=5),
    }
    tell(replaced(LONG))
    tell(endings[ending])
    tell(replaced(replace(LONG, target=D(1)), revision=1))
    assert statuses(engine) == {LONG.id: ending}
    assert one(engine, SetupRow).target == LONG.target


def test_setup_carries_the_continuity_of_its_own_side(engine: Engine, tell: Tell) -> None:
    tell(replaced(LONG, SHORT))
    with engine.connect() as connection:
        found = {
            row.side: (row.agree, row.frames, row.continuity is None)
            for row in connection.execute(select(SetupRow.__table__))
        }
    assert found == {"long": (3, 4, False), "short": (0, 0, True)}


def test_trigger_ends_as_a_trade(engine: Engine, tell: Tell) -> None:
    tell(replaced(LONG), triggered(LONG))
    assert one(engine, TriggerRow).outcome is None
    tell(PositionOpened(position(LONG)))
    row = one(engine, TriggerRow)
    assert (row.outcome, row.setup, row.name) == ("trade", "2D-1-?", "2D-1-2U")
    assert (row.rules, row.version) == ("0123456789ab", "0.1.0")
    assert row.detection["agree"] == ["1w", "1d", "1h"]


def test_trigger_ends_as_one_rejection(engine: Engine, tell: Tell) -> None:
    tell(replaced(LONG), triggered(LONG))
    tell(Rejected(LONG.id, SYMBOL, "1h", "2-1", "2D-1-2U", "long", START, "magnitude", "0.0031", "0.005"))
    assert one(engine, TriggerRow).outcome == "rejected"
    row = one(engine, RejectionRow)
    assert (row.gate, row.value, row.threshold) == ("magnitude", "0.0031", "0.005")


def test_verified_candle_is_not_replaced_by_an_unverified_one(engine: Engine, tell: Tell) -> None:
    tell(bar(close="43000"))
    tell(bar(close="43100", revision=1))
    tell(bar(close="1", verified=False, revision=2))
    row = one(engine, CandleRow)
    assert (row.close, row.verified, row.type) == (D("43100"), True, "1")


def test_late_trade_is_an_event_and_nothing_else(engine: Engine, tell: Tell) -> None:
    tell(bar(), LateTrade(SYMBOL, Tick(1, START - HOUR, D(1), D(1))))
    assert one(engine, CandleRow).low == D("42900.00")


def test_cancelled_order_stays_cancelled(engine: Engine, tell: Tell) -> None:
    stop = order(LONG, "stop", resting=True)
    tell(OrderAccepted(stop, START), OrderCancelled(stop.id, START + HOUR, "position closed"))
    tell(OrderRejected(stop, START + HOUR, "margin", "1", "2"))
    row = one(engine, OrderRow)
    assert (row.status, row.done_at, row.reason) == ("cancelled", START + HOUR, "position closed")


def test_rejected_order_says_what_was_found_and_allowed(engine: Engine, tell: Tell) -> None:
    tell(OrderRejected(order(LONG), START, "margin", "1007.65", "1000"))
    row = one(engine, OrderRow)
    assert (row.status, row.reason) == ("rejected", "margin: 1007.65 (threshold 1000)")


def test_older_change_never_undoes_a_newer_one(engine: Engine, tell: Tell) -> None:
    held = position(LONG)
    tell(PositionOpened(held), PositionChanged(replace(held, stop=D(2)), 2))
    tell(PositionChanged(replace(held, stop=D(1)), 1))
    row = one(engine, PositionRow)
    assert (row.stop, row.change) == (D(2), 2)


def test_closed_position_stays_closed_with_its_money(engine: Engine, tell: Tell) -> None:
    trade = Trade()
    tell(PositionOpened(trade.opened), PositionClosed(trade.closed))
    tell(PositionChanged(replace(trade.opened, stop=D(1)), 7))
    row = one(engine, PositionRow)
    assert (row.status, row.exit_reason, row.stop) == ("closed", "stop", trade.opened.stop)
    assert row.net == row.gross - row.fees - row.funding == trade.closed.net
    assert row.r == pytest.approx(trade.closed.net / D("7.65"))


def test_closed_without_opened_is_stored_whole(engine: Engine, tell: Tell) -> None:
    tell(PositionClosed(Trade().closed))
    assert one(engine, PositionRow).status == "closed"


def test_halts_in_force_are_those_of_the_highest_count(engine: Engine, tell: Tell) -> None:
    tell(HaltChanged(START, {"feed": "down"}, 2))
    tell(HaltChanged(START, {}, 1))
    row = one(engine, AccountRow)
    assert (row.halts, row.halt_count) == ({"feed": "down"}, 2)


def test_day_and_its_equity_are_kept(engine: Engine, tell: Tell) -> None:
    tell(DayStarted("2026-03-02", START, D("10000.5")))
    row = one(engine, AccountRow)
    assert (row.day, row.day_start_equity) == ("2026-03-02", D("10000.5"))


def test_alert_is_one_notice(engine: Engine, tell: Tell) -> None:
    alert = Alert("feed_down", "20260302T1400", START, "no frame for 10 s", critical=True)
    tell(alert)
    tell(alert)
    row = one(engine, OutboxRow)
    assert (row.key, row.kind, row.critical) == (alert.key, "feed_down", True)
    assert row.payload == {"at": "2026-03-02T14:00:00+00:00", "name": alert.name, "text": alert.text}


def test_command_is_answered_once(engine: Engine, tell: Tell) -> None:
    with session(engine) as connection:
        number = commands.add(connection, "paper", "halt", {"reason": "lunch"}, "me")
    tell(CommandDone(number, START, "halted"))
    row = one(engine, CommandRow)
    assert (row.status, row.result) == ("done", "halted")
    assert row.done_at >= row.created_at  # Wall time, as the asking is.
    with session(engine) as connection:
        assert not commands.answer(connection, number, "failed", "again")


@pytest.mark.parametrize(
    ("source", "began", "ended", "critical"),
    [
        ("feed", "feed_down", "feed_up", False),
        ("person", "halt", "resume", False),
        ("daily_loss", "daily_loss", "resume", True),
        ("supervisor", "halt", "resume", True),
    ],
)
def test_halt_is_one_notice_when_it_begins_and_one_when_it_ends(
    engine: Engine, tell: Tell, source: str, began: str, ended: str, critical: bool
) -> None:
    first = HaltChanged(START, {source: "why"}, 1, source, "why")
    tell(first, HaltChanged(START, {source: "another reason"}, 2))
    tell(HaltChanged(START + HOUR, {}, 3, source, "another reason", lifted=True), first)
    with session(engine) as connection:
        rows = connection.execute(select(OutboxRow.kind, OutboxRow.critical).order_by(OutboxRow.id)).all()
    assert [tuple(row) for row in rows] == [(began, critical), (ended, False)]


def test_trigger_in_mode_signals_is_one_notice(engine: Engine, tell: Tell) -> None:
    told = Rejected(LONG.id, SYMBOL, "1h", "2-1", "2D-1-2U", "long", START, "not_traded", "mode signals", "mode paper")
    other = replace(told, setup_id=SHORT.id, value="family rev-strat")
    tell(triggered(LONG), told)
    tell(triggered(SHORT), other, told)
    row = one(engine, OutboxRow)
    assert (row.key, row.kind) == (f"signal:{LONG.id}", "signal")
    assert row.payload["trigger"] == str(LONG.trigger)


def test_halt_by_database_or_disk_is_told_by_the_journal_alone(engine: Engine, tell: Tell) -> None:
    tell(HaltChanged(START, {"database": "away"}, 1, "database", "away"))
    with session(engine) as connection:
        assert connection.execute(select(OutboxRow.id)).all() == []


def test_command_under_way_says_what_it_waits_for_and_stays_unanswered(engine: Engine, tell: Tell) -> None:
    with session(engine) as connection:
        number = commands.add(connection, "paper", "flatten", {}, "me")
        commands.take(connection, "paper")
    tell(CommandBegun(number, START, "closing p: not filled yet"))
    row = one(engine, CommandRow)
    assert (row.status, row.result, row.done_at) == ("taken", "closing p: not filled yet", None)
    tell(CommandDone(number, START, "closed p"))
    tell(CommandBegun(number, START, "closing p again"))
    row = one(engine, CommandRow)
    assert (row.status, row.result) == ("done", "closed p")


def test_failed_command_says_so(engine: Engine, tell: Tell) -> None:
    with session(engine) as connection:
        command_id = commands.add(connection, "paper", "close", {"position": "nonesuch"}, "me")
    tell(CommandDone(command_id, START, "no open position is called nonesuch", failed=True))
    with session(engine) as connection:
        found = commands.get(connection, command_id)
    assert found is not None
    assert (found.status, found.result) == ("failed", "no open position is called nonesuch")


def test_command_of_another_account_is_left_alone(engine: Engine, tell: Tell) -> None:
    with session(engine) as connection:
        number = commands.add(connection, "other", "halt", {}, "me")
    tell(CommandDone(number, START + timedelta(seconds=1), "halted"))
    assert one(engine, CommandRow).status == "pending"


def test_many_of_a_kind_in_one_transaction_are_each_stored(engine: Engine, tell: Tell) -> None:
    """Neighbours with the same statement are sent together; what cannot be sent so would be refused."""
    with session(engine) as connection:
        asked = [commands.add(connection, "paper", "halt", {}, "me") for _ in range(2)]
    stops = [replace(order(LONG, "stop"), id=str(number)) for number in range(2)]
    tell(replaced(LONG, SHORT), *(OrderAccepted(stop, START) for stop in stops), bar(), bar(START + HOUR))
    tell(
        *(Invalidated(side.id, SYMBOL, "1h", START, "opposite_broke") for side in (LONG, SHORT)),
        *(OrderCancelled(stop.id, START, "x") for stop in stops),
        *(CommandDone(number, START, "done") for number in asked),
        *(DayStarted(f"2026-03-0{day}", START, D(day)) for day in (2, 3)),
        *(HaltChanged(START, {}, count) for count in (1, 2)),
        *(Alert("note", str(number), START, "text") for number in range(2)),
        replaced(at=START + HOUR),
        replaced(at=START + 2 * HOUR),
    )
    assert set(statuses(engine).values()) == {"invalidated"}
    with engine.connect() as connection:
        assert set(connection.execute(select(OrderRow.status)).scalars()) == {"cancelled"}
        assert set(connection.execute(select(CommandRow.status)).scalars()) == {"done"}
    row = one(engine, AccountRow)
    assert (row.day, row.halt_count) == ("2026-03-03", 2)
