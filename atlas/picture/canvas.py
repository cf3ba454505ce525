"""A dark sheet to draw on in logical pixels; what comes out is twice as large, and smoothed."""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

OUT = 2
"""Pixels of the picture for one logical pixel: phones have two or three for one."""
_INK = 2
"""Drawn so many times larger than it comes out: lines of Pillow have no smooth edges of their own."""
_SCALE = OUT * _INK

Color = tuple[int, int, int]
Point = tuple[float, float]
Across = Literal["l", "m", "r"]

SHEET: Color = (0x2B, 0x2D, 0x31)
"""The ground of Discord's embeds in its dark theme, so that a picture has no frame there."""
INK: Color = (0xDB, 0xDE, 0xE1)
FAINT: Color = (0x94, 0x9B, 0xA4)
GRID: Color = (0x3D, 0x40, 0x46)
GREEN: Color = (0x3F, 0xB6, 0x7F)
RED: Color = (0xE4, 0x66, 0x55)
BLUE: Color = (0x5A, 0x9E, 0xE8)

_SPELT = str.maketrans({"−": "-", "–": "-", "×": "x", "→": ">"})


class Canvas:
    """Lines, boxes and texts; all places and sizes are logical pixels from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), SHEET)
        self._draw = ImageDraw.Draw(self._image)

    def png(self) -> bytes:
        """Return the picture, `OUT` pixels for a logical one."""
        file = BytesIO()
        # No palette and no optimizing: both are slow, and hold the interpreter while the core wants it.
        self._image.reduce(_INK).save(file, "PNG", compress_level=6)
        return file.getvalue()

    def line(self, points: Sequence[Point], color: Color, thick: float = 1.0) -> None:
        """Draw a line through the points."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=max(1, round(thick * _SCALE)), joint="curve")

    def dashed(self, x0: float, x1: float, y: float, color: Color, thick: float = 1.0) -> None:
        """Draw a level line of dashes."""
        x = x0
        while x < x1:
            self.line([(x, y), (min(x + 5, x1), y)], color, thick)
            x += 9

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Color, round_by: float = 0.0) -> None:
        """Fill a box; its corners may come in any order."""
        left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        corners = (left * _SCALE, top * _SCALE, right * _SCALE - 1, max(bottom, top + 0.75) * _SCALE - 1)
        self._draw.rounded_rectangle(corners, radius=round_by * _SCALE, fill=fill)

    def shape(self, points: Sequence[Point], fill: Color, edge: Color | None = None) -> None:
        """Fill a polygon."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.polygon(scaled, fill=fill, outline=edge, width=_SCALE if edge else 0)

    def text(
        self, x: float, y: float, text: str, color: Color, size: int, across: Across = "l", *, halo: bool = False
    ) -> None:
        """Write on a line whose middle is at `y`; `across` says which end `x` is. `halo`: readable over lines."""
        self._draw.text(
            (x * _SCALE, y * _SCALE), spelt(text), fill=color, font=_font(size), anchor=f"{across}m",
            stroke_width=_SCALE if halo else 0, stroke_fill=SHEET,
        )  # fmt: skip


def width_of(text: str, size: int) -> float:
    """Return how wide a text is."""
    return _font(size).getlength(spelt(text)) / _SCALE


def shortened(text: str, size: int, room: float) -> str:
    """Return the text, its end replaced by … where it is wider than the room."""
    kept = text
    while kept and width_of(kept, size) > room:
        kept = kept[:-2].rstrip() + "…" if len(kept) > 2 else ""
    return kept


def faded(color: Color, share: float) -> Color:
    """Return the color mixed into the sheet; `share` 1 is the color itself."""
    red, green, blue = (round(ground + (one - ground) * share) for one, ground in zip(color, SHEET, strict=True))
    return (red, green, blue)


def spelt(text: str) -> str:
    """Return the text in signs the font has; any other is a question mark."""
    return "".join(sign if " " <= sign <= "~" or sign in "·…" else "?" for sign in text.translate(_SPELT))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size * _SCALE)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
