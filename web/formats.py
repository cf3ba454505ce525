"""How values of the overview are written on the page: Jinja filters over the JSON values, nothing else."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

from flask import Flask
from markupsafe import Markup, escape

from atlas.money import readable
from db.verdict import age
from web.bars_drawn import bars_drawn, executed_drawn

UNKNOWN = "–"

_CODE = re.compile(r"`([^`]+)`")


def register(app: Flask) -> None:
    """Make the filters known to the templates."""
    for function in (
        price,
        count,
        number,
        usd,
        usd_change,
        share,
        share_change,
        r_multiple,
        tone,
        duration,
        moment,
        prose,
        bars_drawn,
        executed_drawn,
    ):
        app.add_template_filter(function)


def price(value: str | None) -> str:
    """A price or level."""
    return UNKNOWN if value is None else _minus(readable.price(Decimal(value)))


def count(value: str | None) -> str:
    """Contracts, leverage."""
    return UNKNOWN if value is None else readable.quantity(Decimal(value))


def number(value: str | None) -> str:
    """A ratio or a distance, at two places."""
    return UNKNOWN if value is None else _minus(readable.number(Decimal(value)))


def usd(value: str | None) -> str:
    """An amount."""
    return UNKNOWN if value is None else _minus(readable.usd(Decimal(value)))


def usd_change(value: str | None) -> str:
    """A profit or loss: it carries its sign, so that color is never the only difference."""
    return UNKNOWN if value is None else _minus(readable.usd(Decimal(value), sign=True))


def share(value: str | None) -> str:
    """A fraction as a percentage."""
    return UNKNOWN if value is None else _minus(readable.share(Decimal(value)))


def share_change(value: str | None) -> str:
    """A profit or loss as a percentage."""
    return UNKNOWN if value is None else _minus(readable.share(Decimal(value), sign=True))


def r_multiple(value: str | None) -> str:
    """A profit or loss in R."""
    return UNKNOWN if value is None else _minus(readable.r(Decimal(value)))


def tone(value: str | None) -> str:
    """Return the CSS class of a profit: gain, loss or even."""
    amount = Decimal(value or 0)
    return "gain" if amount > 0 else "loss" if amount < 0 else "even"


def duration(seconds: int) -> str:
    """5400 → 90 min."""
    return age(timedelta(seconds=seconds))


def moment(value: str | None) -> Markup:
    """A time element: UTC in the text until the script writes it in the viewer's zone, and UTC on hover."""
    if value is None:
        return Markup(UNKNOWN)
    at = datetime.fromisoformat(value)
    utc = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value, utc, f"{at:%d %b %H:%M} UTC")


def prose(text: str) -> Markup:
    """A message with its `commands` set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _minus(text: str) -> str:
    """The minus sign is as wide as a digit, the hyphen is not."""
    return text.replace("-", "−")
