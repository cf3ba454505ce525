"""The funnel of four days of March 2020 in a real database, against plain loops over the same minutes."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atlas.backtest.result import FunnelRow
from atlas.rules import Rules
from db.audit import audit
from db.embedded import EmbeddedServer
from db.engine import connect, snapshot
from db.funnel import funnel
from db.lock import AccountLock
from db.writer import Writer
from tests.actors.march_2020 import March, rules
from tests.cli.command import Commands
from tests.db.audited import store
from tests.db.conftest import HOLDER
from tests.strat.brute_force import SECONDS, Trigger, breaks, read_minutes

pytestmark = [pytest.mark.shared, pytest.mark.timeout(300)]

FREE = rules(
    "magnitude", "reward_risk", "continuity", "fees", "daily_loss", "position_policy", "max_open_positions",
    "total_risk", risk_share=Decimal("0.002"),
)  # fmt: skip
RUNS: dict[str, Rules] = {"default": rules(), "free": FREE}
"""With the default gates almost everything is rejected; with every limit off almost everything is traded."""
Key = tuple[str, str]


@pytest.fixture(scope="module")
def url(shared: Path, postgres: EmbeddedServer, migrated_template: str, worker: str) -> Iterator[str]:
    """A database with an account for each run."""
    name = f"march_{worker}"
    postgres.create_database(name, template=migrated_template)
    engine, march = connect(postgres.url(name)), March(shared)
    for account, of_run in RUNS.items():
        lock = AccountLock(postgres.url(name), account, HOLDER)
        lock.acquire()
        store(Writer(engine, account, lock.fence), march.batches(of_run))
        lock.release()
    engine.dispose()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def funnels(url: str) -> dict[str, list[FunnelRow]]:
    engine = connect(url)
    with snapshot(engine) as connection:
        found = {account: funnel(connection, account) for account in RUNS}
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def plain(shared: Path) -> tuple[Counter[Key], Counter[Key]]:
    """Triggers and invalidated setups by timeframe and family, without atlas."""
    minutes = read_minutes(shared)
    triggers: Counter[Key] = Counter()
    killed: Counter[Key] = Counter()
    for timeframe, step in SECONDS.items():
        for counted, found in zip((triggers, killed), breaks(minutes, step), strict=True):
            counted.update((timeframe, trigger.family) for trigger in found)
    return triggers, killed


@pytest.mark.parametrize("run", RUNS)
def test_triggers_are_trades_and_rejections_by_timeframe_and_family(
    funnels: dict[str, list[FunnelRow]], run: str
) -> None:
    rows = funnels[run]
    assert len({(row.timeframe, row.family) for row in rows}) == len(rows) >= 15
    for row in rows:
        assert row.triggers == row.trades + sum(row.rejections.values()), row
        assert row.missed == row.rejections.get("missed", 0)
    traded = sum(row.trades for row in rows)
    assert traded == 1 if run == "default" else traded > 100


@pytest.mark.parametrize("run", RUNS)
def test_plain_loops_find_the_same_triggers_and_invalidated_setups(
    funnels: dict[str, list[FunnelRow]], plain: tuple[Counter[Key], Counter[Key]], run: str
) -> None:
    triggers, killed = plain
    rows = funnels[run]
    assert {(row.timeframe, row.family): row.triggers for row in rows if row.triggers} == dict(triggers)
    assert {(row.timeframe, row.family): row.invalidated for row in rows if row.invalidated} == dict(killed)
    assert sum(killed.values()) > 20


def test_only_one_sided_setups_are_invalidated(plain: tuple[Counter[Key], Counter[Key]]) -> None:
    one_sided = {family for _, family in plain[1]}
    assert one_sided == {"2-2", "3-2-2", "rev-strat"}


def test_the_audit_of_both_runs_is_clean(url: str) -> None:
    engine = connect(url)
    with snapshot(engine) as connection:
        found = {account: audit(connection, account) for account in RUNS}
    engine.dispose()
    assert {account: each.differences for account, each in found.items()} == {"default": [], "free": []}
    assert found["free"].trades > 100


def test_the_command_prints_a_list_of_exactly_these_keys(
    url: str, funnels: dict[str, list[FunnelRow]], tmp_path: Path
) -> None:
    done = Commands(tmp_path, ATLAS_DATABASE_URL=url)("report", "--funnel", "--json", "--account", "free")
    assert done.code == 0, done.err
    keys = ["timeframe", "family", "triggers", "trades", "rejections", "invalidated", "missed"]
    printed: list[dict[str, Any]] = json.loads(done.out)
    assert [list(row) for row in printed] == [keys] * len(funnels["free"])
    assert [FunnelRow(**row) for row in printed] == funnels["free"]


def test_the_plain_loops_name_families_as_strat_does(shared: Path) -> None:
    named: dict[str, set[str]] = {}
    minutes = read_minutes(shared)
    for step in SECONDS.values():
        found: list[Trigger] = [trigger for group in breaks(minutes, step) for trigger in group]
        for trigger in found:
            named.setdefault(trigger.family, set()).add(trigger.name)
    assert named["rev-strat"] == {"1-2D-?", "1-2U-?"}
    assert named["3-2"] == {"3-?"}
    assert {"3-1-?"} <= named["3-1"]
    assert {"2U-1-?", "2D-1-1-?"} <= named["2-1"]
