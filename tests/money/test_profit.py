"""Profit and loss of a position."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from atlas.errors import InternalError
from atlas.market.products import built_in
from atlas.money.book import Position
from atlas.money.closed import closed_at
from atlas.money.profit import (
    best_profit,
    loss_at,
    mae_r,
    mfe_r,
    open_profit,
    profit,
    r_multiple,
    risk_of,
    unrealised,
)

Build = Callable[..., Position]


@pytest.mark.parametrize(
    ("product", "entry", "exit_price", "long_profit"),
    [
        ("BIP-20DEC30-CDE", "68000", "68500", "15"),
        ("ETP-20DEC30-CDE", "2000", "2010", "3"),
        ("SLP-20DEC30-CDE", "150", "151.5", "22.5"),
        ("XPP-20DEC30-CDE", "2", "2.05", "75"),
        ("ADP-20DEC30-CDE", "0.5", "0.51", "30"),
    ],
)
def test_lesson_80_profit_of_three_contracts_is_change_times_contracts_times_size(
    product: str, entry: str, exit_price: str, long_profit: str
) -> None:
    size = built_in(product, tick=D("0.0001")).contract_size
    assert profit("long", D(entry), D(exit_price), D(3), size) == D(long_profit)
    assert profit("short", D(entry), D(exit_price), D(3), size) == -D(long_profit)


def test_lesson_96_open_profit_includes_fees_and_funding_but_equity_does_not_count_them_twice(position: Build) -> None:
    held = position(fees=D("5"), funding=D("2"))
    assert unrealised(held, D(68500)) == 50
    assert open_profit(held, D(68500)) == 43


def test_the_part_already_closed_counts_as_realised(position: Build) -> None:
    held = position(contracts=D(4), gross=D(60))
    assert open_profit(held, D(68500)) == 80


def test_a_position_risks_the_loss_to_the_stop_in_force(position: Build) -> None:
    assert risk_of(position()) == 100
    assert risk_of(position(side="short", stop=D(68400))) == 40


def test_a_stop_beyond_break_even_risks_nothing(position: Build) -> None:
    assert risk_of(position(stop=D(68200))) == 0
    assert loss_at("short", D(68000), D(67900), D(10), D("0.01")) == 0


@pytest.mark.parametrize(("exit_time", "left"), [(None, 10), (None, 0), (datetime(2026, 3, 4, tzinfo=UTC), 5)])
def test_metrics_are_over_closed_positions_only(position: Build, exit_time: datetime | None, left: int) -> None:
    held = position(exit_time=exit_time, contracts=D(left))
    with pytest.raises(InternalError, match="still open"):
        closed_at(held)


def test_r_is_net_over_the_first_risk_of_all_contracts_opened(position: Build) -> None:
    closed = position(contracts=D(0), gross=D(160), fees=D(10), stop=D(68000))
    assert r_multiple(closed) == D("1.5")


@pytest.mark.parametrize(
    ("side", "first_stop", "worst", "best"), [("long", 67000, 67500, 70000), ("short", 69000, 68500, 66000)]
)
def test_mae_and_mfe_are_distances_in_r(position: Build, side: str, first_stop: int, worst: int, best: int) -> None:
    closed = position(side=side, first_stop=D(first_stop), worst=D(worst), best=D(best))
    assert mae_r(closed) == D("0.5")
    assert mfe_r(closed) == 2
    assert best_profit(closed) == 200


def test_a_position_that_never_went_its_way_has_no_favourable_excursion(position: Build) -> None:
    assert mfe_r(position(best=D(67990))) == 0
    assert mae_r(position(worst=D(68010))) == 0


def test_a_position_filled_at_its_own_stop_has_no_r(position: Build) -> None:
    closed = position(first_stop=D(68000), worst=D(67900), best=D(68100))
    assert (r_multiple(closed), mae_r(closed), mfe_r(closed)) == (None, None, None)
    assert best_profit(closed) == 10
