"""The bars of a story as inline SVG: Strat numbers at the bars, the three levels, where it went in and out.

Colors and type come from trade.css; nothing here needs a script or a style attribute.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from atlas.money import readable

HEIGHT, TOP, BOTTOM, RIGHT = 300, 22, 34, 74
"""The drawing in CSS pixels; the price tags stand in what is kept free on the right, the roles below."""
NARROW, WIDE, ROOM = 13.0, 26.0, 286.0
"""A bar is as wide as lets all of them into the width of a phone, between these; more of them scroll."""
TAG = 15.0

Bar = Mapping[str, Any]


def bars_drawn(story: Mapping[str, Any]) -> Markup:
    """Return the drawing of a story's bars, none without a bar."""
    bars: Sequence[Bar] = story["bars"]
    if not bars:
        return Markup("")
    drawing = _Drawing(story, bars)
    return Markup("").join(drawing.parts())


class _Drawing:
    def __init__(self, story: Mapping[str, Any], bars: Sequence[Bar]) -> None:
        self.story, self.bars = story, bars
        held = story["trade"]
        self.held: Mapping[str, Any] | None = held if held is not None and held["symbol"] == story["symbol"] else None
        self.step = min(max(ROOM / len(bars), NARROW), WIDE)
        self.right = self.step * len(bars)
        self.levels = {name: Decimal(story[name]) for name in ("trigger", "stop", "target")}
        if self.held is not None:
            self.levels |= {"stop": Decimal(self.held["first_stop"]), "target": Decimal(self.held["target"])}
        ends = [self._exit_price(), *self.levels.values()]
        prices = [*(Decimal(bar[edge]) for bar in bars for edge in ("high", "low")), *(end for end in ends if end)]
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
        yield from self._ends()
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

    def _exit_price(self) -> Decimal | None:
        return Decimal(self.held["exit_price"]) if self.held is not None and self.held["exit_price"] else None

    def _ends(self) -> Iterator[Markup]:
        """Where it went in, and out."""
        price = Decimal(self.held["entry_price"] if self.held is not None else self.story["price"])
        yield self._point("entered", self.story["at"], price, "the trigger" if self.held is None else "entry")
        out = self._exit_price()
        if out is not None and self.held is not None:
            yield self._point("left", self.held["exit_time"], out, "exit")

    def _point(self, kind: str, at: str, price: Decimal, name: str) -> Markup:
        place = max((place for place, bar in enumerate(self.bars) if bar["open_time"] <= at), default=0)
        return Markup('<circle class="{}" cx="{:.1f}" cy="{}" r="4"><title>{} {}</title></circle>').format(
            kind, self._middle(place), self._y(price), name, readable.price(price)
        )


def _words(bar: Bar) -> str:
    edges = ", ".join(f"{edge} {readable.price(Decimal(bar[edge]))}" for edge in ("open", "high", "low", "close"))
    return str(escape(f"{bar['open_time']} {bar['type'] or ''}: {edges}"))
