"""`atlas replay --compare` after kill -9: what was recorded and never committed was decided anew by the next run."""

from pathlib import Path

import msgspec
from sqlalchemy import Engine

from actors.messages import EventBatch, FeedUp, ProductsListed, Snapshot, decode, encode
from actors.night_compare import differences
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.kit import Kit
from actors.runtime.post import JOURNAL, Post, Sink
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.virtual import VirtualCore
from actors.system_states import beginning
from atlas.cli.replay import replayed
from atlas.rules import Rules
from db.batch import batch_of
from db.engine import session
from db.models import TriggerRow
from db.writer import Writer
from tests.actors.scene import BIP, NOON, REVERSAL, Scene, at, bars, forming, history, product, rules_with

RULES: Rules = rules_with()
DECIDER = Decider(RULES, (BIP,), "1")


def commit(writer: Writer, batches: list[EventBatch]) -> None:
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in batches])


def killed(writer: Writer, recorder: Recorder) -> int:
    """Enter at five past noon, and be killed before that is committed; return the last number recorded."""
    kit = Kit(core_roles(DECIDER), route, outside=["history", "rest_prices"], recorder=recorder)
    scene = Scene(rules=RULES, kit=kit)
    scene.trade(61000, at(1))
    committed = len(kit.batches)
    scene.trade(61600, at(5))
    assert len(kit.batches) > committed
    commit(writer, kit.batches[:committed])
    recorder.sync()
    return kit.core.number


def goes_on(engine: Engine, writer: Writer, recorder: Recorder, number: int) -> None:
    """Begin from what is committed: the break is found in the candles, and missed."""
    with session(engine) as connection:
        begins = beginning(connection, "paper", (product(),), at(10))
    post, journal = Post(), Sink()
    for name, sink in {JOURNAL: journal, "history": Sink(), "rest_prices": Sink(), "supervisor": Sink()}.items():
        post.bind(name, sink)
    core = VirtualCore(route, post, recorder, number=number, market_time=begins.market_time)
    for role in core_roles(DECIDER, begins.states):
        core.add(role)
    core.begin()
    core.run(ProductsListed((product(),)))
    core.run(history(at(10), {"1h": bars(REVERSAL)}, {"1h": forming((61000, 61600, 61000, 61600), NOON)}))
    core.run(FeedUp(at(10)))
    core.run(Snapshot(BIP, at(10), None))
    core.close()
    commit(writer, [message for message in journal.messages if isinstance(message, EventBatch)])


def test_what_a_killed_process_had_not_committed_is_no_difference_and_what_differs_is(
    engine: Engine, writer: Writer, tmp_path: Path
) -> None:
    (tmp_path / "decider.json").write_bytes(msgspec.json.encode(DECIDER))
    recorder = Recorder(tmp_path, Codec(encode=encode, decode=decode), clock=lambda: NOON)
    recorder.start(1)
    goes_on(engine, writer, recorder, killed(writer, recorder))
    recorder.stop(1)
    with engine.begin() as connection:
        assert connection.execute(TriggerRow.__table__.select()).one().outcome == "rejected"
    events, _, again = replayed(tmp_path)
    decided = [id_ for id_, _ in events if id_.startswith("triggered:")]
    assert len(decided) == 2, "once by each process"
    assert list(differences(again, engine, "paper")) == []
    assert sum(run.events for run in again.runs) > 5
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE events SET payload = replace(payload::text, '61600', '61601')::json WHERE kind = 'EntryTriggered'"
        )
    assert [(each.id, each.how) for each in differences(again, engine, "paper")] == [(decided[0], "different")]
