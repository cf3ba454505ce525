"""The comparison of a disturbed run finds what no mark explains, and takes what one does."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import HaltChanged, Rejected
from db.engine import connect
from tests.soak.compare import REPAIRED, Away, Told, compared, halts, told
from tests.soak.market import START
from tests.soak.virtual import Equivalence, market

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture(scope="module")
def ran(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What four hours of the market left."""
    engine = connect(module_database_url)
    Equivalence(engine, tmp_path_factory.mktemp("spools"), market(1, 4 * HOUR, timedelta(days=3)), alerts=False)
    found = told(engine)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def module_database_url(postgres: Any, migrated_template: str, worker: str) -> Iterator[str]:
    name = f"compare_{worker}"
    postgres.create_database(name, template=migrated_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def trade(ran: Told) -> str:
    """A trade of the middle, closed."""
    closed = sorted(id_ for id_, row in ran.positions.items() if row["status"] == "closed")
    return closed[len(closed) // 2]


def without(ran: Told, id_: str) -> Told:
    """The run as if this trigger had never been."""
    def others(rows: dict[str, Any]) -> dict[str, Any]:
        return {name: row for name, row in rows.items() if name.partition(":")[2] != id_ and name != id_}

    return Told(**{name: others(getattr(ran, name)) for name in Told.__struct_fields__})


def missing(ran: Told, id_: str, gate: str) -> Told:
    """The run as if this trigger had been refused by that gate."""
    bare = without(ran, id_)
    trigger = {**ran.triggers[id_], "outcome": "rejected", "missed": gate == "missed"}
    rejection = {"id": id_, "gate": gate, "at": trigger["at"]}
    return msgspec.structs.replace(
        bare, triggers={**bare.triggers, id_: trigger}, rejections={**bare.rejections, id_: rejection}
    )


def changed(ran: Told, table: str, id_: str, column: str, change: Callable[[Any], Any]) -> Told:
    rows = getattr(ran, table)
    row = rows[id_]
    new = [{**row[0], column: change(row[0][column])}, *row[1:]] if isinstance(row, list) else {
        **row, column: change(row[column])
    }  # fmt: skip
    return msgspec.structs.replace(ran, **{table: {**rows, id_: new}})


def test_the_same_is_the_same(ran: Told) -> None:
    found = compared(ran, ran, [])
    assert (found.same, found.unexplained) == (len(ran.triggers), [])
    assert found.same > 30


def test_a_lost_trade_is_found_unless_atlas_was_away(ran: Told, trade: str) -> None:
    at = ran.triggers[trade]["at"]
    lost = without(ran, trade)
    assert len(compared(ran, lost, []).unexplained) == 1
    assert len(compared(ran, lost, [Away(at + HOUR, at + 2 * HOUR)]).unexplained) == 1
    assert len(compared(ran, lost, [Away(START, at + HOUR, unseen=False)]).unexplained) == 1
    found = compared(ran, lost, [Away(at - HOUR, at + HOUR)])
    assert (found.unseen, found.unexplained) == (1, [])


def test_a_trade_too_many_is_found(ran: Told, trade: str) -> None:
    assert len(compared(without(ran, trade), ran, [Away(START, START + 9 * HOUR)]).unexplained) == 1


@pytest.mark.parametrize(("gate", "explained"), [("missed", True), ("halted", False)])
def test_a_refusal_is_explained_by_a_gate_of_then(ran: Told, trade: str, gate: str, explained: bool) -> None:
    at = ran.triggers[trade]["at"]
    found = compared(ran, missing(ran, trade, gate), [Away(at - HOUR, at + HOUR)])
    assert (found.missed, len(found.unexplained)) == ((1, 0) if explained else (0, 1))
    assert len(compared(ran, missing(ran, trade, gate), []).unexplained) == 1


def test_a_halt_begins_with_the_first_trigger_refused_for_it() -> None:
    def refused(at: datetime, gate: str = "halted") -> Rejected:
        return Rejected(f"x{at}", "X", "1h", "2-2", "2U-2D", "short", at, gate, "", "")

    halt = HaltChanged(START + HOUR, {"feed": "gap"}, 1, "feed", "gap")
    lifted = HaltChanged(START + HOUR + MINUTE, {}, 2, "feed", "gap", lifted=True)
    before, after = refused(START + HOUR - SECOND), refused(START + HOUR + SECOND)
    ends = lifted.at + REPAIRED
    assert [(each.since, each.until) for each in halts([halt, after, lifted])] == [(halt.at, ends)]
    assert [(each.since, each.until) for each in halts([halt, before, lifted])] == [(before.at, ends)]
    assert [(each.since, each.until) for each in halts([before, halt, lifted, before])] == [(halt.at, ends)]
    assert [each.since for each in halts([halt, refused(START, "missed"), lifted])] == [halt.at]


@pytest.mark.parametrize(
    ("table", "column"), [("ledger", "amount"), ("fills", "price"), ("positions", "exit_price"), ("triggers", "price")]
)
def test_a_changed_amount_or_price_is_found(ran: Told, trade: str, table: str, column: str) -> None:
    other = changed(ran, table, trade, column, lambda value: value + Decimal("0.01"))
    assert len(compared(ran, other, [Away(START, START + 9 * HOUR)]).unexplained) == 1


def test_an_exit_while_down_is_explained_only_by_a_time_away(ran: Told, trade: str) -> None:
    fills = [
        fill if fill["purpose"] == "entry" else {**fill, "filled_while_down": True, "price": fill["price"] + 1}
        for fill in ran.fills[trade]
    ]
    down = msgspec.structs.replace(ran, fills={**ran.fills, trade: fills})
    exits = ran.positions[trade]["exit_time"]
    assert len(compared(ran, down, []).unexplained) == 1
    found = compared(ran, down, [Away(ran.positions[trade]["entry_time"], exits)])
    assert (found.filled_while_down, found.unexplained) == (1, [])


def test_what_a_hole_has_changed_is_explained_by_its_mark_and_only_if_there_was_one(ran: Told, trade: str) -> None:
    def holed(mark: bool) -> Told:
        fills = [{**fill, "price": fill["price"] + 1, "after_hole": mark} if fill["purpose"] != "entry" else fill
                 for fill in ran.fills[trade]]  # fmt: skip
        return msgspec.structs.replace(ran, fills={**ran.fills, trade: fills})

    entered, left = ran.positions[trade]["entry_time"], ran.positions[trade]["exit_time"]
    found = compared(ran, holed(True), [Away(entered, left)])
    assert (found.after_hole, found.unexplained) == (1, [])
    assert len(compared(ran, holed(False), [Away(entered, left)]).unexplained) == 1
    assert len(compared(ran, holed(True), [Away(left + HOUR, left + 2 * HOUR)]).unexplained) == 1


def test_an_alert_told_of_no_trade_is_found(ran: Told) -> None:
    key = next(key for key in ran.alerts if key.startswith("entry:"))
    told_twice = msgspec.structs.replace(ran, alerts={**ran.alerts, f"{key}:again": ran.alerts[key]})
    assert len(compared(ran, told_twice, []).unexplained) == 1
