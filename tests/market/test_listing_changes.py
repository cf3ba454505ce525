"""What the owner is told of a listing that changed, and of an expiry to come."""

from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from atlas.market.listing_changes import changes, expiry_warning
from atlas.market.product import MarginRates, Product
from atlas.market.products import built_in

BIP = built_in("BIP-20DEC30-CDE")
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def changed(before: Product = BIP, **fields: Any) -> list[tuple[str, bool]]:
    return [(each.text, each.critical) for each in changes(before, msgspec.structs.replace(before, **fields))]


def test_nothing_is_told_of_a_listing_that_stayed_or_of_funding() -> None:
    assert changed() == []
    assert changed(funding_rate=D("0.00002"), as_of=NOON) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tick": D("0.5")}, "lists the tick 0.5, it was 5"),
        ({"contract_size": D("0.1")}, "lists the contract size 0.1, it was 0.01"),
        ({"suspended": "trading_disabled"}, "trading is suspended: trading_disabled"),
        ({"expiry": datetime(2031, 1, 17, 16, tzinfo=UTC)}, "expires 2031-01-17 16:00 UTC, was 2030-12-20 16:00 UTC"),
    ],
)
def test_what_an_open_position_depends_on_is_critical(fields: dict[str, Any], said: str) -> None:
    ((text, critical),) = changed(**fields)
    assert said in text
    assert text.startswith("BIP-20DEC30-CDE: ")
    assert critical


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"min_size": D(2)}, "the smallest order is 2, it was 1"),
        ({"max_size": D(100)}, "the largest order is 100, it was 5000"),
        ({"size_increment": D(5)}, "the order increment is 5, it was 1"),
        ({"twenty_four_seven": False}, "now trades with a break every day and over the weekend"),
        (
            {"maintenance": (NOON, NOON.replace(hour=15))},
            "maintenance from 2026-07-15 12:00 UTC to 2026-07-15 15:00 UTC",
        ),
        ({"session_open": False, "as_of": NOON}, "the session is closed outside its usual break"),
    ],
)
def test_the_rest_is_told_and_not_critical(fields: dict[str, Any], said: str) -> None:
    ((text, critical),) = changed(**fields)
    assert said in text
    assert not critical


def test_that_it_goes_on_is_told_too() -> None:
    paused = msgspec.structs.replace(BIP, suspended="cancel_only")
    assert changed(paused, suspended="") == [("BIP-20DEC30-CDE: trading goes on again", False)]
    shut = msgspec.structs.replace(BIP, session_open=False, as_of=NOON)
    assert changed(shut, session_open=True) == [("BIP-20DEC30-CDE: the session is open again", False)]


def test_a_session_closed_in_its_usual_break_is_no_news() -> None:
    assert changed(session_open=False, as_of=datetime(2026, 7, 17, 21, 0, 5, tzinfo=UTC)) == []


def test_margin_rates_are_told_when_the_leverage_they_allow_changes_in_its_first_decimal() -> None:
    listed = MarginRates(D("0.1000185"), D("0.1000008"), D("0.245625"), D("0.306375"))
    before = msgspec.structs.replace(BIP, margin=listed)
    assert changed(before, margin=msgspec.structs.replace(listed, overnight_long=D("0.2440"))) == []
    assert changed(before, margin=msgspec.structs.replace(listed, overnight_short=D("0.35"))) == [
        ("BIP-20DEC30-CDE: the overnight short leverage is 2.9, it was 3.3 (margin 0.35 of notional)", False)
    ]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2030-12-05 12:00", None),
        ("2030-12-06 12:00", "in 14 days"),
        ("2030-12-19 05:59", "in 2 days"),
        ("2030-12-19 06:00", "tomorrow"),
        ("2030-12-20 15:59", "today"),
        ("2030-12-20 16:00", None),
    ],
)
def test_an_expiry_is_announced_by_days_of_the_exchanges_calendar(at: str, said: str | None) -> None:
    text = expiry_warning(BIP, datetime.fromisoformat(at).replace(tzinfo=UTC), 14)
    assert (text is None) is (said is None)
    assert text is None or f"BIP-20DEC30-CDE expires {said}, 2030-12-20 16:00 UTC" in text


def test_spot_never_expires() -> None:
    assert expiry_warning(built_in("BTC-USD"), NOON, 10_000) is None
