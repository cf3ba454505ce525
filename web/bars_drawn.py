"""The bars of a story as inline SVG: Strat numbers at the bars, the three levels, where it went in and out.

Colors and type come from trade.css; nothing here needs a script or a style attribute.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from atlas.money import readable

HEIGHT, TOP, BOTTOM, RIGHT = 300, 22, 34, 74
"""The drawing in CSS pixels; the price tags stand in what is kept free on the right, the roles below."""
NARROW, WIDE, ROOM = 13.0, 26.0, 252.0
"""A bar is as wide as lets all of them, with tags, into a card on a phone (328), between these; more of them scroll."""
TAG = 15.0

Bar = Mapping[str, Any]


def bars_drawn(story: Mapping[str, Any]) -> Markup:
    """Return the drawing of a story's bars, none without a bar; with the fills where they are of the same product."""
    levels = {name: Decimal(story[name]) for name in ("trigger", "stop", "target")}
    if story["trade"] is not None and story["executed"] is None:
        return _drawn(story["bars"], levels | _levels(story["trade"]), *_fills(story["trade"]))
    return _drawn(story["bars"], levels, _End("entered", story["at"], Decimal(story["price"]), "the trigger"))


def executed_drawn(story: Mapping[str, Any]) -> Markup:
    """Return the drawing of the bars of the product it was executed on, with its fills; none without a bar."""
    executed = story["executed"]
    levels = {"trigger": Decimal(executed["trigger"]), **_levels(story["trade"])}
    return _drawn(executed["bars"], levels, *_fills(story["trade"]))


class _End(NamedTuple):
    """Where it went in, or out."""

    kind: str
    at: str
    price: Decimal
    name: str


def _levels(trade: Mapping[str, Any]) -> dict[str, Decimal]:
    return {"stop": Decimal(trade["first_stop"]), "target": Decimal(trade["target"])}


def _fills(trade: Mapping[str, Any]) -> Iterator[_End]:
    yield _End("entered", trade["entry_time"], Decimal(trade["entry_price"]), "entry")
    if trade["exit_price"]:
        yield _End("left", trade["exit_time"], Decimal(trade["exit_price"]), "exit")


def _drawn(bars: Sequence[Bar], levels: Mapping[str, Decimal], *ends: _End) -> Markup:
    return Markup("").join(_Drawing(bars, levels, ends).parts()) if bars else Markup("")


class _Drawing:
    def __init__(self, bars: Sequence[Bar], levels: Mapping[str, Decimal], ends: Sequence[_End]) -> None:
        self.bars, self.levels, self.ends = bars, levels, ends
        self.step = min(max(ROOM / len(bars), NARROW), WIDE)
        self.right = self.step * len(bars)
        prices = [*(Decimal(bar[edge]) for bar in bars for edge in ("high", "low")), *levels.values()]
        prices += [end.price for end in ends]
        margin = (max(prices) - min(prices)) / 20 or max(prices) / 100
        self.low, self.high = min(prices) - margin, max(prices) + margin

    def parts(self) -> Iterator[Markup]:
        width = f"{self.right + RIGHT:.0f}"
        yield Markup('<svg class="bars" width="{0}" height="{1}" viewBox="0 0 {0} {1}" ').format(width, HEIGHT)
        yield Markup('role="img" aria-label="{}">').format(self._said())
        for name, level in self.levels.items():
            yield Markup('<line class="level {}" x1="0" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
                name, self.right, y=self._y(level)
            )
        for place, bar in enumerate(self.bars):
            yield from self._bar(place, bar)
        yield from self._tags()
        yield from map(self._point, self.ends)
        yield Markup("</svg>")

    def _said(self) -> str:
        types = " ".join(bar["type"] or "?" for bar in self.bars)
        levels = ", ".join(f"{name} {readable.price(level)}" for name, level in self.levels.items())
        return f"{len(self.bars)} bars, {types}; {levels}"

    def _y(self, price: Decimal) -> str:
        return f"{float((self.high - price) / (self.high - self.low)) * (HEIGHT - TOP - BOTTOM) + TOP:.1f}"

    def _middle(self, place: int) -> float:
        return (place + 0.5) * self.step

    def _bar(self, place: int, bar: Bar) -> Iterator[Markup]:
        opened, high, low, close = (Decimal(bar[edge]) for edge in ("open", "high", "low", "close"))
        middle, half = self._middle(place), max(self.step * 0.32, 3.0)
        top, bottom = float(self._y(max(opened, close))), float(self._y(min(opened, close)))
        color = "up" if close > opened else "down" if close < opened else "flat"
        of_setup = " setup" if bar["role"] not in (None, "entry") else ""
        yield Markup('<g class="bar {}{}"><title>{}</title>').format(color, of_setup, _words(bar))
        yield Markup('<line x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>').format(self._y(high), self._y(low), x=middle)
        yield Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/></g>').format(
            middle - half, top, 2 * half, max(bottom - top, 1.0)
        )
        below = bar["type"] == "2D"
        y = float(self._y(low)) + 12 if below else float(self._y(high)) - 4
        kind = bar["type"] or ""
        short = kind[:1] if self.step < 18 else kind
        yield Markup('<text class="type" x="{:.1f}" y="{:.1f}">{}</text>').format(middle, y, short)
        role = {"entry": "in", None: ""}.get(bar["role"], bar["role"])
        if role:
            yield Markup('<text class="role" x="{:.1f}" y="{}">{}</text>').format(middle, HEIGHT - 10, role)
        if bar["skipped"]:
            yield Markup('<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>').format(
                TOP, HEIGHT - BOTTOM, x=middle - self.step / 2
            )

    def _tags(self) -> Iterator[Markup]:
        """The names and prices of the levels, apart from one another by a line."""
        last = 0.0
        for name, level in sorted(self.levels.items(), key=lambda each: -each[1]):
            last = max(float(self._y(level)), last + TAG)
            tag = Markup('<text class="tag {}" x="{:.1f}" y="{:.1f}"><title>{}</title>{}</text>')
            yield tag.format(name, self.right + 6, last + 4, name, readable.price(level))

    def _point(self, end: _End) -> Markup:
        place = max((place for place, bar in enumerate(self.bars) if bar["open_time"] <= end.at), default=0)
        return Markup('<circle class="{}" cx="{:.1f}" cy="{}" r="4"><title>{} {}</title></circle>').format(
            end.kind, self._middle(place), self._y(end.price), end.name, readable.price(end.price)
        )


def _words(bar: Bar) -> str:
    edges = ", ".join(f"{edge} {readable.price(Decimal(bar[edge]))}" for edge in ("open", "high", "low", "close"))
    return str(escape(f"{bar['open_time']} {bar['type'] or ''}: {edges}"))
