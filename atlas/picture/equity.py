"""A small equity curve for digests: the end of each day, what it began with as a line, the drawdowns shaded."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

from atlas.money import readable
from atlas.picture.canvas import FAINT, GREEN, GRID, INK, RED, Canvas, Point, faded, width_of
from atlas.picture.tags import spread

WIDTH, HEIGHT = 480, 190
LEFT, TOP, BOTTOM = 10, 40, 24


def equity_png(days: Sequence[tuple[date, Decimal]], title: str = "Equity") -> bytes:
    """Return the curve of the equity at the end of each day, USD, oldest first, as PNG. Raises ValueError if empty."""
    if not days:
        raise ValueError("an equity curve needs at least one day")
    values = [float(equity) for _, equity in days]
    first, last = days[0][1], days[-1][1]
    tags = {readable.usd(value) for value in (max(equity for _, equity in days), min(equity for _, equity in days))}
    right = WIDTH - max(width_of(tag, 11) for tag in tags) - 16
    low, high = min(values), max(values)
    margin = (high - low) * 0.1 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        return TOP + (1 - (value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP)

    step = (right - LEFT) / max(len(values) - 1, 1)
    curve = [(LEFT + place * step, y(value)) for place, value in enumerate(values)]
    if len(curve) == 1:
        curve.append((right, curve[0][1]))
    canvas = Canvas(WIDTH, HEIGHT)
    color = RED if last < first else GREEN
    for value in (max(values), min(values)):
        canvas.line([(LEFT, y(value)), (right, y(value))], GRID)
    canvas.shape([(LEFT, HEIGHT - BOTTOM), *curve, (curve[-1][0], HEIGHT - BOTTOM)], faded(color, 0.15))
    _under_water(canvas, curve)
    canvas.dashed(LEFT, right, y(values[0]), FAINT)
    canvas.line(curve, color, 2)
    canvas.box(curve[-1][0] - 3, curve[-1][1] - 3, curve[-1][0] + 3, curve[-1][1] + 3, color, 3)
    _tags(canvas, right, y, [equity for _, equity in days])
    share = "" if not first else f" ({readable.share((last - first) / first, sign=True)})"
    changed = f"{readable.usd(last - first, sign=True)}{share}"
    canvas.text(LEFT, 18, f"{title} {readable.usd(last)}", INK, 15)
    canvas.text(WIDTH - LEFT, 18, changed, color if last != first else FAINT, 13, "r")
    canvas.text(LEFT, HEIGHT - 11, f"{days[0][0]:%d %b %Y}", FAINT, 11)
    if len(days) > 1:
        canvas.text(right, HEIGHT - 11, f"{days[-1][0]:%d %b %Y}", FAINT, 11, "r")
    return canvas.png()


def _under_water(canvas: Canvas, curve: Sequence[Point]) -> None:
    """Shade what lies between the curve and its highest so far."""
    peak = curve[0]
    under: list[Point] = []
    for point in curve:
        if point[1] <= peak[1]:
            if len(under) > 1:
                (x, y) = under[-1]
                back = x + (point[0] - x) * (y - peak[1]) / (y - point[1])
                canvas.shape([*under, (back, peak[1])], faded(RED, 0.22))
            peak, under = point, [point]
        else:
            under.append(point)
    if len(under) > 1:
        canvas.shape([*under, (curve[-1][0], peak[1])], faded(RED, 0.22))


def _tags(canvas: Canvas, right: float, y: Callable[[float], float], equities: Sequence[Decimal]) -> None:
    """The highest and the lowest at the right edge."""
    shown = sorted({max(equities), min(equities)}, reverse=True)
    places = spread([y(float(equity)) for equity in shown], 14.0, TOP - 4, HEIGHT - BOTTOM)
    for equity, place in zip(shown, places, strict=True):
        canvas.text(right + 8, place, readable.usd(equity), FAINT, 11)
