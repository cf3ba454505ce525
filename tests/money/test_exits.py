"""The optional exits as levels and instants, in R from the entry fill."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.money.book import Position
from atlas.money.exits import expiry_exit, held_until, last_day_reason, moved_stop, next_multiple, scale_out
from atlas.money.profit import first_risk, r_multiple, risk_of
from atlas.rules import ExitRules
from tests.money.conftest import open_position

Build = Callable[..., Position]
FIVE = D(5)
"""The tick of BIP."""

# The position of the fixture: long 10 from 68 000, stop 67 000, target 70 000, so 1 R is 1000.


def as_short(build: Build, **changes: Any) -> Position:
    """The mirror image: short 10 from 68 000, stop 69 000, target 66 000."""
    return build(**{"side": "short", "stop": D(69000), "first_stop": D(69000), "target": D(66000)} | changes)


# ── nothing is on by default ────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(13_000, 14_500))
def test_by_default_no_stop_moves_and_nothing_is_scaled_out(fives: int) -> None:
    bip = built_in("BIP-20DEC30-CDE")
    position = open_position(best=D(fives * 5))
    assert moved_stop(position, D(fives * 5), bip.tick, ExitRules()) is None
    assert scale_out(position, bip, ExitRules()) is None


def test_a_position_filled_at_its_stop_has_no_r_so_nothing_in_r_is_done_to_it(bip: Product, position: Build) -> None:
    every = ExitRules(scale_out=D("0.5"), break_even=D(1), trail_after=D(1), trail_distance=D(1))
    without = position(first_stop=D(68000), best=D(69500))
    assert scale_out(without, bip, every) is None
    assert moved_stop(without, D(69500), FIVE, every) is None


# ── scale-out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_part_is_whole_contracts_at_one_r(bip: Product, position: Build) -> None:
    half = ExitRules(scale_out=D("0.5"))
    assert scale_out(position(), bip, half) == (D(5), D(69000))
    assert scale_out(position(contracts=D(5), entry_contracts=D(5)), bip, half) == (D(2), D(69000))
    assert scale_out(as_short(position), bip, half) == (D(5), D(67000))


def test_the_price_of_one_r_goes_to_the_tick_towards_the_entry(bip: Product, position: Build) -> None:
    slipped = position(entry_price=D("68002.5"))  # 1 R is 1002.5: 69005 for the long
    assert scale_out(slipped, bip, ExitRules(scale_out=D("0.5"))) == (D(5), D(69005))
    slipped = position(entry_price=D("68003"))  # 69006
    assert scale_out(slipped, bip, ExitRules(scale_out=D("0.5"))) == (D(5), D(69005))
    mirrored = as_short(position, entry_price=D("67997"))  # 66994
    assert scale_out(mirrored, bip, ExitRules(scale_out=D("0.5"))) == (D(5), D(66995))


def test_a_position_of_one_contract_has_no_part(bip: Product, position: Build) -> None:
    one = position(contracts=D(1), entry_contracts=D(1))
    assert scale_out(one, bip, ExitRules(scale_out=D("0.9"))) is None


def test_a_part_as_small_as_the_smallest_order_is_scaled_out(bip: Product, position: Build) -> None:
    smallest = msgspec.structs.replace(bip, min_size=D(5))
    assert scale_out(position(), smallest, ExitRules(scale_out=D("0.5"))) == (D(5), D(69000))
    larger = msgspec.structs.replace(bip, min_size=D(6))
    assert scale_out(position(), larger, ExitRules(scale_out=D("0.5"))) is None


@pytest.mark.parametrize(("target", "parted"), [(69005, True), (69000, False), (68900, False)])
def test_nothing_is_scaled_out_where_the_target_comes_first(
    bip: Product, position: Build, target: int, parted: bool
) -> None:
    assert (scale_out(position(target=D(target)), bip, ExitRules(scale_out=D("0.5"))) is not None) is parted


# ── break-even ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("price", "stop"), [(68995, None), (69000, 68000), (69500, 68000)])
def test_the_stop_goes_to_the_entry_once_price_has_gone_so_many_r(
    position: Build, price: int, stop: int | None
) -> None:
    rules = ExitRules(break_even=D(1))
    assert moved_stop(position(best=D(price)), D(price), FIVE, rules) == (None if stop is None else D(stop))
    mirrored = as_short(position, best=D(136000 - price))
    assert moved_stop(mirrored, D(136000 - price), FIVE, rules) == (None if stop is None else D(stop))


@pytest.mark.parametrize(("trail", "stop"), [("1", 69500), ("2.25", 68250), ("2.75", 68000), ("4", 68000)])
def test_of_break_even_and_trail_the_one_nearer_to_the_market_is_the_stop(
    position: Build, trail: str, stop: int
) -> None:
    rules = ExitRules(break_even=D(1), trail_distance=D(trail))
    assert moved_stop(position(best=D(70500)), D(70500), FIVE, rules) == stop
    assert moved_stop(as_short(position, best=D(65500)), D(65500), FIVE, rules) == 136000 - stop


def test_break_even_is_rounded_as_a_stop_away_from_the_market(position: Build) -> None:
    rules = ExitRules(break_even=D("0.5"))
    assert moved_stop(position(entry_price=D("68003")), D(69500), FIVE, rules) == 68000
    assert moved_stop(as_short(position, entry_price=D("67997")), D(66500), FIVE, rules) == 68000


def test_a_stop_already_at_the_entry_is_not_moved_again(position: Build) -> None:
    assert moved_stop(position(stop=D(68000)), D(69500), FIVE, ExitRules(break_even=D(1))) is None


# ── trailing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_trail_hangs_on_the_best_price_from_its_activation_on(position: Build) -> None:
    rules = ExitRules(trail_after=D(1), trail_distance=D("0.5"))
    assert moved_stop(position(best=D(68995)), D(68995), FIVE, rules) is None
    assert moved_stop(position(best=D(69000)), D(69000), FIVE, rules) == 68500
    assert moved_stop(position(best=D(69803)), D(69700), FIVE, rules) == 69300
    assert moved_stop(as_short(position, best=D(66197)), D(66300), FIVE, rules) == 66700
    assert moved_stop(position(best=D(69100)), D(68700), FIVE, rules) == 68600  # Activated once is activated.


@given(st.lists(st.integers(13_400, 14_600), min_size=1, max_size=30), st.sampled_from(["long", "short"]))
def test_a_stop_never_moves_against_itsopen_position(fives: list[int], side: str) -> None:
    rules = ExitRules(break_even=D("0.5"), trail_after=D("0.2"), trail_distance=D("0.7"))
    first = D(67000) if side == "long" else D(69000)
    held, stops = open_position(side=side, stop=first, first_stop=first), [first]
    for price in (D(five * 5) for five in fives):
        best = max(held.best, price) if side == "long" else min(held.best, price)
        held = msgspec.structs.replace(held, best=best)
        stop = moved_stop(held, price, FIVE, rules)
        if stop is not None:
            held = msgspec.structs.replace(held, stop=stop)
            stops.append(stop)
    assert stops == sorted(set(stops), reverse=side == "short")
    assert all(stop % 5 == 0 for stop in stops)


def test_a_moved_stop_changes_what_is_at_risk_and_not_what_an_r_is(position: Build) -> None:
    before, after = position(), position(stop=D(68500))
    assert (risk_of(before), risk_of(after)) == (D(100), D(0))
    assert first_risk(before) == first_risk(after) == 1000
    assert r_multiple(position(stop=D(68500), gross=D(50), contracts=D(0))) == D("0.5")


# ── the clock ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bars_are_counted_by_the_calendar_and_the_entry_bar_is_the_first(position: Build) -> None:
    end = datetime(2026, 3, 4, 12, tzinfo=UTC)
    held = position(timeframe="4h", entry_bar_end=end)
    assert held_until(held, 1) == end
    assert held_until(held, 3) == end + timedelta(hours=8)


def test_bars_of_a_month_have_the_months_length(position: Build) -> None:
    held = position(timeframe="1M", entry_bar_end=datetime(2026, 2, 1, tzinfo=UTC))
    assert held_until(held, 3) == datetime(2026, 4, 1, tzinfo=UTC)


def test_a_contract_is_left_five_minutes_before_its_expiry_and_not_entered_in_its_last_day(bip: Product) -> None:
    expiry = datetime(2030, 12, 20, 16, tzinfo=UTC)
    assert bip.expiry == expiry
    assert expiry_exit(bip) == expiry - timedelta(minutes=5)
    assert last_day_reason(bip, expiry - timedelta(days=1, microseconds=1)) is None
    told = last_day_reason(bip, expiry - timedelta(days=1))
    assert told == "expires 2030-12-20 16:00 UTC: no entries in its last day"


def test_spot_never_expires(bitcoin: Product) -> None:
    assert expiry_exit(bitcoin) is None
    assert last_day_reason(bitcoin, datetime(2099, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("at", "within", "following"),
    [
        ("10:30:00", 60, "10:31:00"),
        ("10:30:59.999999", 60, "10:31:00"),
        ("00:00:00", 3600, "01:00:00"),
        ("10:30:00", 3600, "11:00:00"),
    ],
)
def test_the_next_multiple_of_seconds_is_later_and_counted_from_midnight(at: str, within: int, following: str) -> None:
    found = next_multiple(datetime.fromisoformat(f"2026-03-04T{at}+00:00"), within)
    assert found == datetime.fromisoformat(f"2026-03-04T{following}+00:00")


def test_each_day_begins_anew() -> None:
    """84 000 s are a multiple of 7000 s, at 23:20; the next would be 01:16:40 of the day after."""
    assert next_multiple(datetime(2026, 3, 4, 23, 20, tzinfo=UTC), 7000) == datetime(2026, 3, 5, tzinfo=UTC)
    assert next_multiple(datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC), 60) == datetime(2026, 3, 5, tzinfo=UTC)
    assert next_multiple(datetime(2026, 3, 4, tzinfo=UTC), 86_400) == datetime(2026, 3, 5, tzinfo=UTC)
