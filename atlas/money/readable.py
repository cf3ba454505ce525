"""How prices, money, shares and R are written for people, on the panel and in alerts. Never to compute with.

Half to even at the last digit shown, and never -0. None, where a value is not known, is left to the caller.
"""

from decimal import Decimal

_CENT = Decimal("0.01")


def price(value: Decimal) -> str:
    """Return a price with as many digits as it has, but no more than anyone reads: 60012.34567 → `60,012.35`.

    Two places from 1000 up, four from 1 up, six from 0.01 up, eight below; zeros at the end are left out.
    """
    size = abs(value)
    places = 2 if size >= 1000 else 4 if size >= 1 else 6 if size >= _CENT else 8
    return _trimmed(f"{value:z,.{places}f}")


def quantity(value: Decimal) -> str:
    """Return a number of contracts, or a leverage, without needless zeros: 5.00 → `5`."""
    return _trimmed(f"{value:z,f}")


def usd(value: Decimal, *, sign: bool = False) -> str:
    """Return dollars and cents: `$4.10`, `-$4.10`, with `sign` also `+$4.10`."""
    text = f"{abs(value):z,.2f}"
    zero = not any(digit in text for digit in "123456789")
    before = "" if zero else "-" if value < 0 else "+" if sign else ""
    return f"{before}${text}"


def share(value: Decimal, *, sign: bool = False) -> str:
    """Return a fraction as a percentage: 0.0123 → `1.23 %`."""
    return f"{number(value * 100, sign=sign)} %"


def r(value: Decimal) -> str:
    """Return a multiple of the risk: 1.5 → `+1.50 R`."""
    return f"{number(value, sign=True)} R"


def number(value: Decimal, *, sign: bool = False) -> str:
    """Return a plain number at two places."""
    text = f"{value:z,.2f}"
    return f"+{text}" if sign and value > 0 and any(digit in text for digit in "123456789") else text


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
