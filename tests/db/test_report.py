"""What `atlas report` reads: periods, sections, daily equity and the ledger, over a database the journal wrote."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from actors.messages import Alert, DayStarted, Quote
from atlas.cli.report import GROUPS
from atlas.errors import DataError
from atlas.performance import DIMENSIONS, DayEquity, measure
from db.batch import batch_of
from db.equity import daily_equity, equity_now
from db.exposure import exposure, lived
from db.funnel import funnel
from db.lock import AccountLock
from db.period import ALWAYS, Period
from db.report import Report, ledger, report
from db.results import positions
from db.writer import Extras, Writer
from tests.cli.command import Commands
from tests.db.audited import events, lively
from tests.db.story import START, SYMBOL, Trade

D = Decimal
HALF = datetime(2026, 3, 5, 12, tzinfo=UTC)
"""Amid the two days and two hours of the lively market."""
NEVER = Period(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC))


@pytest.fixture
def whole(lively_connection: Connection) -> Report:
    return report(lively_connection, "paper", "UTC")


def test_every_section_holds_all_trades(whole: Report) -> None:
    assert whole.metrics.trades >= 20
    assert set(whole.by) == set(DIMENSIONS) == set(GROUPS)
    for dimension, groups in whole.by.items():
        assert groups, dimension
        assert sum(group.trades for group in groups.values()) == whole.metrics.trades, dimension
        assert sum(group.net_profit for group in groups.values()) == whole.metrics.net_profit, dimension
        assert sum(group.fees for group in groups.values()) == whole.metrics.fees, dimension


def test_sections_name_what_the_trades_say(whole: Report) -> None:
    assert set(whole.by["exit"]) == {trade.exit_reason for trade in whole.trades}
    assert set(whole.by["continuity"]) == {trade.continuity for trade in whole.trades}
    assert set(whole.by["day"]) == {f"{trade.exit_time:%Y-%m-%d}" for trade in whole.trades}
    assert "scale_out" not in whole.by["exit"], "a part is no exit of its own"


def test_net_profit_of_closed_trades_is_what_the_account_gained_when_nothing_is_open(whole: Report) -> None:
    assert whole.summary.open_positions == 0
    assert whole.metrics.net_profit == whole.summary.cash - 10000
    assert whole.summary.cash == whole.summary.ledger_cash


def test_daily_equity_begins_with_the_deposit_and_ends_with_now(whole: Report) -> None:
    started = [event for event in events(lively()) if isinstance(event, DayStarted)]
    assert [event.day for event in started] == ["2026-03-04", "2026-03-05", "2026-03-06"]
    days = [date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5), date(2026, 3, 6)]
    equity = [event.equity for event in started] + [whole.summary.cash]
    assert whole.equity == [DayEquity(day, worth) for day, worth in zip(days, equity, strict=True)]
    assert whole.equity[0].equity == 10000
    assert whole.metrics.total_return == measure([], D(10000), whole.equity).total_return
    assert whole.metrics.sharpe is not None


def test_two_periods_share_out_trades_and_triggers(lively_connection: Connection, whole: Report) -> None:
    parts = [report(lively_connection, "paper", "UTC", one) for one in (Period(None, HALF), Period(HALF, None))]
    shared = [(trade.symbol, trade.setup_time, trade.exit_time) for part in parts for trade in part.trades]
    assert sorted(shared) == sorted((trade.symbol, trade.setup_time, trade.exit_time) for trade in whole.trades)
    assert all(part.trades and part.funnel for part in parts)
    for row in whole.funnel:
        key = (row.timeframe, row.family)
        same = [each for part in parts for each in part.funnel if (each.timeframe, each.family) == key]
        assert sum(each.triggers for each in same) == row.triggers
        assert sum(each.invalidated for each in same) == row.invalidated
        assert all(each.triggers == each.trades + sum(each.rejections.values()) for each in same)


def test_a_period_begins_with_the_equity_of_the_day_before(lively_connection: Connection, whole: Report) -> None:
    second = report(lively_connection, "paper", "UTC", Period(datetime(2026, 3, 5, tzinfo=UTC), None))
    assert second.equity == whole.equity[1:]
    first = report(lively_connection, "paper", "UTC", Period(None, datetime(2026, 3, 5, tzinfo=UTC)))
    assert first.equity == whole.equity[:2]


def test_days_are_the_accounts(lively_connection: Connection) -> None:
    """03:00 UTC is the evening before in New York."""
    night = Period(datetime(2026, 3, 5, 3, tzinfo=UTC), None)
    assert daily_equity(lively_connection, "paper", "America/New_York", night)[0].day == date(2026, 3, 3)
    assert daily_equity(lively_connection, "paper", "UTC", night)[0].day == date(2026, 3, 4)


def test_an_empty_period_has_no_trades_and_nothing_unknown_is_zero(lively_connection: Connection) -> None:
    found = report(lively_connection, "paper", "UTC", NEVER)
    assert (found.trades, found.funnel) == ([], [])
    assert all(groups == {} for groups in found.by.values())
    assert (found.metrics.trades, found.metrics.net_profit, found.metrics.max_drawdown) == (0, 0, 0)
    assert (found.metrics.profit_factor, found.metrics.sharpe, found.metrics.exposure) == (None, None, None)


def test_an_account_without_trades_reports(lively_connection: Connection) -> None:
    found = report(lively_connection, "quiet", "UTC")
    assert (found.trades, found.funnel, found.metrics.trades) == ([], [], 0)
    assert [each.equity for each in found.equity] == [10000, 10000]


def test_an_account_that_was_never_opened_is_an_error(lively_connection: Connection) -> None:
    for read in (lambda: report(lively_connection, "nobody", "UTC"), lambda: ledger(lively_connection, "nobody")):
        with pytest.raises(DataError, match="never opened"):
            read()


def test_exposure_is_a_share_of_the_time_the_account_lived(whole: Report, lively_connection: Connection) -> None:
    first, last = lively_connection.execute(
        text("SELECT min(at), max(at) FROM events WHERE account = 'paper' AND input IS NOT NULL")
    ).one()
    closed = positions(lively_connection, "paper", "closed")
    assert whole.metrics.exposure == measure(closed, D(10000), period=(first, last)).exposure
    assert whole.metrics.exposure is not None
    assert 0 < whole.metrics.exposure < 1


def test_the_database_sums_exposure_as_the_metrics_do(lively_connection: Connection) -> None:
    closed = positions(lively_connection, "paper", "closed")
    amid = closed[0].entry_time + ((closed[0].exit_time or HALF) - closed[0].entry_time) / 2
    for period in (ALWAYS, Period(None, HALF), Period(HALF, None), Period(closed[0].entry_time, amid), NEVER):
        wanted = report(lively_connection, "paper", "UTC", period).metrics.exposure
        assert exposure(lively_connection, "paper", period) == wanted, period
    assert exposure(lively_connection, "quiet", ALWAYS) is None


def test_an_account_that_only_others_spoke_of_has_not_lived(engine: Engine, writer: Writer) -> None:
    writer.write([batch_of([Alert("start", "a", START, "from outside the core")], input=None, at=START)])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events WHERE at IS NOT NULL")).scalar_one() == 1
        assert lived(connection, "paper", ALWAYS) is None
        assert exposure(connection, "paper", ALWAYS) is None


# ── open positions ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def holding(engine: Engine, writer: Writer) -> Engine:
    """An account with one open position: long 3 × 0.01 from 43 150."""
    trade = Trade()
    for batch in trade.batches[: trade.open_batches]:
        assert writer.write([batch_of(batch.events, input=batch.number, at=batch.at)]).refused == ()
    return engine


def test_equity_now_counts_open_positions_at_the_last_price(holding: Engine, lock: AccountLock) -> None:
    with holding.connect() as connection:
        cash: Decimal = connection.execute(text("SELECT cash FROM accounts")).scalar_one()
        assert equity_now(connection, "paper") == cash - D("1.5"), "the last candle, 43 100.00000001"
    Writer(holding, "paper", lock.fence).write([], Extras((Quote(SYMBOL, START, D(43250)),)))
    with holding.connect() as connection:
        assert equity_now(connection, "paper") == cash + 3, "the last quote"
        assert daily_equity(connection, "paper", "UTC") == [], "no trading day has begun"


def test_a_position_still_open_counts_for_exposure(holding: Engine, lock: AccountLock) -> None:
    trade = Trade()
    funded = trade.batches[trade.open_batches]
    Writer(holding, "paper", lock.fence).write([batch_of(funded.events, input=funded.number, at=funded.at)])
    with holding.connect() as connection:
        first, last = connection.execute(text("SELECT min(at), max(at) FROM events WHERE input IS NOT NULL")).one()
        (held,) = positions(connection, "paper", "open")
        assert first < held.entry_time < last
        found = report(connection, "paper", "UTC")
        assert (found.metrics.trades, found.by["symbol"]) == (0, {})
        share = (last - held.entry_time) / (last - first)
        assert float(found.metrics.exposure or 0) == pytest.approx(share)
        before = report(connection, "paper", "UTC", Period(None, held.entry_time))
        assert before.metrics.exposure is None, "it was not open yet"


def test_a_position_closed_after_the_period_counts_for_its_exposure(lively_connection: Connection) -> None:
    trade = positions(lively_connection, "paper", "closed")[0]
    assert trade.exit_time is not None
    amid = trade.entry_time + (trade.exit_time - trade.entry_time) / 2
    found = report(lively_connection, "paper", "UTC", Period(trade.entry_time, amid))
    assert found.metrics.exposure == 1


def test_a_trigger_still_being_decided_is_in_no_funnel(holding: Engine) -> None:
    with holding.connect() as connection:
        before = funnel(connection, "paper")
        connection.execute(text("UPDATE triggers SET outcome = NULL"))
        assert [(row.triggers, row.trades) for row in before] == [(1, 1)]
        assert funnel(connection, "paper") == []


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_ledger_sums_to_zero_and_its_books_are_the_account(lively_connection: Connection) -> None:
    found = ledger(lively_connection, "paper")
    assert found.sums
    assert sum(entry.amount for entry in found.entries) == sum(found.balances.values()) == 0
    assert (found.balances["cash"], found.balances["margin_reserved"]) == (found.cash, found.reserved)
    assert {entry.kind for entry in found.entries} == {
        "deposit", "fee", "funding", "realised", "margin_reserve", "margin_release"
    }  # fmt: skip


def test_the_ledger_of_a_period_carries_the_balances_before_it(lively_connection: Connection) -> None:
    whole = ledger(lively_connection, "paper")
    early, late = (ledger(lively_connection, "paper", part) for part in (Period(None, HALF), Period(HALF, None)))
    assert [*early.entries, *late.entries] == whole.entries
    assert late.balances == whole.balances
    assert early.balances["cash"] == sum(entry.amount for entry in early.entries if entry.book == "cash")


def test_a_movement_that_does_not_sum_is_named(lively_connection: Connection) -> None:
    where = "WHERE account = 'paper' AND movement_id = 'deposit' AND book = 'cash'"
    lively_connection.execute(text(f"UPDATE ledger SET amount = amount + 1 {where}"))
    found = ledger(lively_connection, "paper")
    assert found.unbalanced == ["deposit"]
    assert not found.sums


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run(lively_url: str, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(tmp_path_factory.mktemp("place"), ATLAS_DATABASE_URL=lively_url)


def test_the_page_has_sections_every_metric_and_infinity(run: Commands) -> None:
    page = run("report")
    assert page.code == 0, page.err
    for section in ("timeframe", "setup", "product", "side", "continuity", "exit", "day"):
        assert f"by {section}" in page.out
    assert "by weekday" not in page.out
    for word in ("drawdown", "Sharpe", "Sortino", "Calmar", "SQN", "exposure", "streaks", "MAE", "payoff"):
        assert word in page.out
    assert "∞" in run("report", "--by", "hour").out, "an hour without any loss"


def test_by_chooses_the_sections(run: Commands) -> None:
    page = run("report", "--by", "product", "--by", "weekday").out
    assert "by product" in page
    assert "by weekday" in page
    assert "by timeframe" not in page


def test_from_and_to_are_days_of_the_account_or_times(run: Commands, lively_connection: Connection) -> None:
    def printed(*argv: str) -> Any:
        return run("report", "--json", *argv).json["trades"]

    def within(start: datetime | None, end: datetime | None) -> list[str]:
        closed = positions(lively_connection, "paper", "closed", Period(start, end))
        return [position.exit_time.strftime("%Y-%m-%dT%H:%M") for position in closed if position.exit_time]

    fifth = datetime(2026, 3, 5, tzinfo=UTC)
    assert [each["exit_time"][:16] for each in printed("--from", "2026-03-05")] == within(fifth, None)
    midnight = fifth + timedelta(hours=5)
    new_york = printed("--from", "2026-03-05", "--set", "account.timezone=America/New_York")
    assert [each["exit_time"][:16] for each in new_york] == within(midnight, None) != within(fifth, None)
    assert [each["exit_time"][:16] for each in printed("--to", "2026-03-05T05:00Z")] == within(None, midnight)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--from", "lately"), "--from lately: write a day, 2026-03-02, or a time"),
        (("--from", "2026-03-05", "--to", "2026-03-05"), "is not after --from"),
        (("--funnel", "--ledger"), "are two reports"),
        (("--by", "moon"), "'moon' is not one of"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run: Commands, argv: tuple[str, ...], said: str) -> None:
    ended = run("report", *argv)
    assert (ended.code, said in ended.said()) == (2, True), ended.err


def test_the_ledger_is_printed_with_its_sum_and_fails_when_it_does_not_balance(
    run: Commands, lively_engine: Engine, lively_connection: Connection
) -> None:
    done = run("report", "--ledger")
    assert done.code == 0, done.err
    assert done.out.count("deposit") == 4, "two legs, each with kind and movement"
    sums = [line.split() for line in done.out.splitlines() if line.startswith("sum")]
    assert sums == [["sum", "0.00000000"]]
    printed = run("report", "--ledger", "--json").json
    assert [D(entry["amount"]) for entry in printed["entries"]] == [
        entry.amount for entry in ledger(lively_connection, "paper").entries
    ]
    with lively_engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET amount = 1 WHERE account = 'quiet' AND book = 'cash'"))
    broken = run("report", "--ledger", "--account", "quiet")
    assert (broken.code, "does not balance: deposit" in broken.said()) == (65, True)


def test_the_json_is_that_of_the_struct(run: Commands, whole: Report) -> None:
    printed = run("report", "--json").json
    assert list(printed) == list(Report.__struct_fields__)
    assert printed["period"] == {"start": None, "end": None}
    assert printed["equity"] == [{"day": str(each.day), "equity": f"{each.equity:f}"} for each in whole.equity]
    assert len(printed["trades"]) == len(whole.trades)
    assert {dimension: list(groups) for dimension, groups in printed["by"].items()} == {
        dimension: list(groups) for dimension, groups in whole.by.items()
    }
