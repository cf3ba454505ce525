"""Pictures: what is drawn where, that tags never touch, and that the same input gives the same bytes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atlas.picture import PicturedBar, TradePicture, equity_png, trade_png
from atlas.picture.canvas import OUT, SHEET, shortened, spelt, width_of
from atlas.picture.tags import spread
from atlas.picture.trade import HEIGHT, WIDTH

START = datetime(2026, 7, 1, tzinfo=UTC)


def bars(count: int, **last: object) -> tuple[PicturedBar, ...]:
    """Bars that rise by 10 each; the last but one is the setup's, the last is forming."""
    found = [
        PicturedBar(
            START + timedelta(hours=number), Decimal(100 + 10 * number), Decimal(112 + 10 * number),
            Decimal(96 + 10 * number), Decimal(108 + 10 * number), "2U", setup=number == count - 2,
        )
        for number in range(count)
    ]  # fmt: skip
    return (*found[:-1], msgspec.structs.replace(found[-1], forming=True, **last))


def trade(count: int = 12, **changes: object) -> TradePicture:
    level = Decimal(100 + 10 * count)
    shown = TradePicture(
        "BIP-20DEC30-CDE LONG · 2U-1-2U 1h", "long", bars(count), level, level - 30, level + 60, level, count - 1,
        words="R:R 2.00",
    )  # fmt: skip
    return msgspec.structs.replace(shown, **changes)


def image(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")


def test_a_trade_is_a_png_twice_the_logical_size_and_small_enough_for_discord() -> None:
    png = trade_png(trade(44))
    assert image(png).size == (OUT * WIDTH, OUT * HEIGHT)
    assert len(png) < 200_000


def test_the_same_trade_gives_the_same_bytes() -> None:
    assert trade_png(trade()) == trade_png(trade())


@pytest.mark.parametrize(
    "changed",
    [
        {"trigger": None},
        {"stop": Decimal(150)},
        {"words": "other"},
        {"side": "short"},
        {"exit": Decimal(210), "exit_bar": 11, "result": "+$10.00", "won": True},
        {"bars": bars(12, type="3")},
        {"bars": bars(12, skipped=40)},
    ],
)
def test_whatever_a_picture_tells_can_be_seen(changed: dict[str, object]) -> None:
    assert trade_png(trade(**changed)) != trade_png(trade())


def test_nothing_is_drawn_over_the_edge() -> None:
    """A column and a row of pixels at each edge are bare."""
    won = {"exit": Decimal("123456.78"), "exit_bar": 11, "result": "+$123,456.78  +12.34 R", "won": True}
    for shown in (trade(), trade(44), trade(2), trade(12, title="long " * 40, words="long " * 60, **won)):
        picture = image(trade_png(shown))
        wide, high = picture.size
        edges = [picture.getpixel((x, y)) for x in range(wide) for y in (0, high - 1)]
        edges += [picture.getpixel((x, y)) for x in (0, wide - 1) for y in range(high)]
        assert set(edges) == {SHEET}


@pytest.mark.parametrize("places", [{"bars": ()}, {"entry_bar": 12}, {"exit_bar": -1, "exit": Decimal(1)}])
def test_a_place_that_is_no_bar_is_an_error(places: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="bars cannot show a trade"):
        trade_png(trade(**places))


def test_prices_all_the_same_can_be_drawn() -> None:
    flat = PicturedBar(START, Decimal(5), Decimal(5), Decimal(5), Decimal(5))
    one = Decimal(5)
    shown = TradePicture("X", "long", (flat,), one, one, one, one, 0)
    assert image(trade_png(shown)).size == (OUT * WIDTH, OUT * HEIGHT)


def test_an_equity_curve_is_drawn_of_one_day_and_of_many() -> None:
    day = date(2026, 7, 1)
    rising = [(day + timedelta(days=number), Decimal(10_000 + 13 * number)) for number in range(90)]
    falling = [(at, 20_000 - equity) for at, equity in rising]
    for days in (rising[:1], rising[:2], rising, falling, [(at, Decimal(0)) for at, _ in rising]):
        assert equity_png(days) == equity_png(days)
    assert equity_png(rising) != equity_png(falling)
    with pytest.raises(ValueError, match="at least one day"):
        equity_png([])


def test_a_text_is_cut_to_its_room_and_spelt_in_signs_the_font_has() -> None:
    assert shortened("BIP", 12, 200) == "BIP"
    cut = shortened("BIP-20DEC30-CDE", 12, 60)
    assert cut.endswith("…")
    assert width_of(cut, 12) <= 60
    assert spelt("−5 × 3 → 😀") == "-5 x 3 > ?"


LEVELS = st.lists(st.floats(0, 300), min_size=1, max_size=6)


@settings(deadline=None)
@given(LEVELS)
def test_tags_never_touch_keep_their_order_and_stay_inside(levels: list[float]) -> None:
    places = spread(levels, 16.0, 50.0, 290.0)
    order = sorted(range(len(levels)), key=lambda one: (levels[one], one))
    stand = [places[one] for one in order]
    assert all(50 - 1e-6 <= place <= 290 + 1e-6 for place in stand)
    assert all(below - above >= 16 - 1e-6 for above, below in pairwise(stand))


def test_a_tag_with_room_stands_at_its_level_and_two_at_one_level_around_it() -> None:
    assert spread([100.0, 200.0], 16.0, 50.0, 290.0) == [100.0, 200.0]
    assert spread([100.0, 100.0], 16.0, 50.0, 290.0) == pytest.approx([92.0, 108.0])
    assert spread([60.0] * 4, 100.0, 50.0, 290.0) == pytest.approx([50.0, 130.0, 210.0, 290.0])
