"""The charts of a report as SVG text: a curve over days, bars by group. Colors come from the page's classes."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from html import escape

from atlas.cli.output import money

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 24
LINES = 4
BAR, GAP, NAME = 14, 6, 130


def curve(points: Sequence[tuple[date, Decimal]]) -> str:
    """Return the equity over its days, with the drawdown below its peak shaded; fewer than two days make no curve."""
    if len(points) < 2:
        return "<p>Fewer than two days: no curve yet.</p>"
    values = [value for _, value in points]
    least, most = min(values), max(values)
    room = (most - least) / 20 or abs(most) / 100 or Decimal(1)
    least, most = least - room, most + room
    first, last = points[0][0], points[-1][0]
    across = Decimal(WIDTH - LEFT - RIGHT) / max((last - first).days, 1)

    def place(day: date, value: Decimal) -> str:
        return f"{LEFT + (day - first).days * across:.1f},{_height(value, least, most):.1f}"

    peak, peaks = values[0], []
    for day, value in points:
        peak = max(peak, value)
        peaks.append((day, peak))
    line = " ".join(place(*point) for point in points)
    shade = " ".join(place(*point) for point in [*peaks, *reversed(points)])
    said = f"Equity from ${money(values[0])} on {first} to ${money(values[-1])} on {last}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}"><title>{said}</title>'
        f'{_grid(least, most)}<polygon class="under" points="{shade}"/><polyline class="equity" points="{line}"/>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{first}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{last}</text></svg>'
    )


def bars(groups: Sequence[tuple[str, Decimal]]) -> str:
    """Return one bar a group, right of the middle for a gain and left of it for a loss; nothing without groups."""
    most = max((abs(value) for _, value in groups), default=Decimal(0))
    if not groups:
        return ""
    half = Decimal(WIDTH - NAME) / 2 - 80
    middle, high = NAME + (WIDTH - NAME) / 2, len(groups) * (BAR + GAP) + GAP
    drawn = [f'<line class="grid" x1="{middle}" x2="{middle}" y1="0" y2="{high}"/>']
    for number, (name, value) in enumerate(groups):
        top = GAP + number * (BAR + GAP)
        length = float(half * abs(value) / most) if most else 0.0
        start = middle if value >= 0 else middle - length
        anchor, beside = ("start", middle + length + 6) if value >= 0 else ("end", middle - length - 6)
        kind, base = "up" if value >= 0 else "down", top + BAR - 3
        drawn.append(
            f'<text x="0" y="{base}">{escape(name)}</text>'
            f'<rect class="{kind}" x="{start:.1f}" y="{top}" width="{length:.1f}" height="{BAR}"/>'
            f'<text x="{beside:.1f}" y="{base}" text-anchor="{anchor}">{money(value)}</text>'
        )
    said = escape("Net profit: " + ", ".join(f"{name} ${money(value)}" for name, value in groups), quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {high}" role="img" aria-label="{said}">{"".join(drawn)}</svg>'


def _grid(least: Decimal, most: Decimal) -> str:
    lines = []
    for number in range(LINES + 1):
        value = least + (most - least) * number / LINES
        at = _height(value, least, most)
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
        )
    return "".join(lines)


def _height(value: Decimal, least: Decimal, most: Decimal) -> float:
    return float(TOP + (most - value) / (most - least) * (HEIGHT - TOP - BOTTOM))
