"""The story of every trigger of a lively account: complete, and the same numbers as tables, ledger and audit."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, Engine, select, text

from atlas.errors import DataError
from atlas.money.entry import Check
from atlas.money.sizing import Size, SizeRequest, size
from atlas.risk import GATES
from db.embedded import EmbeddedServer
from db.engine import connect
from db.lock import AccountLock
from db.models import PositionRow, RejectionRow, TriggerRow
from db.story import Story, found, read, tell
from db.story.picture import picture_of
from db.story.read import Records
from db.story.size_steps import size_steps
from db.story.story import Executed, SizingStep
from db.writer import Writer
from tests.db.audited import lively, store
from tests.db.conftest import HOLDER


@pytest.fixture(scope="module")
def lively_half(postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[Engine]:
    """An engine on a database with a lively account, `paper`."""
    name = f"story_{worker}"
    postgres.create_database(name, template=migrated_template)
    engine = connect(postgres.url(name))
    held = AccountLock(postgres.url(name), "paper", HOLDER)
    held.acquire()
    store(Writer(engine, "paper", held.fence), lively(steps=500))
    held.release()
    yield engine
    engine.dispose()
    postgres.drop_database(name)


@pytest.fixture
def connection(lively_half: Engine) -> Iterator[Connection]:
    """A transaction on it that is rolled back, so that the next test finds it whole."""
    with lively_half.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def told(lively_half: Engine) -> list[Story]:
    """The stories of all its triggers, oldest first."""
    query = select(TriggerRow.id).where(TriggerRow.account == "paper").order_by(TriggerRow.at, TriggerRow.id)
    with lively_half.connect() as connection:
        return [tell(read(connection, "paper", id_)) for id_ in connection.execute(query).scalars()]


def of(told: list[Story], outcome: str) -> list[Story]:
    """Those that ended so."""
    return [story for story in told if story.outcome == outcome]


def test_every_trigger_has_a_story_that_ends_as_a_trade_or_as_one_named_rejection(
    told: list[Story],
) -> None:
    assert len(told) >= 20
    for story in told:
        assert (story.outcome == "trade") == (story.trade is not None) == (story.why_not is None)
        assert (story.outcome == "rejected") == (story.why_not is not None)


def test_every_gate_is_told_in_order_with_value_and_threshold(told: list[Story]) -> None:
    for story in told:
        assert story.gates_told
        assert tuple(check.gate for check in story.gates) == GATES[: len(story.gates)]
        assert all(check.value and check.threshold for check in story.gates)
        assert [check.outcome for check in story.gates[:-1]].count("failed") == 0
        if story.trade is not None:
            assert len(story.gates) == len(GATES)
    rejected = of(told, "rejected")
    assert {story.gates[-1] for story in rejected} == {story.why_not for story in rejected}
    assert len({story.why_not.gate for story in rejected if story.why_not is not None}) >= 2


def test_the_rejection_is_that_of_the_table(connection: Connection, told: list[Story]) -> None:
    rows = connection.execute(select(RejectionRow.__table__).where(RejectionRow.account == "paper")).all()
    stored = {row.id: Check(row.gate, "failed", row.value, row.threshold) for row in rows}
    assert {story.id: story.why_not for story in of(told, "rejected")} == stored


def test_the_size_is_what_the_step_that_bound_it_says_and_what_was_traded(told: list[Story]) -> None:
    for story in of(told, "trade"):
        steps = {step.name: step.value for step in story.sizing}
        (bound,) = (step for step in story.sizing if step.bound)
        caps = [steps[name] for name in ("by the risk", "by the margin", "by the product's limit")]
        assert story.trade is not None
        assert bound.value == min(caps) == steps["contracts"] == story.trade.contracts
        each = steps["price risk a contract"] + steps["costs a contract"]
        assert steps["by the risk"] == steps["risk budget"] // each


def test_the_cash_of_all_deeds_is_the_net_of_the_trade_and_of_the_ledger(
    connection: Connection, told: list[Story]
) -> None:
    nets = select(PositionRow.id, PositionRow.net).where(PositionRow.account == "paper")
    stored = {row.id: row.net for row in connection.execute(nets)}
    trades = {story.id: story for story in of(told, "trade")}
    assert trades.keys() == stored.keys()
    for id_, story in trades.items():
        assert story.trade is not None
        money = story.trade.money
        cash = sum((deed.amount for deed in story.deeds if deed.amount is not None), Decimal(0))
        assert money.net == money.booked == cash == stored[id_] == money.gross - money.fees - money.funding
    assert any(deed.kind == "funding" for story in trades.values() for deed in story.deeds)
    assert any(deed.kind == "stop_moved" for story in trades.values() for deed in story.deeds)


def test_the_deeds_are_in_the_order_of_time_from_the_setup_to_the_exit(told: list[Story]) -> None:
    for story in told:
        times = [deed.at for deed in story.deeds]
        assert times == sorted(times)
        assert [deed.kind for deed in story.deeds][:2] == ["setup", "triggered"]
        assert story.deeds[-1].kind == ("rejected" if story.trade is None else "closed")


def test_the_levels_are_those_of_the_bars_it_was_read_from(told: list[Story]) -> None:
    for story in told:
        bars = {bar.role: bar for bar in story.bars}
        assert bars["C1"].decided
        assert bars["C1"].open_time == story.setup_time
        assert story.trigger == (bars["C1"].high if story.side == "long" else bars["C1"].low)
        assert [bar.open_time for bar in story.bars] == sorted({bar.open_time for bar in story.bars})
        last = story.setup.split("-")[-2]
        assert bars["C1"].type in (last, None)


def test_continuity_is_told_frame_by_frame_at_detection_and_at_the_trigger(told: list[Story]) -> None:
    for story in told:
        assert [reading.moment for reading in story.continuity] == ["detection", "trigger"]
        for reading in story.continuity:
            agreeing = sum(each.answer == "agrees" for each in reading.frames)
            assert reading.score == f"{agreeing}/{len(reading.frames)}"
            assert reading.full == (agreeing == len(reading.frames))
        at_trigger = story.continuity[1]
        for frame in at_trigger.frames:
            if frame.open is not None and at_trigger.price is not None and frame.answer != "unknown":
                beyond = at_trigger.price > frame.open if story.side == "long" else at_trigger.price < frame.open
                assert beyond == (frame.answer == "agrees")


def test_a_picture_shows_the_bars_of_the_story(told: list[Story]) -> None:
    for story in told[:20]:
        picture = picture_of(story)
        assert picture is not None
        assert [bar.opened for bar in picture.bars][: len(story.bars)] == [bar.open_time for bar in story.bars]
        assert all(bar.forming for bar in picture.bars[len(story.bars) :])
        assert picture.bars[picture.entry_bar].opened <= story.at
        assert picture.exit is None or (story.trade is not None and picture.exit == story.trade.exit_price)


def test_a_picture_of_a_trade_made_elsewhere_is_of_the_bars_it_was_made_on(told: list[Story]) -> None:
    (story, *_) = of(told, "trade")
    assert story.trade is not None
    there = tuple(replace(bar, high=bar.high + 1000) for bar in story.bars)
    elsewhere = Executed("ETP-20DEC30-CDE", story.trigger + 1000, Decimal("1.1"), there)
    picture, unknown = (
        picture_of(replace(story, executed=each)) for each in (elsewhere, replace(elsewhere, bars=()))
    )
    assert picture is not None
    assert unknown is not None
    assert picture.title.startswith("ETP-20DEC30-CDE ")
    assert [bar.high for bar in picture.bars][: len(there)] == [bar.high for bar in there]
    assert (picture.trigger, picture.exit) == (story.trigger + 1000, story.trade.exit_price)
    assert (unknown.trigger, unknown.entry, unknown.exit) == (story.trigger, story.price, None)
    assert unknown.words.startswith(f"signal of {story.symbol}, continuity")


def test_a_trigger_of_a_version_that_told_no_gates_says_so(connection: Connection, told: list[Story]) -> None:
    (story, *_) = of(told, "rejected")
    payload = "(payload::jsonb - 'checks' - 'size')::json"
    changed = connection.execute(
        text(f"UPDATE events SET payload = {payload} WHERE id = :key"), {"key": f"judged:{story.id}"}
    )
    assert changed.rowcount == 1
    old = tell(read(connection, "paper", story.id))
    assert (old.gates_told, old.gates, old.sizing) == (False, (story.why_not,), ())


def test_a_candle_that_was_replaced_since_does_not_change_what_was_decided_on(
    connection: Connection, told: list[Story]
) -> None:
    (story, *_) = told
    connection.execute(
        text("UPDATE candles SET high = high + 1, type = '3' WHERE symbol = :symbol AND open_time = :at"),
        {"symbol": story.symbol, "at": story.setup_time},
    )
    assert tell(read(connection, "paper", story.id)).bars == story.bars


def test_a_trigger_without_a_reading_of_its_moment_tells_continuity_at_detection_only(
    connection: Connection, told: list[Story]
) -> None:
    (story, *_) = told
    records = read(connection, "paper", story.id)
    old = tell(replace(records, triggered=replace(records.triggered, at_trigger=None)))
    assert old.continuity == story.continuity[:1]


def test_an_id_that_no_trigger_has_is_no_story(connection: Connection) -> None:
    with pytest.raises(DataError, match="account 'paper' has no trade or trigger 'BIP:nothing'"):
        read(connection, "paper", "BIP:nothing")


# ── sizing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sized(records: Records, equity: str = "10000", **rules: Any) -> tuple[Size, dict[str, SizingStep]]:
    """What the entry of a trade comes to under other rules of sizing, and the steps that are told of it by name."""
    judged, terms = records.judged, records.terms
    assert judged is not None
    assert judged.size is not None
    assert terms is not None
    (product,) = (each for each in terms.products if each.id == judged.product)
    other = replace(terms.rules, sizing=replace(terms.rules.sizing, **rules))
    setup, worth = records.triggered.setup, Decimal(equity)
    request = SizeRequest(
        setup.side, judged.reference, setup.stop, judged.bid, judged.ask, worth, worth, judged.size.multiplier,
        judged.size.leverage,
    )  # fmt: skip
    found = size(request, product, other)
    steps = size_steps(replace(records, terms=replace(terms, rules=other)), judged, found)
    return found, {step.name: step for step in steps}


@pytest.fixture
def records(connection: Connection, told: list[Story]) -> Records:
    """What is recorded of the first trade."""
    return read(connection, "paper", of(told, "trade")[0].id)


def test_a_size_by_leverage_is_told_from_the_margin_and_names_no_risk_budget(records: Records) -> None:
    found, steps = sized(records, mode="leverage")
    assert found.contracts > 0
    assert steps["by the leverage"].bound
    assert steps["by the leverage"].value == found.contracts == steps["contracts"].value
    assert steps["by the leverage"].how.startswith(f"{found.by_margin.normalize():f} by margin × ")
    assert not steps.keys() & {"risk budget", "by the risk", "by the units"}


def test_a_size_in_units_is_told_as_always_so_many_of_the_underlying(records: Records) -> None:
    found, steps = sized(records, mode="units", units=Decimal("0.02"))
    assert steps["by the units"].bound
    assert steps["by the units"].value == found.contracts == Decimal(2)
    assert steps["by the units"].how == "always 0.02 of the underlying, whole contracts"
    assert not steps.keys() & {"risk budget", "by the risk", "by the leverage"}


def test_no_contracts_say_which_gate_it_was_and_risk_and_reserve_nothing(records: Records) -> None:
    found, steps = sized(records, equity="1")
    assert (found.contracts, found.zero_because) == (Decimal(0), "size_zero")
    assert steps["contracts"].how == "none: `size_zero`"
    assert not steps.keys() & {"risk", "costs", "margin"}


def test_without_recorded_terms_the_steps_leave_out_what_only_the_product_knows(records: Records) -> None:
    assert records.judged is not None
    assert records.judged.size is not None
    assert records.position is not None
    whole = size_steps(records, records.judged, records.judged.size)
    bare = size_steps(replace(records, terms=None), records.judged, records.judged.size)
    names = [step.name for step in whole]
    assert [step.name for step in bare] == [name for name in names if name != "by the product's limit"]
    hows = [next(step.how for step in steps if step.name == "price risk a contract") for steps in (whole, bare)]
    assert hows[0] == f"{hows[1]} × {records.position.contract_size.normalize():f}"


# ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_found_whole_or_by_a_part_that_no_other_has(connection: Connection, told: list[Story]) -> None:
    (story, *_) = told
    assert found(connection, "paper", story.id) == story.id
    part = story.id.partition(":")[2]
    assert found(connection, "paper", part.lower()) == story.id


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("BIP", "part of several ids"), ("nothing like it", "has no trade or trigger"), ("", "has no trade or trigger"),
     ("%", "has no trade or trigger")],
)  # fmt: skip
def test_what_is_no_single_id_is_an_error_that_names_the_nearest(
    connection: Connection, told: list[Story], wanted: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as error:
        found(connection, "paper", wanted)
    ids = [story.id for story in told]
    assert sum(f"`{id_}`" in str(error.value) for id_ in ids) == 5


def test_a_mistyped_id_is_answered_with_the_one_that_was_meant(connection: Connection, told: list[Story]) -> None:
    (story, *_) = told
    with pytest.raises(DataError, match=rf"nearest ids are .*`{story.id.replace('?', '[?]')}`"):
        found(connection, "paper", f"{story.id}x")


def test_a_setup_that_never_triggered_is_an_error_that_says_what_became_of_it(connection: Connection) -> None:
    query = text("SELECT id FROM setups WHERE account = 'paper' AND status = 'lapsed' LIMIT 1")
    id_ = connection.execute(query).scalar_one()
    with pytest.raises(DataError, match="has not triggered: the setup is lapsed"):
        found(connection, "paper", id_)


def test_an_account_in_which_nothing_triggered_says_so(connection: Connection) -> None:
    with pytest.raises(DataError, match="nothing has triggered yet"):
        found(connection, "quiet", "BIP")


def test_a_long_trade_shows_its_begin_and_its_end_and_counts_what_is_between(
    connection: Connection, told: list[Story]
) -> None:
    (story, *_) = of(told, "trade")
    length: timedelta = story.valid_until - story.valid_from
    minutes: dict[str, Any] = {"symbol": story.symbol, "timeframe": story.timeframe}
    connection.execute(
        text(
            "INSERT INTO candles (symbol, timeframe, open_time, close_time, open, high, low, close, volume, verified) "
            "SELECT :symbol, :timeframe, :at + n * :length, :at + (n + 1) * :length, 1, 1, 1, 1, 1, true "
            "FROM generate_series(1, 100) AS n ON CONFLICT DO NOTHING"
        ),
        {**minutes, "at": story.valid_from, "length": length},
    )
    payload = "jsonb_set(payload::jsonb, '{exit_time}', to_jsonb(CAST(:at AS text)))::json"
    connection.execute(
        text(f"UPDATE positions SET payload = {payload} WHERE id = :id"),
        {"id": story.id, "at": (story.valid_from + 80 * length).isoformat()},
    )
    long = tell(read(connection, "paper", story.id))
    (cut,) = (bar for bar in long.bars if bar.skipped)
    before = long.bars[long.bars.index(cut) - 1]
    assert cut.open_time - before.close_time == cut.skipped * length
    assert long.bars[-1].open_time == story.valid_from + 83 * length


def test_the_steps_are_those_of_the_size_that_was_judged(connection: Connection, told: list[Story]) -> None:
    for story in of(told, "trade"):
        judged = read(connection, "paper", story.id).judged
        assert judged is not None
        assert isinstance(judged.size, Size)
        shown = {step.value for step in story.sizing}
        assert {judged.size.budget, judged.size.by_formula, judged.size.by_margin, judged.size.risk} <= shown
