"""What scanners told is stored, and the next process goes on from it: first readings, labels, bars, full continuity."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, cast, select
from sqlalchemy.dialects.postgresql import JSONB

from actors.alerter_embeds import GREEN, compose
from actors.alerter_outbox import Notice
from actors.messages import (
    BarClosed,
    ContinuityFlipped,
    ContinuityHeld,
    EntryTriggered,
    FeedUp,
    MarketTime,
    PositionOpened,
    ProductsListed,
    SetupsReplaced,
    Snapshot,
)
from actors.roles import CoreStates
from actors.route import route
from actors.runtime.kit import Kit
from actors.system_states import Beginning, beginning
from atlas.rules import AlertRules, Rules, StratRules
from atlas.strat.context import Context
from atlas.strat.label_names import label_names
from db.batch import batch_of
from db.engine import session
from db.models import CandleRow, EventRow, FullContinuityRow, OutboxRow, SetupRow, TriggerRow
from db.writer import Writer
from tests.actors.scene import (
    BIP,
    HOURLY,
    INSIDE,
    NOON,
    REVERSAL,
    RULES,
    Row,
    Scene,
    at,
    bars,
    forming,
    history,
    product,
)

Restart = Callable[[Scene], Beginning]
HAMMER: tuple[Row, ...] = (*REVERSAL[:2], (61300, 61500, 59000, 61400))
OPENS = {"1M": 60000, "1w": 60500, "1d": 61000}


def write(writer: Writer, scene: Scene, upto: int | None = None) -> None:
    """Commit what a scene has told."""
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in scene.kit.batches[:upto]])


@pytest.fixture
def restart(engine: Engine, writer: Writer) -> Restart:
    """Return what ends a scene as kill -9 does, and reads what the next one begins with."""

    def read(scene: Scene) -> Beginning:
        write(writer, scene)
        with session(engine) as connection:
            return beginning(connection, "paper", (product(),), scene.kit.core.now)

    return read


def again(begins: Beginning, moment: datetime, told: dict[str, Any], rules: Rules = RULES, **frames: Any) -> Scene:
    """The next process, with the history that REST has at that moment."""
    scene = Scene.__new__(Scene)
    scene.rules, scene.inputs, scene._trade_id = rules, [], 1000
    roles = Scene.roles(rules, states=begins.states)
    scene.kit = Kit(roles, route, outside=["history", "rest_prices"], market_time=moment)
    scene.kit.core.number = begins.number
    scene.run(MarketTime(moment))
    scene.run(ProductsListed((product(),)))
    scene.run(history(moment, told, frames, rules=rules))
    scene.run(FeedUp(moment))
    scene.run(Snapshot(BIP, moment, None))
    return scene


def rows(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table.__table__)))


# ── labels and readings ─────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_stored_with_setups_and_triggers_and_can_be_filtered_by(engine: Engine, writer: Writer) -> None:
    scene = Scene(HAMMER)
    scene.trade(61450, at(1))
    scene.trade(61600, at(2))
    write(writer, scene)
    told = scene.one(SetupsReplaced).contexts["long"]
    for table in (SetupRow, TriggerRow):
        (row,) = rows(engine, table)
        assert row.context["names"] == list(label_names(told))
        assert msgspec.convert(row.context, Context) == told
        with engine.connect() as connection:
            for name, found in (("hammer", 1), ("shooter", 0)):
                such = select(table.id).where(cast(table.context, JSONB)["names"].contains([name]))
                assert len(connection.execute(such).all()) == found
    assert rows(engine, TriggerRow)[0].fifty == scene.one(EntryTriggered).fifty == "standby"


def test_the_entry_alert_names_the_labels_and_the_independent_opens(engine: Engine, writer: Writer) -> None:
    scene = Scene(HAMMER)
    scene.trade(61450, at(1))
    scene.trade(61600, at(2))
    assert scene.events(PositionOpened)
    write(writer, scene)
    (row,) = [row for row in rows(engine, OutboxRow) if row.kind == "entry"]
    fields = {field["name"]: field["value"] for field in compose(notice_of(row), "paper")["fields"]}
    assert {"failed-2", "hammer"} <= set(fields["Labels"].split(", "))
    assert fields["Continuity"] == "1/1: 1h (1 independent open)"


def notice_of(row: Any) -> Notice:
    return Notice(row.id, row.key, row.kind, row.critical, row.payload, row.created_at)


def test_after_a_restart_the_first_reading_and_the_first_labels_stand(restart: Restart) -> None:
    """The hour before was seen as a 3 by its trades; REST alone cannot tell its first side, nor what was open then."""
    rules = Rules(strat=StratRules(timeframes=("1h",)))
    before = Scene(REVERSAL, rules)
    for minute, price in enumerate((60000, 61600, 58900, 60100)):
        before.trade(price, at(minute))
    before.trade(60100, at(60))
    first = before.events(SetupsReplaced)[-1]
    assert {context.first_side for context in first.contexts.values()} == {"long"}
    begins = restart(before)
    hour = (*bars(REVERSAL), before.events(BarClosed)[-1].bar)
    days = {name: forming((60200, 61600, 58900, 60300), at(65), name) for name in ("1M", "1w", "1d")}
    now = {"1h": forming((60100, 60300, 60100, 60300), at(65)), **days}
    after = again(begins, at(65), {"1h": hour}, rules, **now)
    told = after.one(SetupsReplaced)
    assert told.key == first.key
    assert (told.continuity, told.contexts) == (first.continuity, first.contexts)
    after.trade(61700, at(66))
    trigger = after.one(EntryTriggered)
    assert (trigger.detection, trigger.context) == (first.continuity["long"], first.contexts["long"])
    assert trigger.at_trigger != trigger.detection


def test_setups_whose_time_is_over_are_not_remembered(restart: Restart) -> None:
    before = Scene(INSIDE)
    before.trade(61000, at(1))
    before.run(MarketTime(at(61)))
    known = restart(before).states.remembered[BIP].detected
    assert set(known.get("1h", {})) == {setup.id for setup in before.events(SetupsReplaced)[-1].setups}


# ── bars ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bars_that_closed_while_down_have_their_rows(engine: Engine, writer: Writer, restart: Restart) -> None:
    before = Scene()
    before.trade(60000, at(1))
    before.trade(60000, at(60))
    begins = restart(before)
    assert begins.states.remembered[BIP].stored_until == {"1h": at(60)}
    missed = bars([*REVERSAL, (60000, 60000, 60000, 60000), (60000, 61000, 59000, 60500), (60500, 60900, 60100, 60200)],
                  until=at(180))  # fmt: skip
    after = again(begins, at(185), {"1h": missed})
    write(writer, after)
    stored = sorted((row.close_time, row.type) for row in rows(engine, CandleRow) if row.timeframe == "1h")
    assert stored == [(at(60), "1"), (at(120), "3"), (at(180), "1")]


def test_the_marks_of_a_bar_are_stored(engine: Engine, writer: Writer) -> None:
    scene = Scene()
    scene.run(ProductsListed((product(maintenance=(at(30), at(40))),)))
    for minute, price in enumerate((60000, 58900, 61600, 60100)):
        scene.trade(price, at(minute))
    scene.trade(60000, at(60))
    scene.trade(60000, at(120))
    write(writer, scene)
    found = {row.open_time: (row.first_side, row.in_break) for row in rows(engine, CandleRow) if row.timeframe == "1h"}
    assert found == {NOON: ("short", True), at(60): (None, False)}


def test_a_new_account_is_not_told_the_past(engine: Engine, writer: Writer) -> None:
    with session(engine) as connection:
        begins = beginning(connection, "paper", (product(),), NOON)
    assert begins.states.remembered == {}
    assert again(begins, NOON, {"1h": bars(REVERSAL)}).events(BarClosed) == []


# ── full continuity ─────────────────────────────────────────────────────────────────────────────────────────────────


def found_at(price: float, moment: datetime = NOON) -> dict[str, Any]:
    levels = {**OPENS, "1h": 61200}
    return {
        name: forming((opened, max(opened, price), min(opened, price), price), moment, name)
        for name, opened in levels.items()
    }


def watched(begins: Beginning, moment: datetime, price: float) -> Scene:
    return again(begins, moment, {"1h": bars(REVERSAL)}, **found_at(price, moment))


def fresh() -> Beginning:
    return Beginning(CoreStates(), None, 0)


def test_full_continuity_and_its_alert_are_stored(engine: Engine, writer: Writer) -> None:
    scene = watched(fresh(), NOON, 60700)
    scene.trade(61500, at(1))
    scene.run(MarketTime(at(3)))
    write(writer, scene)
    (row,) = rows(engine, FullContinuityRow)
    assert (row.symbol, row.side, row.last, row.since, row.turns) == (BIP, "long", "long", at(1), 1)
    assert (row.told, row.told_long_at, row.told_short_at) == ("long", at(2), None)
    assert {row.kind for row in rows(engine, EventRow)} >= {"ContinuityFlipped", "ContinuityHeld"}
    (told,) = [row for row in rows(engine, OutboxRow) if row.kind == "full_continuity"]
    embed = compose(notice_of(told), "paper")
    assert (embed["title"], embed["color"]) == (f"Full continuity: {BIP} LONG", GREEN)
    assert embed["description"] == "1M 1w 1d 1h agree"
    assert embed["fields"] == [{"name": "Since", "value": "2026-03-04 12:01:00 UTC", "inline": True}]


@pytest.mark.parametrize("last", [61500, 60700, 59900])
def test_after_a_restart_full_continuity_is_what_it_was(restart: Restart, last: float) -> None:
    """Also who was told what: the same side is not told twice, whatever the price did when the process ended."""
    scene = watched(fresh(), NOON, 60700)
    scene.trade(61500, at(1))
    scene.trade(last, at(5))
    scene.run(MarketTime(at(8)))
    state = scene.kit.state(f"scanner:{BIP}").full
    begins = restart(scene)
    known = begins.states.remembered[BIP].full
    assert known is not None
    for field in ("continuity", "since", "turns", "told", "told_at", "left_at", "begun"):
        assert getattr(known, field) == getattr(state, field), field
    after = watched(begins, at(10), last)
    after.run(MarketTime(at(58)))
    assert (after.events(ContinuityFlipped), after.events(ContinuityHeld)) == ([], [])


def test_a_flip_while_down_goes_on_counting_and_is_told(engine: Engine, writer: Writer, restart: Restart) -> None:
    scene = watched(fresh(), NOON, 61500)
    after = watched(restart(scene), at(10), 59900)
    after.run(MarketTime(at(20)))
    write(writer, after)
    (row,) = rows(engine, FullContinuityRow)
    assert (row.side, row.turns, row.told, row.told_short_at) == ("short", 2, "short", at(11))
    assert [row.kind for row in rows(engine, OutboxRow)].count("full_continuity") == 1


def test_where_it_is_not_watched_nothing_of_it_is_stored(engine: Engine, writer: Writer) -> None:
    rules = Rules(strat=HOURLY, alerts=AlertRules(full_continuity=False))
    scene = Scene(REVERSAL, rules)
    scene.trade(61500, at(1))
    scene.run(MarketTime(NOON + timedelta(hours=3)))
    write(writer, scene)
    assert rows(engine, FullContinuityRow) == []
    assert {row.timeframe for row in rows(engine, CandleRow)} == {"1h"}
