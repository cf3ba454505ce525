"""How values stand in sections: exact text for what is exact, null for what cannot be known."""

from datetime import UTC, datetime
from decimal import Decimal


def iso(at: datetime | None) -> str | None:
    """Return the time as ISO 8601 UTC to the second, with a Z."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def text(value: Decimal | None) -> str | None:
    """Return the exact value without exponent."""
    return None if value is None else f"{value:f}"


def rounded(value: Decimal | None, places: int) -> str | None:
    """Return a computed value at a fixed number of places."""
    return None if value is None else f"{value:z.{places}f}"
