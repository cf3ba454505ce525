"""How numbers are written for people."""

from decimal import Decimal

import pytest

from atlas.money import readable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("60012.34567", "60,012.35"), ("60000.00", "60,000"), ("59400.5", "59,400.5"), ("142.38150", "142.3815"),
        ("2.123456", "2.1235"), ("0.00001234", "0.00001234"), ("0.50", "0.5"), ("-3.2", "-3.2"),
        ("1000.1234", "1,000.12"), ("999.9876", "999.9876"), ("1.123456", "1.1235"), ("0.1234567891", "0.123457"),
        ("0.01", "0.01"), ("0.0123456789", "0.012346"), ("0.0091234567", "0.00912346"),
    ],
)  # fmt: skip
def test_a_price_has_the_digits_anyone_reads(value: str, text: str) -> None:
    assert readable.price(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        ("1234.5", "$1,234.50", "+$1,234.50"), ("-4.1", "-$4.10", "-$4.10"), ("0", "$0.00", "$0.00"),
        ("-0.001", "$0.00", "$0.00"), ("0.004", "$0.00", "$0.00"), ("0.006", "$0.01", "+$0.01"),
        ("-0.5", "-$0.50", "-$0.50"),
    ],
)  # fmt: skip
def test_dollars_have_a_sign_only_where_a_cent_is_left(value: str, plain: str, signed: str) -> None:
    assert readable.usd(Decimal(value)) == plain
    assert readable.usd(Decimal(value), sign=True) == signed


def test_shares_and_r_are_written_at_two_places() -> None:
    assert readable.share(Decimal("0.0123")) == "1.23 %"
    assert readable.share(Decimal("0.0123"), sign=True) == "+1.23 %"
    assert readable.share(Decimal("-0.00001"), sign=True) == "0.00 %"
    assert readable.r(Decimal("1.5")) == "+1.50 R"
    assert readable.r(Decimal("-1.1")) == "-1.10 R"


def test_contracts_are_written_without_needless_zeros() -> None:
    assert readable.quantity(Decimal("5.00")) == "5"
    assert readable.quantity(Decimal("100")) == "100"
    assert readable.quantity(Decimal("4.1")) == "4.1"


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [("0.5", "0.50", "+0.50"), ("-0.5", "-0.50", "-0.50"), ("0.001", "0.00", "0.00"), ("0", "0.00", "0.00")],
)
def test_a_number_has_a_plus_only_where_asked_and_where_something_is_left(value: str, plain: str, signed: str) -> None:
    assert readable.number(Decimal(value)) == plain
    assert readable.number(Decimal(value), sign=True) == signed
