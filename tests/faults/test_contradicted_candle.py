"""The exchange revises a candle ATLAS has traded on: from the REST interface to the doctor's ledger.

A real local exchange that revises a minute, history's own client over a real socket, the core, a real Postgres and the
command as somebody types it. The exchange's clock stands, so nothing here depends on time.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from actors.history import HistoryActor
from actors.history_confirm import LOOKS, CheckDue
from actors.messages import (
    BarContradicted,
    ConfirmBars,
    EventBatch,
    ExchangeCandles,
    FeedUp,
    History,
    LoadHistory,
    MarketTime,
    PositionDoubted,
    PositionOpened,
    ProductsListed,
    Rejected,
    SetupsReplaced,
    SetupsRevised,
    Snapshot,
    Trades,
)
from actors.route import route
from actors.runtime.behaviour import AfterWall, Effect, Send
from actors.runtime.kit import Kit
from atlas.cli.completeness import judge
from atlas.exchange.local import Fault, LocalExchange
from atlas.exchange.rest import Rest
from atlas.market.bar import Tick
from atlas.market.timeframes import TIMEFRAMES
from atlas.rules import GateRules, Rules, SizingRules, StratRules
from atlas.strat.setup import TRADED_BY_DEFAULT, Setup
from db.batch import batch_of
from db.engine import connect
from db.lock import AccountLock, Holder
from db.models import OutboxRow, PositionRow
from db.writer import Writer
from tests.actors.scene import Scene
from tests.cli.command import Commands
from tests.faults.feed_fire import BTC, exchange_options, market

DETECTED = ("1m", "5m", "15m", "30m", "1h", "2h", "4h")
RULES = Rules(
    strat=StratRules(
        timeframes=DETECTED,
        families=(*TRADED_BY_DEFAULT, "rev-strat"),
        continuity={timeframe: ((timeframe,), 1) for timeframe in DETECTED},
    ),
    gates=GateRules(off=("magnitude", "reward_risk", "continuity", "fees")),
    sizing=SizingRules(long_only_spot=False, position_policy="unlimited"),
)
"""Every setup there is may be entered, so that any market has one to enter."""


class Outside:
    """History with its client, and the core: what each tells the other is carried over; pauses are over at once."""

    def __init__(self, exchange: LocalExchange) -> None:
        self.kit = Kit(Scene.roles(RULES, (BTC,)), route, outside=["history", "rest_prices"])
        rest = Rest(exchange.rest_url, rate=400)
        wanted = dict.fromkeys((name for name in TIMEFRAMES if name not in ("1w", "1M")), 40)
        self.history = HistoryActor((BTC,), wanted, lambda: rest, jitter=lambda: 0.0)
        self.now = rest.time()
        self.looks = 0
        self._heard = 0
        self.kit.run(MarketTime(self.now))
        self.kit.run(ProductsListed((rest.product(BTC),)))
        self.tell(LoadHistory(BTC, "start"))
        self.kit.run(FeedUp(self.now))
        self.kit.run(Snapshot(BTC, self.now, None))

    def tell(self, message: Any) -> None:
        """Tell history something, and carry on until neither has anything more to do."""
        self._carry(self.history.receive(self.now, message))

    def _carry(self, effects: Iterable[Effect]) -> None:
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            if isinstance(effect, AfterWall) or effect.to == "history":  # type: ignore[union-attr]  # no After there
                self.looks += isinstance(effect.message, CheckDue)
                waiting.extend(self.history.receive(self.now, effect.message))
            elif isinstance(effect, Send) and effect.to == "core":
                assert isinstance(effect.message, History | ExchangeCandles)
                self.kit.run(effect.message)
                asked = [message for message in self.kit.to("history") if isinstance(message, LoadHistory)]
                fresh, self._heard = asked[self._heard :], len(asked)
                for message in fresh:
                    waiting.extend(self.history.receive(self.now, message))

    def events(self, kind: Any) -> list[Any]:
        """The events of one type so far."""
        return [event for batch in self.kit.batches for event in batch.events if isinstance(event, kind)]

    def trade(self, setup: Setup) -> None:
        """A trade just beyond a setup's trigger, now."""
        beyond = setup.trigger + (1 if setup.side == "long" else -1)
        self.kit.run(Trades(BTC, (Tick(2**40 + len(self.kit.sent), self.now, beyond, setup.trigger),)))


