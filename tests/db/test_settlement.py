"""Downtime settled: what happened to open positions while no ATLAS ran, at its true time, from the finest candles.

Each process is a core begun from the committed rows of a real Postgres, as after kill -9.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest
from sqlalchemy import Engine, select

from actors.messages import (
    Alert,
    DayStarted,
    FeedUp,
    Filled,
    FundingPaid,
    MarketTime,
    Missed,
    OrderMoved,
    PositionClosed,
    PositionOpened,
    ProductsListed,
    Quote,
    Remargined,
)
from actors.route import route
from actors.runtime.kit import Kit
from actors.system_states import beginning
from atlas.market.bar import Bar
from atlas.money.book import Position
from atlas.rules import ExitRules, MarginRules, Rules, StratRules
from db.batch import batch_of
from db.engine import session
from db.models import FillRow, PositionRow
from db.writer import Extras, Writer
from tests.actors.positions import ETP
from tests.actors.scene import BIP, REVERSAL, Row, Scene, at, bars, history, product, rules_with
from tests.db.story import D


class Restart(Protocol):
    """Ends a scene as kill -9 does, and begins another from the committed rows."""

    def __call__(self, scene: Scene, symbols: Sequence[str] = ...) -> Scene: ...


MINUTE = timedelta(minutes=1)
PLAIN = rules_with()
FAR = (REVERSAL[0], (61000, 70000, 59500, 62000), REVERSAL[2])
"""`2U-2D-?` long: trigger 61500, stop 59000, target 70000."""


class Continued(Scene):
    """A scene that goes on from states instead of beginning."""

    def __init__(self, rules: Rules, kit: Kit) -> None:
        self.rules, self.kit, self.inputs, self._trade_id = rules, kit, [], 1000


@pytest.fixture
def restart(engine: Engine, writer: Writer) -> Restart:
    """Return what ends a scene as kill -9 does, and begins another from the committed rows."""

    def restart(scene: Scene, symbols: Sequence[str] = (BIP,)) -> Scene:
        write(writer, scene)
        with session(engine) as connection:
            begins = beginning(connection, "paper", tuple(map(product, symbols)), scene.kit.core.now)
        roles = Scene.roles(scene.rules, symbols, begins.states)
        kit = Kit(roles, route, outside=["history", "rest_prices"], market_time=begins.market_time)
        kit.core.number = begins.number
        return Continued(scene.rules, kit)

    return restart


def write(writer: Writer, scene: Scene) -> None:
    """Commit everything a scene has told, and the last prices."""
    last = scene.kit.state("paper_broker").last
    quotes = tuple(Quote(symbol, tick.time, tick.price, tick.bid, tick.ask) for symbol, tick in last.items())
    writer.write([batch_of(b.events, input=b.number, at=b.at) for b in scene.kit.batches], Extras(quotes=quotes))


def minutes(rows: Mapping[datetime, Row]) -> tuple[Bar, ...]:
    """Candles of a minute by their opening: open, high, low, close."""
    return tuple(
        Bar("1m", opened, opened + MINUTE, *(D(str(price)) for price in row), D(4)) for opened, row in rows.items()
    )


def flat(price: float, *moments: datetime) -> dict[datetime, Row]:
    return dict.fromkeys(moments, (price, price, price, price))


def settle(
    scene: Scene,
    until: datetime,
    rows: Mapping[datetime, Row],
    other: Mapping[datetime, Row] | None = None,
    **more: Any,
) -> None:
    """What the start of a process tells of the time in which there was none; `other` are candles of ETP."""
    after = more.pop("after", scene.kit.core.now)
    candles = {BIP: minutes(rows)} | ({} if other is None else {ETP: minutes(other)})
    scene.run(ProductsListed(tuple(map(product, candles))))
    scene.run(Missed(after, more.pop("since", after), until, candles, **more))


def entered(rules: Rules = PLAIN, rows: Sequence[Row] = REVERSAL) -> Scene:
    """One position at five past noon: long at 61600, stop 59000; the target 63000, or 70000 with FAR."""
    scene = Scene(rows, rules)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    assert len(scene.events(PositionOpened)) == 1
    return scene


def closed(scene: Scene) -> Position:
    return scene.one(PositionClosed).position


def ended(scene: Scene) -> tuple[str | None, datetime | None, bool, bool]:
    position = closed(scene)
    return position.exit_reason, position.exit_time, position.filled_while_down, position.ambiguous


def told(scene: Scene) -> str:
    (alert,) = [alert for alert in scene.events(Alert) if alert.kind == "recovered"]
    return alert.text


# ── each kind of exit, at its true time ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((61500, 61600, 58800, 59200), ("stop", 30, False)),
        ((61500, 63200, 61400, 63100), ("target", 30, False)),
        ((61500, 63200, 58800, 59200), ("stop", 30, True)),
        ((58500, 58600, 58400, 58450), ("stop", 0, False)),
    ],
    ids=["stop", "target", "both: the stop, ambiguous", "a gap fills at the first price"],
)
def test_stop_and_target_are_settled_at_their_point_of_the_path(
    restart: Restart, row: Row, expected: tuple[str, int, bool]
) -> None:
    scene = restart(entered())
    settle(scene, at(180), {**flat(61550, at(61)), at(70): row, at(71): (64000, 64000, 50000, 64000)})
    reason, seconds, ambiguous = expected
    assert ended(scene) == (reason, at(70, seconds), True, ambiguous)
    path = (row[0], row[1], row[2], row[3]) if row[3] < row[0] else (row[0], row[2], row[1], row[3])
    assert closed(scene).exit_price == (63000 if reason == "target" else D(str(path[seconds // 15])) * D("0.9995"))
    assert scene.undisturbed


def test_the_entry_bar_becomes_a_three_while_down(restart: Restart) -> None:
    """Its setup is `2U-1-?`: stop 59500, the other side of the setup bar 59700."""
    scene = restart(entered(rows=(*REVERSAL[:1], (61000, 63000, 59500, 62000), (61000, 61500, 59700, 60500))))
    settle(scene, at(50), {at(20): (61000, 61000, 59600, 60000)})
    assert ended(scene) == ("invalidated", at(20, 30), True, False)
    assert closed(scene).exit_price == D(59600) * D("0.9995")


def test_a_liquidation_while_down_comes_before_the_stop(restart: Restart) -> None:
    before = entered()
    scene = restart(before)
    liquidation = before.one(PositionOpened).position.liquidation
    assert liquidation is not None
    settle(scene, at(180), flat(float(liquidation) - 10, at(70)))
    assert ended(scene)[:3] == ("liquidated", at(70), True)


def test_options_go_on_while_down(restart: Restart) -> None:
    """Scale-out and break-even in one candle, and the stop, moved to the entry, in a later one."""
    rules = msgspec.structs.replace(PLAIN, exits=ExitRules(scale_out=D("0.5"), break_even=D(1)))
    scene = restart(entered(rules, FAR))
    settle(scene, at(180), {at(65): (61600, 64500, 61500, 64400), at(66): (64400, 64400, 61000, 61100)})
    assert [(e.fill.purpose, e.fill.time) for e in scene.events(Filled)] == [
        ("scale_out", at(65, 30)), ("stop", at(66, 30)),
    ]  # fmt: skip
    assert scene.one(OrderMoved).at == at(65, 30)
    assert all(event.fill.filled_while_down for event in scene.events(Filled))


def test_max_bars_end_at_their_time(restart: Restart) -> None:
    rules = msgspec.structs.replace(PLAIN, exits=ExitRules(max_bars=2))
    scene = restart(entered(rules, FAR))
    settle(scene, at(300), flat(61550, at(60), at(119), at(121), at(200)))
    assert ended(scene) == ("max_bars", at(120), True, False)
    assert closed(scene).exit_price == D(61550) * D("0.9995")


def test_a_deadline_that_passed_while_down_is_settled_at_its_time(restart: Restart) -> None:
    """Lesson 84: down from ten to four until ten past; with the candles of that time nothing is late."""
    def utc(hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 3, 4, hour, minute, tzinfo=UTC)

    rules = rules_with(
        strat=StratRules(timeframes=("4h",), continuity={"4h": (("4h",), 1)}),
        mode="leverage", max_total_risk=D("0.9"), daily_loss=D("0.9"),
    )  # fmt: skip
    rules = msgspec.structs.replace(rules, margin=MarginRules(window="guide_2026_07"))
    before = Scene(rules=rules, closed={"4h": bars(REVERSAL, timeframe="4h")})
    before.trade(61000, utc(13))
    before.trade(61600, utc(13, 30))
    before.trade(61650, utc(20, 50))
    scene = restart(before)
    settle(scene, utc(21, 10), flat(61700, utc(20, 52), utc(20, 58), utc(21, 5)))
    assert ended(scene) == ("deadline", utc(20, 55), True, False)
    assert [alert.kind for alert in scene.events(Alert)] == ["recovered"]
    assert scene.events(Remargined) == []


# ── money and days in order ─────────────────────────────────────────────────────────────────────────────────────────


def test_funding_of_each_hour_is_paid_at_its_mark_and_only_while_open(restart: Restart) -> None:
    scene = restart(entered(rows=FAR))
    rows = flat(61500, at(59)) | flat(61700, at(119)) | {at(150): (61000, 61000, 58000, 58500)}
    settle(scene, at(300), rows)
    assert [(paid.at, paid.mark) for paid in scene.events(FundingPaid)] == [(at(60), 61500), (at(120), 61700)]
    assert ended(scene)[1] == at(150, 30)
    assert closed(scene).funding == sum(paid.amount for paid in scene.events(FundingPaid))


def test_what_traded_first_after_the_full_hour_is_not_its_mark(restart: Restart) -> None:
    """The candle of that minute opens on the hour, and the first trade in it came some seconds later."""
    scene = restart(entered(rows=FAR))
    settle(scene, at(90), flat(61500, at(55)) | flat(61700, at(60)))
    assert [(paid.at, paid.mark) for paid in scene.events(FundingPaid)] == [(at(60), 61500)]


def test_a_day_that_began_while_down_begins_with_the_equity_of_then(restart: Restart) -> None:
    scene = restart(entered(rows=FAR))
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    settle(scene, midnight + 60 * MINUTE, flat(62000, midnight - MINUTE) | flat(66000, midnight + MINUTE))
    (day,) = scene.events(DayStarted)
    cash = scene.kit.state("paper_broker").account.cash
    position = next(iter(scene.kit.state("risk_monitor").positions.values())).position
    gain = (62000 - position.entry_price) * position.contracts * position.contract_size
    paid_since = sum((paid.amount for paid in scene.events(FundingPaid) if paid.at >= midnight), D(0))
    assert paid_since > 0
    assert (day.day, day.at, day.equity) == ("2026-03-05", midnight, cash + paid_since + gain)


def test_two_products_are_settled_in_order_of_time(restart: Restart) -> None:
    rules = rules_with(max_total_risk=D("0.5"))
    before = Scene(rules=rules, symbols=(BIP, ETP), products=(product(BIP), product(ETP, contract_size=D("0.01"))))
    for symbol in (BIP, ETP):
        before.trade(61000, at(1), symbol=symbol)
        before.trade(61600, at(5), symbol=symbol)
    assert len(before.events(PositionOpened)) == 2
    scene = restart(before, (BIP, ETP))
    settle(scene, at(180), flat(58000, at(80)), flat(58000, at(70)) | flat(57000, at(90)))
    assert [(e.position.symbol, e.position.exit_time) for e in scene.events(PositionClosed)] == [
        (ETP, at(70)), (BIP, at(80)),
    ]  # fmt: skip


# ── once, told, and then the feed ───────────────────────────────────────────────────────────────────────────────────


def test_the_rows_say_so_and_the_owner_is_told_once(restart: Restart, engine: Engine, writer: Writer) -> None:
    scene = restart(entered())
    settle(scene, at(180), {at(70): (61500, 63200, 58800, 59200)}, since=at(6))
    write(writer, scene)
    with session(engine) as connection:
        fills = connection.execute(select(FillRow.purpose, FillRow.filled_while_down, FillRow.ambiguous)).all()
        (row,) = connection.execute(select(PositionRow.filled_while_down, PositionRow.ambiguous)).all()
    assert sorted(map(tuple, fills)) == [("entry", False, False), ("stop", True, True)]
    assert tuple(row) == (True, True)
    assert told(scene).startswith("Recovered after 174 minutes (2026-03-04 12:06 to 2026-03-04 15:00 UTC). Closed mean")
    assert "1h 2U-2D-2U long: stop, ambiguous at 58,770.6, 2026-03-04 13:10 UTC, net -$" in told(scene)


def test_nothing_happened_is_told_too(restart: Restart) -> None:
    scene = restart(entered())
    settle(scene, at(50), flat(61550, at(20)))
    assert told(scene).endswith(f"Nothing was closed meanwhile. Still open: {BIP} 1h 2U-2D-2U long")


def test_killed_before_the_commit_it_is_settled_again_and_killed_after_it_is_not(restart: Restart) -> None:
    before = entered()
    rows = {at(70): (61500.0, 61600.0, 58800.0, 59200.0)}
    lost, scene = restart(before), restart(before)
    settle(lost, at(180), rows)
    settle(scene, at(180), rows)
    assert [event for batch in lost.kit.batches for event in batch.events] == [
        event for batch in scene.kit.batches for event in batch.events
    ]
    assert len([batch for batch in scene.kit.batches if any(isinstance(e, PositionClosed) for e in batch.events)]) == 1
    again = restart(scene)
    settle(again, at(200), rows)
    assert again.events(Filled) == again.events(PositionClosed) == []


def test_what_was_seen_before_the_end_is_not_settled_again(restart: Restart) -> None:
    """The candle of the entry's minute dipped to the stop before the entry."""
    scene = restart(entered())
    settle(scene, at(50), {at(4): (61000, 61600, 58000, 61600), at(6): (61600, 61700, 61500, 61600)})
    assert scene.events(PositionClosed) == []


