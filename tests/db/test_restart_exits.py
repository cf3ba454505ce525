"""A process that ends and begins again from the database: exits, deadlines and commands go on as if nothing had been.

The core's batches are written by the real writer to a real Postgres, and the next core begins with what is read of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Engine

from actors.messages import (
    Alert,
    CommandDone,
    FeedDown,
    FeedUp,
    Flatten,
    MarketTime,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Quote,
    Remargined,
)
from actors.risk_monitor_account import equity_now
from actors.route import route
from actors.runtime.kit import Kit
from actors.system_states import beginning
from atlas.money.book import Position
from atlas.rules import ExitRules, MarginRules, Rules, StratRules
from db.batch import batch_of
from db.engine import session
from db.repositories import commands
from db.writer import Extras, Writer
from tests.actors.scene import REVERSAL, Scene, at, bars, product, rules_with
from tests.db.story import D

Restart = Callable[[Scene], Scene]

FAR = (REVERSAL[0], (61000, 70000, 59500, 62000), REVERSAL[2])
"""`2U-2D-?` long: trigger 61500, stop 59000, target 70000."""
EXITS = msgspec.structs.replace(
    rules_with(), exits=ExitRules(scale_out=D("0.5"), break_even=D(1), trail_distance=D("0.5"), max_bars=6)
)
FOUR_HOURS = StratRules(timeframes=("4h",), continuity={"4h": (("4h",), 1)})


class Continued(Scene):
    """A scene that goes on from states instead of beginning."""

    def __init__(self, rules: Rules, kit: Kit, trade_id: int) -> None:
        self.rules, self.kit, self.inputs, self._trade_id = rules, kit, [], trade_id


@pytest.fixture
def restart(engine: Engine, writer: Writer) -> Restart:
    """Return what ends a scene as kill -9 does, and begins another from the committed rows."""

    def restart(scene: Scene) -> Scene:
        write(writer, scene)
        with session(engine) as connection:
            begins = beginning(connection, "paper", (product(),), scene.kit.core.now)
        kit = Kit(Scene.roles(scene.rules, states=begins.states), route, outside=["history", "rest_prices"],
                  market_time=begins.market_time)  # fmt: skip
        kit.core.number = begins.number
        return Continued(scene.rules, kit, scene._trade_id)

    return restart


def write(writer: Writer, scene: Scene) -> None:
    """Commit everything a scene has told, and the last price."""
    last = scene.kit.state("paper_broker").last
    quotes = tuple(Quote(symbol, tick.time, tick.price, tick.bid, tick.ask) for symbol, tick in last.items())
    batches = [batch_of(batch.events, input=batch.number, at=batch.at) for batch in scene.kit.batches]
    writer.write(batches, Extras(quotes=quotes))


def connect(scene: Scene, moment: datetime) -> None:
    """What a start tells the core before the first trade."""
    scene.run(MarketTime(moment))
    scene.run(ProductsListed((product(),)))
    scene.run(FeedUp(moment))


def entered(rules: Rules = EXITS) -> Scene:
    scene = Scene(FAR, rules)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert len(scene.events(PositionOpened)) == 1
    return scene


def positions(scene: Scene) -> dict[str, Position]:
    return {id_: managed.position for id_, managed in scene.kit.state("risk_monitor").positions.items()}


def orders(scene: Scene) -> dict[str, Any]:
    return dict(scene.kit.state("paper_broker").orders)


# ── positions and their orders ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prices", [(), (64300,), (64300, 65800), (64300, 65800, 64900)])
def test_stops_stand_where_they_were_and_orders_rest(restart: Restart, prices: tuple[float, ...]) -> None:
    """Before and after a part was scaled out, the stop went to the entry, and was trailed."""
    before = entered()
    for minute, price in enumerate(prices, start=10):
        before.trade(price, at(minute))
    after = restart(before)
    assert positions(after) == positions(before)
    assert orders(after) == orders(before)
    assert after.kit.state("paper_broker").holdings == before.kit.state("paper_broker").holdings
    risk, old = after.kit.state("risk_monitor"), before.kit.state("risk_monitor")
    assert (risk.account, equity_now(risk)) == (old.account, equity_now(old))
    assert (risk.day, risk.day_equity, risk.halts) == (old.day, old.day_equity, {})


@pytest.mark.parametrize("later", [(66000, 64000), (64200, 61000), (58000,), (65000, 70001)])
def test_what_follows_is_what_would_have_followed(restart: Restart, later: tuple[float, ...]) -> None:
    undisturbed, before = entered(), entered()
    for scene in (undisturbed, before):
        scene.trade(64300, at(10))
    after = restart(before)
    connect(after, at(11))
    for scene in (undisturbed, after):
        for minute, price in enumerate(later, start=12):
            scene.trade(price, at(minute))
    # What the first trade after a start takes is marked: how many came before it is not known.
    expected = msgspec.structs.replace(undisturbed.one(PositionClosed).position, after_hole=len(later) == 1)
    assert after.one(PositionClosed).position == expected
    assert after.kit.state("paper_broker").account == undisturbed.kit.state("paper_broker").account


def test_the_last_bar_ends_while_atlas_is_down(restart: Restart) -> None:
    before = entered()
    before.trade(61500, at(60))
    after = restart(before)
    connect(after, at(60 * 7))
    assert after.events(PositionClosed) == []
    after.trade(61550, at(60 * 7, 5))
    closed = after.one(PositionClosed).position
    assert (closed.exit_reason, closed.exit_time) == ("max_bars", at(60 * 7, 5))


# ── the leverage step ───────────────────────────────────────────────────────────────────────────────────────────────


def utc(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """An instant of the scene's Wednesday; New York is five hours behind, and its window 13:00 to 21:00 UTC."""
    return datetime(2026, 3, 4, hour, minute, second, tzinfo=UTC)


