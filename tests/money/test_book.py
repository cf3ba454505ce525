"""What a position and an order are before anything has happened to them."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from atlas.money.book import Fill, Order, Position

Build = Callable[..., Position]


@pytest.mark.parametrize(("contracts", "is_open"), [("0", False), ("0.00000001", True), ("1", True), ("10", True)])
def test_a_position_is_open_as_long_as_any_part_of_it_is(position: Build, contracts: str, is_open: bool) -> None:
    assert position(contracts=D(contracts)).is_open is is_open


def test_a_new_position_has_earned_and_paid_nothing_and_is_not_carried(position: Build) -> None:
    new = position()
    assert (new.gross, new.funding, new.slippage, new.net) == (0, 0, 0, 0)
    assert new.carried is False
    assert (new.filled_while_down, new.ambiguous, new.rest, new.after_hole) == (False,) * 4


def test_a_fill_is_seen_live_and_certain_unless_it_says_so() -> None:
    at = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
    fill = Fill("o", "p", "BIP", "buy", "entry", D(1), D(68000), D(68000), D("0.6"), D(0), at)
    assert (fill.filled_while_down, fill.ambiguous, fill.rest, fill.after_hole) == (False,) * 4


def test_an_order_asks_for_no_leverage_unless_it_says_so() -> None:
    assert Order("o", "p", "BIP", "buy", "market", "entry", D(1)).leverage == 1
