"""Single values of the exchange's JSON, checked: numbers are strings there, and "" means not known."""

from decimal import Decimal, InvalidOperation

from atlas.errors import DataError

# No market trades outside these magnitudes; a value beyond them is corrupt, and arithmetic on it could overflow.
_SMALLEST, _TOO_LARGE = Decimal("1e-18"), Decimal("1e16")


def sane(value: Decimal, field: str, *, zero: bool = False) -> Decimal:
    """Return a price or size that is finite, positive (or zero if allowed) and of a plausible magnitude.

    Raises:
        DataError: it is not; names the field and the value.
    """
    if value.is_finite() and (_SMALLEST <= value < _TOO_LARGE or (zero and not value)):
        return value
    raise DataError(f"{field} is {str(value)[:40]}: a positive number was expected")


def number(text: str, field: str) -> Decimal:
    """Return the Decimal a string holds.

    Raises:
        DataError: it holds none, or not a finite one.
    """
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise DataError(f"{field} is {text[:40]!r}: a number was expected") from error
    if not value.is_finite():
        raise DataError(f"{field} is {text[:40]!r}: a finite number was expected")
    return value


def number_or_none(text: str, field: str) -> Decimal | None:
    """Return a positive price; None for "" and 0, by which the exchange says that there is none.

    Raises:
        DataError: neither of these.
    """
    if not text:
        return None
    value = number(text, field)
    return sane(value, field) if value else None


def whole(value: str | int, field: str) -> int:
    """Return a whole number that comes as an int on one day and as a string on another.

    Raises:
        DataError: it is neither.
    """
    if isinstance(value, int):
        return value
    if not value.isascii() or not value.isdecimal() or len(value) > 30:
        raise DataError(f"{field} is {value[:40]!r}: a whole number was expected")
    return int(value)