def intraday(**sizing: Any) -> Scene:
    """One position entered at intraday rates, half an hour into the window."""
    rules = msgspec.structs.replace(
        rules_with(strat=FOUR_HOURS, **sizing), margin=MarginRules(window="guide_2026_07")
    )
    scene = Scene(rules=rules, closed={"4h": bars(REVERSAL, timeframe="4h")})
    scene.trade(61000, utc(13))
    scene.trade(61600, utc(13, 30))
    assert scene.one(PositionOpened).position.tier == "intraday"
    return scene


ALL_IN = {"mode": "leverage", "max_total_risk": D("0.9"), "daily_loss": D("0.9")}
"""As large as intraday margin lets it be: overnight margin never fits."""


def test_lesson_83_tier_and_deadline_survive_a_restart(restart: Restart) -> None:
    before = intraday(**ALL_IN)
    before.trade(61650, utc(18))
    after = restart(before)
    connect(after, utc(18, 5))
    after.trade(61650, utc(18, 6))
    after.run(MarketTime(utc(20, 55)))
    closed = after.one(PositionClosed).position
    assert (closed.exit_reason, closed.exit_time) == ("deadline", utc(20, 55))


def test_lesson_84_down_from_ten_to_four_until_ten_past_it_is_closed_at_the_first_trade(restart: Restart) -> None:
    before = intraday(**ALL_IN)
    before.trade(61650, utc(20, 50))
    after = restart(before)
    connect(after, utc(21, 10))
    assert after.events(PositionClosed) == []
    after.trade(61700, utc(21, 10, 3))
    closed = after.one(PositionClosed).position
    assert (closed.exit_reason, closed.exit_time) == ("deadline", utc(21, 10, 3))
    assert after.one(Alert).critical


def test_what_was_found_to_fit_is_margined_anew_after_a_restart_and_not_tested_again(restart: Restart) -> None:
    before = intraday()
    before.run(MarketTime(utc(20, 56)))
    after = restart(before)
    assert [position.carried for position in positions(after).values()] == [True]
    connect(after, utc(20, 58))
    after.run(MarketTime(utc(21)))
    before.run(MarketTime(utc(21)))
    assert after.one(Remargined) == before.one(Remargined)
    assert positions(after) == positions(before)
    again = restart(before)
    assert positions(again) == positions(before)
    assert again.kit.state("paper_broker").holdings == before.kit.state("paper_broker").holdings


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def asked(connection: Connection, kind: str, **args: str) -> int:
    number = commands.add(connection, "paper", kind, {"reason": "tests", **args}, "anna")
    commands.take(connection, "paper")
    return number


def test_the_row_of_a_command_says_who_why_when_and_what_happened(engine: Engine, writer: Writer) -> None:
    scene = entered()
    with session(engine) as connection:
        number = asked(connection, "flatten")
    scene.run(Flatten("anna", number))
    write(writer, scene)
    with session(engine) as connection:
        row = commands.get(connection, number)
    position = scene.one(PositionClosed).position
    assert row is not None
    assert (row.by, row.kind, row.args, row.status) == ("anna", "flatten", {"reason": "tests"}, "done")
    assert row.result == f"closed {position.id}: 7 contracts at 61599.75 (flatten), net -$8.18"
    assert row.done_at is not None
    assert row.done_at >= row.created_at  # Wall time, as the asking: the market's time is in the events.


def test_a_command_under_way_goes_on_after_a_restart(engine: Engine, writer: Writer, restart: Restart) -> None:
    before = entered()
    with session(engine) as connection:
        number = asked(connection, "flatten")
    before.run(FeedDown("gone"))
    before.run(Flatten("anna", number))
    after = restart(before)
    with session(engine) as connection:
        (row,) = commands.unanswered(connection, "paper")
    position = before.one(PositionOpened).position
    assert (row.status, row.result) == ("taken", f"closing {position.id}: not filled yet")
    assert after.kit.state("risk_monitor").positions[position.id].leaving == "flatten"
    after.run(Flatten("anna", number))
    connect(after, at(20))
    after.trade(61000, at(21))
    assert after.one(PositionClosed).position.exit_reason == "flatten"
    assert after.one(CommandDone).result.startswith(f"closed {position.id}: 7 contracts at 60999.75 (flatten)")
    write(writer, after)
    with session(engine) as connection:
        done = commands.get(connection, number)
    assert done is not None
    assert (done.status, done.result) == ("done", after.one(CommandDone).result)


