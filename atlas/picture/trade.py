"""A trade on the bars of its timeframe: Strat numbers at the bars, trigger, stop and target, entry and exit."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.money import readable
from atlas.picture.canvas import BLUE, FAINT, GREEN, GRID, INK, RED, SHEET, Canvas, Color, faded, shortened, width_of
from atlas.picture.tags import spread

WIDTH, HEIGHT = 480, 320
LEFT, TOP, BOTTOM = 8, 54, 22
"""Free above for two lines of words and below for the times; on the right as much as the widest price tag needs."""
TITLE, WORDS, NUMBERS = 15, 12, 11
"""Sizes of text; a phone shows the picture at three quarters of its logical size."""
TAG = 16.0
"""From the middle of one price tag to the next, at least."""
FULL_NUMBERS = 14.0
"""Logical pixels a bar needs for `2U`; with less room it is `2`, and its place says which side."""


class PicturedBar(msgspec.Struct, frozen=True):
    """One bar. `type` is 1, 2U, 2D, 3 or None; `setup` marks those the setup is made of; `forming` is not closed yet.

    `skipped` is how many bars before it are left out.
    """

    opened: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    type: str | None = None
    setup: bool = False
    forming: bool = False
    skipped: int = 0


class TradePicture(msgspec.Struct, frozen=True):
    """What a picture of a trade shows. Prices are all of one product; `bars` are at least one, oldest first.

    `entry_bar` and `exit_bar` are places in `bars`. `words` stand below the title; `result` is the outcome in words,
    green or red by `won` (None: neither).
    """

    title: str
    side: str
    bars: tuple[PicturedBar, ...]
    trigger: Decimal | None
    stop: Decimal
    target: Decimal
    entry: Decimal
    entry_bar: int
    exit: Decimal | None = None
    exit_bar: int | None = None
    words: str = ""
    result: str = ""
    won: bool | None = None


class _Scale:
    """Prices and bars as places on the sheet."""

    def __init__(self, bars: Sequence[PicturedBar], levels: Sequence[Decimal], right: float) -> None:
        prices = [float(price) for bar in bars for price in (bar.low, bar.high, bar.open)] + [float(x) for x in levels]
        low, high = min(prices), max(prices)
        margin = (high - low) * 0.08 or abs(high) * 0.001 or 1.0
        self._low, self._high = low - margin, high + margin
        self.right = right
        self.step = min((right - LEFT) / len(bars), 30.0)

    def y(self, price: Decimal) -> float:
        share = (float(price) - self._low) / (self._high - self._low)
        return TOP + (1 - share) * (HEIGHT - BOTTOM - TOP)

    def x(self, bar: int) -> float:
        return LEFT + (bar + 0.5) * self.step


def trade_png(trade: TradePicture) -> bytes:
    """Return the picture of a trade as PNG. Raises ValueError without bars, or for a place that is no bar."""
    places = [place for place in (trade.entry_bar, trade.exit_bar) if place is not None]
    if not trade.bars or not all(0 <= place < len(trade.bars) for place in places):
        raise ValueError(f"a picture of {len(trade.bars)} bars cannot show a trade at the bars {places}")
    tags = _tags(trade)
    wide = max(width_of(f"{name} {readable.price(price)}", WORDS) for name, price, _ in tags)
    scale = _Scale(trade.bars, [price for _, price, _ in tags], WIDTH - wide - 18)
    canvas = Canvas(WIDTH, HEIGHT)
    _ground(canvas, scale, trade)
    for place, bar in enumerate(trade.bars):
        _candle(canvas, scale, place, bar)
    _levels(canvas, scale, tags)
    for place, bar in enumerate(trade.bars):
        _number(canvas, scale, place, bar)
    _marks(canvas, scale, trade)
    _times(canvas, scale, trade.bars)
    _words(canvas, trade)
    return canvas.png()


def _tags(trade: TradePicture) -> list[tuple[str, Decimal, Color]]:
    found = [("target", trade.target, GREEN), ("stop", trade.stop, RED), ("entry", trade.entry, INK)]
    if trade.trigger is not None:
        found.append(("trigger", trade.trigger, BLUE))
    if trade.exit is not None:
        found.append(("exit", trade.exit, _tone(trade.won)))
    return found


def _tone(won: bool | None) -> Color:
    return FAINT if won is None else GREEN if won else RED


def _ground(canvas: Canvas, scale: _Scale, trade: TradePicture) -> None:
    """The setup's bars on lighter ground, and what the trade risks and may win from its entry on."""
    setup = [place for place, bar in enumerate(trade.bars) if bar.setup]
    if setup:
        half = scale.step / 2
        canvas.box(scale.x(setup[0]) - half, TOP, scale.x(setup[-1]) + half, HEIGHT - BOTTOM, faded(INK, 0.07))
    begin = scale.x(trade.entry_bar)
    end = scale.right if trade.exit_bar is None else max(scale.x(trade.exit_bar), begin + scale.step / 2)
    entry = scale.y(trade.entry)
    canvas.box(begin, entry, end, scale.y(trade.target), faded(GREEN, 0.16))
    canvas.box(begin, entry, end, scale.y(trade.stop), faded(RED, 0.16))
    for place, bar in enumerate(trade.bars):
        if bar.skipped:
            x = scale.x(place) - scale.step / 2
            canvas.line([(x, TOP), (x, HEIGHT - BOTTOM)], GRID)
            said, size = f"{bar.skipped} more", NUMBERS - 1
            canvas.text(x, HEIGHT - BOTTOM - 7, said, FAINT, size, "m", halo=True)


