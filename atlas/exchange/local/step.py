"""Steps: prices as whole ticks and sizes as whole lots, so that everything inside the exchange is an exact int."""

from decimal import Decimal

from msgspec import Struct


class Step(Struct, frozen=True):
    """The smallest step of a price or a size: `units × 10 ** -scale`."""

    units: int
    scale: int

    @classmethod
    def of(cls, value: Decimal) -> "Step":
        """Return the step of that size. Raises ValueError unless it is above 0."""
        if not value.is_finite() or value <= 0:
            raise ValueError(f"a step is above 0, not {value}")
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)  # finite
        units = int("".join(map(str, digits)))
        return cls(units, -exponent) if exponent < 0 else cls(units * 10**exponent, 0)

    @property
    def decimal(self) -> Decimal:
        """The step as a Decimal."""
        return Decimal(self.units).scaleb(-self.scale)

    def value(self, count: int) -> Decimal:
        """Return `count` steps as a Decimal."""
        return Decimal(count * self.units).scaleb(-self.scale)

    def text(self, count: int) -> str:
        """Return `count` steps as the exchange writes numbers: trailing zeros trimmed, never an exponent."""
        return decimal_text(count * self.units, self.scale)


def decimal_text(units: int, scale: int) -> str:
    """Return `units × 10 ** -scale` (≥ 0) with trailing zeros trimmed: (6411900, 2) → "64119"."""
    if not scale:
        return str(units)
    digits = str(units).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}".rstrip("0").rstrip(".")