@pytest.fixture
def outside(tmp_path: Path) -> Iterable[tuple[LocalExchange, Outside]]:
    """An exchange whose clock stands, and ATLAS as it has started on it."""
    with LocalExchange(market(), exchange_options(hold=True)) as exchange:
        made = Outside(exchange)
        yield exchange, made
        made.history.stop()
        made.kit.close()


def in_force(outside: Outside) -> list[Setup]:
    """The setups one can be entered by now."""
    newest = {told.timeframe: told.setups for told in outside.events(SetupsReplaced)}
    return [
        setup for setups in newest.values() for setup in setups if setup.valid_from <= outside.now < setup.valid_until
    ]


def test_a_revised_candle_voids_flags_is_told_once_and_shown(
    outside: tuple[LocalExchange, Outside], tmp_path: Path, database_url: str
) -> None:
    exchange, atlas = outside
    frame = atlas.kit.state(f"scanner:{BTC}").frames
    for setup in in_force(atlas):
        if not atlas.events(PositionOpened):
            atlas.trade(setup)
    assert atlas.events(PositionOpened), atlas.events(Rejected)
    held = atlas.events(PositionOpened)[0].position
    contradicted = next(bar for bar in frame[held.timeframe].recent if bar.open_time == held.setup_time)

    exchange.strike(Fault(kind="revised_candle", product=BTC, minute=contradicted.open_time, field="high", ticks=10**6))
    atlas.tell(ConfirmBars(BTC, tuple(frame[held.timeframe].recent[-3:])))

    assert atlas.looks == LOOKS
    doubted = atlas.events(BarContradicted)
    assert [(event.ours, event.theirs.high > contradicted.high) for event in doubted] == [(contradicted, True)]
    assert [event.position_id for event in atlas.events(PositionDoubted)] == [held.id]
    assert atlas.events(SetupsRevised)
    state = atlas.kit.state(f"scanner:{BTC}")
    assert state.verified
    replaced = next(bar for bar in state.frames[held.timeframe].recent if bar.open_time == held.setup_time)
    assert replaced == doubted[0].theirs

    lock = AccountLock(database_url, "paper", Holder("here", 1, "1", "paper", RULES.fingerprint()))
    lock.acquire()
    engine = connect(database_url)
    writer = Writer(engine, "paper", lock.fence)
    batches = [batch for batch in atlas.kit.batches if isinstance(batch, EventBatch)]
    for batch in batches:
        assert writer.write([batch_of(batch.events, input=batch.number, at=batch.at)]).refused == ()
    with engine.connect() as connection:
        told = connection.execute(select(OutboxRow.critical).where(OutboxRow.kind == "contradicted")).all()
        flagged = connection.execute(select(PositionRow.id).where(PositionRow.contradicted)).scalars().all()
        found = {finding.check: (finding.level, finding.text) for finding in judge(connection, "paper")}
    engine.dispose()
    lock.release()
    assert (told, flagged) == ([(True,)], [held.id])
    assert found["completeness"][0] == "ok"
    assert " repaired; " in found["completeness"][1]  # of every timeframe that holds the revised minute
    assert found["positions"][0] == "warning"
    assert held.id in found["positions"][1]

    commands = Commands(tmp_path, ATLAS_DATABASE_URL=database_url)
    shown = commands("doctor", "--completeness", "--json").json
    (ledger,) = [each for each in shown["ledgers"] if each["timeframe"] == held.timeframe]
    assert ledger["bars"] == {"repaired": 1}
    assert ledger["stretches"][0]["from_rest"] == 1
    listed = commands("doctor", "--completeness").out
    assert "repaired" in listed
    assert listed.endswith("0 open holes\n")
