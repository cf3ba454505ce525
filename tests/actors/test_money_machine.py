"""Whatever happens to money in whatever order, and however often ATLAS is killed meanwhile, the books are right."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine, text

from actors.messages import Flatten
from atlas.rules import Rules
from db.engine import connect
from tests.actors.money_machine import INSTANT, SLOW_AND_THIN, MoneyMachine

ENOUGH = {"Filled": 20, "PositionClosed": 5, "FundingPaid": 5, "OrderCancelled": 5, "restart": 5}
"""What has to have happened, at least so often."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("rules", [INSTANT, SLOW_AND_THIN], ids=["at once by the spread", "late through a thin book"])
def test_money_adds_up_whatever_happens(engine: Engine, database_url: str, rules: Rules) -> None:
    seen: Counter[str] = Counter()

    def machine() -> MoneyMachine:
        return MoneyMachine(rules, database_url, engine, lambda: seen.update(["restart"]))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis leaves it so
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=40, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate], report_multiple_bugs=False,
        ),
    )  # fmt: skip
    with engine.connect() as connection:
        seen.update(dict(connection.execute(text("SELECT kind, count(*) FROM events GROUP BY kind")).all()))  # type: ignore[arg-type]  # rows of two
    few = {what: seen[what] for what, least in ENOUGH.items() if seen[what] < least}
    assert few == {}, "too little happened: the promise would hold of nothing"


# ── by hand: what chance comes to too rarely ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def machine(request: pytest.FixtureRequest, engine: Engine, database_url: str) -> Iterator[MoneyMachine]:
    """A machine under the rules a test asks for, with a first price."""
    made = MoneyMachine(request.param, database_url, engine, lambda: None)
    made.first_trade()
    yield made
    made.teardown()


def restarted(machine: MoneyMachine, down: int = 30) -> MoneyMachine:
    machine.check()
    machine.restart(down)
    machine.check()
    return machine


at_once = pytest.mark.parametrize("machine", [INSTANT], indirect=True)
late_and_thin = pytest.mark.parametrize("machine", [SLOW_AND_THIN], indirect=True)


@at_once
def test_an_hour_funded_before_a_restart_is_not_funded_again(machine: MoneyMachine) -> None:
    machine.trigger("long", 900, 3, [0], False)
    machine.hours_pass(2)
    funded = machine.happened("FundingPaid")
    assert funded == 2
    restarted(machine)
    assert machine.happened("FundingPaid") == funded
    restarted(machine, 9000)
    assert machine.happened("FundingPaid") == funded + 2


@at_once
def test_a_stop_that_was_moved_is_where_it_was_after_a_restart(machine: MoneyMachine) -> None:
    machine.trigger("long", 300, 3, [400], False)
    assert machine.happened("OrderMoved") > 0
    restarted(machine).trade(400, 1, True)
    machine.check()
    machine.trade(-900, 1, True)
    machine.check()
    assert machine.closed_by == ["stop"]


@at_once
def test_what_is_finished_stays_finished_after_a_restart(machine: MoneyMachine) -> None:
    machine.trigger("long", 300, 1, [-400], False)
    assert machine.closed_by == ["stop"]
    restarted(machine).again(0)
    machine.check()


@late_and_thin
def test_the_rest_of_a_thin_exit_goes_on_after_a_restart(machine: MoneyMachine) -> None:
    machine.trigger("long", 300, 1, [0], False)
    machine.book(1, 1)
    machine.command(Flatten("me"))
    machine.trade(0, 1, True)
    assert machine.broker.fills == {order.id: 1 for order in machine.broker.orders.values() if order.kind == "market"}
    restarted(machine).trade(0, 1, True)
    machine.check()
    assert machine.closed_by == ["flatten"]


@late_and_thin
def test_a_stop_on_its_way_to_the_market_is_filled_after_a_restart_whatever_the_price(machine: MoneyMachine) -> None:
    machine.trigger("long", 300, 1, [0], False)
    machine.trade(-320, 1, True)
    assert machine.happened("StopReached") == 1
    restarted(machine).trade(250, 1, True)
    machine.check()
    assert machine.closed_by == ["stop"]


@late_and_thin
def test_an_entry_on_its_way_expires_at_a_restart_and_its_trigger_is_rejected_once(machine: MoneyMachine) -> None:
    machine.trigger("long", 300, 1, [], False)
    restarted(machine).trade(0, 1, True)
    machine.check()
    assert (machine.happened("OrderExpired"), machine.happened("Rejected"), machine.happened("Filled")) == (1, 1, 0)