def test_it_may_come_in_parts_and_the_feed_goes_on_from_there(restart: Restart) -> None:
    scene = restart(entered())
    settle(scene, at(60), flat(61550, at(30)), last=False)
    assert [alert.kind for alert in scene.events(Alert)] == []
    scene.run(history(at(60), {"1h": bars(REVERSAL, until=at(60))}))
    settle(scene, at(62), flat(61560, at(61)), after=at(60), since=at(5))
    assert told(scene).startswith("Recovered after 57 minutes")
    scene.run(FeedUp(at(62)))
    assert not scene.kit.state("paper_broker").settling
    scene.trade(58000, at(61, 30), source="snapshot")
    assert scene.events(PositionClosed) == []
    scene.trade(58000, at(62, 10), source="snapshot")
    assert ended(scene) == ("stop", at(62, 10), False, False)


def test_the_mark_of_an_hour_is_the_last_close_before_it_though_what_was_stored_is_older(restart: Restart) -> None:
    """Prices are stored once a second: the killed process had seen 61700, and stored the 61600 of the entry."""
    scene = restart(entered(rows=FAR))
    (before,) = minutes(flat(61700, at(57)))
    settle(scene, at(150), flat(61800, at(90)), after=at(58), before={BIP: before})
    paid = scene.events(FundingPaid)
    assert [(each.at, each.mark) for each in paid] == [(at(60), D(61700)), (at(120), D(61800))]


def test_with_no_candle_for_hours_the_last_close_before_stays_the_mark(restart: Restart) -> None:
    scene = restart(entered(rows=FAR))
    (before,) = minutes(flat(61700, at(57)))
    scene.run(Missed(at(58), at(58), at(59), {BIP: ()}, before={BIP: before}))
    scene.run(FeedUp(at(59)))
    scene.run(MarketTime(at(61)))
    assert [(paid.at, paid.mark) for paid in scene.events(FundingPaid)] == [(at(60), D(61700))]


def test_with_no_candle_at_all_time_goes_on(restart: Restart) -> None:
    scene = restart(entered(rows=FAR))
    scene.run(Missed(at(5), at(5), at(150), {BIP: ()}))
    assert scene.kit.core.now == at(150)
    assert [paid.at for paid in scene.events(FundingPaid)] == [at(60), at(120)]
    assert told(scene).startswith("Recovered after 145 minutes")
