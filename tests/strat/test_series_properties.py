"""What must hold for any bars: Series against a plain reading of strat.md 2 over the whole list, and invariants."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from atlas.rules import StratRules
from atlas.strat.series import Series
from atlas.strat.setup import Setup

SettingPairs = st.tuples(st.sampled_from(["structure", "setup_bar"]), st.sampled_from(["nearer", "risk", "percent"]))
RULES = SettingPairs.map(lambda pair: StratRules(stop=pair[0], outside_target=pair[1]))


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
    """Bars that often share extremes or lie inside one another: few levels, and steps of the extremes by 0 or ±1."""
    found, high, low = [], draw(st.integers(1000, 1020)), draw(st.integers(980, 1000))
    for _ in range(draw(st.integers(1, 25))):
        if draw(st.booleans()):
            high, low = high + draw(st.sampled_from([-1, 0, 1])), low + draw(st.sampled_from([-1, 0, 1]))
        else:
            high, low = draw(st.integers(995, 1010)), draw(st.integers(985, 1005))
        high, low = max(high, low), min(high, low)
        opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
        found.append(tuple(Decimal(price) for price in (opened, high, low, close)))
    return found


def plain(
    bars: Sequence[Sequence[Decimal]], stop: str, outside: str
) -> list[tuple[str, str, Decimal, Decimal, Decimal]]:
    """The setups the last of `bars` gives, read from strat.md afresh: (name, side, trigger, stop, target)."""
    types: list[str] = [""]
    for (_, prior_high, prior_low, _), (_, high, low, _) in pairwise(bars):
        up, down = high > prior_high, low < prior_low
        types.append("3" if up and down else "2U" if up else "2D" if down else "1")
    i = len(bars) - 1
    kind = types[i]
    j = i - 1
    if kind == "1":
        while j >= 0 and types[j] == "1":
            j -= 1
    if kind == "" or j < 0:
        return []
    if kind == "3":
        name, sides = "3-?", "long short"
    elif types[j] == "":
        return []
    else:
        name = "-".join([types[j], *types[j + 1 : i + 1]]) + "-?"
        sides = {"1": "long short", "2D": "long", "2U": "short"}[kind]
    found = []
    for side in sides.split():
        sign = 1 if side == "long" else -1
        near, far = (1, 2) if side == "long" else (2, 1)
        trigger = bars[i][near]
        stop_level = bars[j if kind == "1" and stop == "structure" else i][far]
        risk = sign * (trigger - stop_level)
        if risk <= 0:
            continue
        if kind == "3":
            distances = {"risk": risk * 3 / 2, "percent": trigger * 15 / 1000}
            target = trigger + sign * (min(distances.values()) if outside == "nearer" else distances[outside])
        else:
            target = bars[j][near]
        if sign * (target - trigger) <= 0:
            target = trigger + sign * risk * 3 / 2
        found.append((name, side, trigger, stop_level, target))
    return found


def facts(setups: Sequence[Setup]) -> list[tuple[str, str, Decimal, Decimal, Decimal]]:
    return [(s.name, s.side, s.trigger, s.stop, s.target) for s in setups]


@given(rows(), RULES)
def test_incremental_equals_the_whole_list_read_afresh(bars_of, found, rules) -> None:
    series = Series("X", "1h")
    for i, bar in enumerate(bars_of(found)):
        assert facts(series.close(bar, rules).setups) == plain(found[: i + 1], rules.stop, rules.outside_target)


@given(rows(), RULES)
def test_lesson_20_every_side_has_stop_then_trigger_then_target(bars_of, found, rules) -> None:
    series = Series("X", "1h")
    for bar in bars_of(found):
        setups = series.close(bar, rules).setups
        for s in setups:
            levels = (s.stop, s.trigger, s.target)
            assert levels == tuple(sorted(levels, reverse=s.side == "short"))
            assert len(set(levels)) == 3
            assert s.two_sided == (len(setups) == 2)
        assert [s.side for s in setups] in ([], ["long"], ["short"], ["long", "short"]), "long first"


@given(rows(), st.data())
def test_no_repaint_a_later_bar_changes_nothing_said_before(bars_of, found, data) -> None:
    bars = bars_of(found)
    cut = data.draw(st.integers(1, len(bars)))
    rules = StratRules()
    once, again = Series("X", "1h"), Series("X", "1h")
    said = [once.close(bar, rules) for bar in bars[:cut]]
    assert [again.close(bar, rules) for bar in bars][:cut] == said


@given(rows(), st.data())
def test_state_survives_being_written_and_read_at_any_bar(bars_of, found, data) -> None:
    bars = bars_of(found)
    cut = data.draw(st.integers(0, len(bars)))
    rules = StratRules()
    straight = Series.from_bars("X", "1h", bars[:cut], rules)
    for codec in (msgspec.msgpack, msgspec.json):
        restored = codec.decode(codec.encode(straight), type=Series)
        assert restored == straight
        kept = codec.decode(codec.encode(straight), type=Series)
        for bar in bars[cut:]:
            restored.close(bar, rules)
        assert restored == Series.from_bars("X", "1h", bars, rules)
        assert kept == straight


@given(rows())
def test_mirrored_prices_give_mirrored_setups(bars_of, found) -> None:
    rules = StratRules(outside_target="risk")  # 1.5 % of a price is no mirror image of 1.5 % of its reflection
    top = Decimal(2000)
    reflected = [(top - o, top - low, top - high, top - c) for o, high, low, c in found]
    flip = {"long": "short", "short": "long"}
    here, there = Series("X", "1h"), Series("X", "1h")
    for bar, image in zip(bars_of(found), bars_of(reflected), strict=True):
        setups = here.close(bar, rules).setups
        mirrored = there.close(image, rules).setups
        expected = [
            (s.name.translate(str.maketrans("UD", "DU")), flip[s.side], top - s.trigger, top - s.stop, top - s.target)
            for s in reversed(setups)
        ]
        assert facts(mirrored) == expected


@given(rows(), RULES)
def test_ids_are_unique_and_the_same_on_every_reading(bars_of, found, rules) -> None:
    bars = bars_of(found)

    def ids() -> list[str]:
        series = Series("X", "1h")
        return [setup.id for bar in bars for setup in series.close(bar, rules).setups]

    assert len(set(ids())) == len(ids())
    assert ids() == ids()


@given(rows(), st.lists(st.integers(980, 1020), min_size=1))
def test_lesson_14_15_the_forming_bar_changes_no_setup(bars_of, found, prices) -> None:
    bars = bars_of(found)
    series = Series.from_bars("X", "1h", bars, StratRules())
    before = msgspec.json.encode(series)
    high, low = Decimal(max(prices)), Decimal(min(prices))
    kind = series.forming_type(high, low)
    assert kind in ("1", "2U", "2D", "3")
    assert (kind in ("2U", "3")) == (high > bars[-1].high)
    assert (kind in ("2D", "3")) == (low < bars[-1].low)
    assert msgspec.json.encode(series) == before


def test_without_a_closed_bar_the_forming_one_has_no_type() -> None:
    assert Series("X", "1h").forming_type(Decimal(2), Decimal(1)) is None