def _candle(canvas: Canvas, scale: _Scale, place: int, bar: PicturedBar) -> None:
    x, wide = scale.x(place), max(scale.step * 0.64, 2.0)
    color = GREEN if bar.close >= bar.open else RED
    canvas.line([(x, scale.y(bar.high)), (x, scale.y(bar.low))], color, 1.25)
    left, right, top, bottom = x - wide / 2, x + wide / 2, scale.y(max(bar.open, bar.close)), scale.y(
        min(bar.open, bar.close)
    )
    canvas.box(left, top, right, bottom, color, 0.75)
    if bar.forming and bottom - top > 3 and wide > 4:
        canvas.box(left + 1.25, top + 1.25, right - 1.25, bottom - 1.25, SHEET)


def _number(canvas: Canvas, scale: _Scale, place: int, bar: PicturedBar) -> None:
    """The Strat number, on the side the bar broke: 2D below it, any other above."""
    if bar.type is None:
        return
    text = bar.type if scale.step >= FULL_NUMBERS else bar.type[0]
    below = bar.type == "2D"
    y = scale.y(bar.low) + 9 if below else scale.y(bar.high) - 9
    canvas.text(scale.x(place), y, text, INK if bar.setup else FAINT, NUMBERS, "m", halo=True)


def _levels(canvas: Canvas, scale: _Scale, tags: Sequence[tuple[str, Decimal, Color]]) -> None:
    """A line at each level, and its tag on the right."""
    places = spread([scale.y(price) for _, price, _ in tags], TAG, TOP + TAG / 2 - 4, HEIGHT - BOTTOM - TAG / 2 + 4)
    for (name, price, color), place in zip(tags, places, strict=True):
        y = scale.y(price)
        if name in ("target", "stop", "trigger"):
            canvas.dashed(LEFT, scale.right, y, faded(color, 0.85))
        canvas.line([(scale.right, y), (scale.right + 7, place)], faded(color, 0.85))
        canvas.text(scale.right + 10, place, f"{name} {readable.price(price)}", color, WORDS)


def _marks(canvas: Canvas, scale: _Scale, trade: TradePicture) -> None:
    """A triangle where it was entered, pointing the way of the trade, and a square where it ended."""
    x, y, way = scale.x(trade.entry_bar), scale.y(trade.entry), -1 if trade.side == "long" else 1
    if trade.exit is not None and trade.exit_bar is not None:
        end = (scale.x(trade.exit_bar), scale.y(trade.exit))
        canvas.line([(x, y), end], INK, 1.25)
        canvas.box(end[0] - 5, end[1] - 5, end[0] + 5, end[1] + 5, SHEET, 1.5)
        canvas.box(end[0] - 4, end[1] - 4, end[0] + 4, end[1] + 4, _tone(trade.won), 1)
    canvas.shape([(x - 6.5, y - way * 5), (x + 6.5, y - way * 5), (x, y + way * 6.5)], INK, SHEET)


def _times(canvas: Canvas, scale: _Scale, bars: Sequence[PicturedBar]) -> None:
    """When the bars opened, UTC: as many times as there is room for."""
    daily = all(bar.opened.hour == bar.opened.minute == 0 for bar in bars)
    form = "%d %b %y" if daily else "%d %b %H:%M"
    room = width_of("28 May 22:44", NUMBERS - 1) + 24
    every = max(1, round(room / scale.step + 0.5))
    for place in range(len(bars) - 1, -1, -every):
        text = f"{bars[place].opened:{form}}"
        half = width_of(text, NUMBERS - 1) / 2
        x = scale.x(place)
        if x - half < LEFT:
            break
        canvas.line([(x, HEIGHT - BOTTOM), (x, HEIGHT - BOTTOM + 3)], GRID)
        canvas.text(min(x, WIDTH - 44 - half), HEIGHT - BOTTOM + 11, text, FAINT, NUMBERS - 1, "m")
    canvas.text(WIDTH - 8, HEIGHT - BOTTOM + 11, "UTC", FAINT, NUMBERS - 1, "r")


def _words(canvas: Canvas, trade: TradePicture) -> None:
    result = width_of(trade.result, TITLE) + 12 if trade.result else 0
    canvas.text(LEFT, 15, shortened(trade.title, TITLE, WIDTH - 2 * LEFT - result), INK, TITLE)
    canvas.text(LEFT, 34, shortened(trade.words, WORDS, WIDTH - 2 * LEFT), FAINT, WORDS)
    if trade.result:
        canvas.text(WIDTH - LEFT, 15, trade.result, _tone(trade.won), TITLE, "r")
