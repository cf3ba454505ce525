"""What must hold for any bars: Series against a plain reading of strat.md 2 over the whole list, and invariants."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from atlas.rules import StratRules
from atlas.strat.labels import Labels
from atlas.strat.series import Series
from atlas.strat.setup import Setup
from tests.strat.plain import plain_labels, plain_ladder

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


@given(rows(), st.sampled_from(["color", "reclaim"]), st.integers(985, 1010))
def test_labels_and_ladders_equal_the_whole_list_read_afresh(bars_of, found, setting, target) -> None:
    bars, series, rules = bars_of(found), Series("X", "1h"), StratRules()
    for i, bar in enumerate(bars):
        closed = series.close(bar, rules)
        assert closed.labels(setting) == plain_labels(bars[: i + 1], setting)
        levels = [("long", max(bar.high, Decimal(target))), ("short", min(bar.low, Decimal(target)))]
        for side, level in [*levels, *((setup.side, setup.target) for setup in closed.setups)]:
            assert series.ladder(side, level) == plain_ladder(bars[: i + 1], side, level)


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
    labels = [closed.labels() for closed in said]
    assert [again.close(bar, rules) for bar in bars][:cut] == said
    assert [closed.labels() for closed in said] == labels


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


def flipped(labels: Labels) -> Labels:
    """The labels of the mirrored bar, its mother bar aside."""
    pairs = (("green", "red"), ("hammer", "shooter"), ("long", "short"))
    flip = {**dict(pairs), **{b: a for a, b in pairs}, "neutral": "neutral", None: None}
    return msgspec.structs.replace(
        labels,
        color=flip[labels.color],
        shape=flip[labels.shape],
        first_side=flip[labels.first_side],
        lower_highs=labels.higher_lows,
        higher_lows=labels.lower_highs,
        mother=None,
    )


@given(rows(), st.sampled_from(["color", "reclaim"]))
def test_mirrored_prices_give_mirrored_labels_and_ladders(bars_of, found, setting) -> None:
    top = Decimal(2000)
    reflected = [(top - o, top - low, top - high, top - c) for o, high, low, c in found]
    here, there = Series("X", "1h"), Series("X", "1h")
    for bar, image in zip(bars_of(found), bars_of(reflected), strict=True):
        closed, mirrored = here.close(bar, StratRules()), there.close(image, StratRules())
        labels, other = closed.labels(setting), mirrored.labels(setting)
        assert flipped(labels) == msgspec.structs.replace(other, mother=None)
        mothers = labels.mother and labels.mother.open_time, other.mother and other.mother.open_time
        assert mothers[0] == mothers[1]
        assert [top - rung for rung in here.ladder("long", bar.high)] == list(there.ladder("short", top - bar.high))
        assert [top - rung for rung in here.ladder("short", bar.low)] == list(there.ladder("long", top - bar.low))


@given(rows(), RULES, st.sampled_from(["color", "reclaim"]), st.sampled_from(["0.001", "3", "70000"]))
def test_scaled_prices_give_scaled_setups_and_the_same_labels(bars_of, found, rules, setting, times) -> None:
    factor = Decimal(times)
    here, there = Series("X", "1h"), Series("X", "1h")
    for bar, large in zip(bars_of(found), bars_of([[factor * p for p in row] for row in found]), strict=True):
        closed, scaled = here.close(bar, rules), there.close(large, rules)
        assert facts(scaled.setups) == [
            (name, side, *(factor * level for level in levels)) for name, side, *levels in facts(closed.setups)
        ]
        assert [s.id for s in scaled.setups] == [s.id for s in closed.setups]
        labels, other = closed.labels(setting), scaled.labels(setting)
        assert msgspec.structs.replace(labels, mother=None) == msgspec.structs.replace(other, mother=None)
        assert (labels.mother is None) == (other.mother is None)
        for setup, large_setup in zip(closed.setups, scaled.setups, strict=True):
            rungs = here.ladder(setup.side, setup.target)
            assert there.ladder(setup.side, large_setup.target) == tuple(factor * rung for rung in rungs)


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
    path = series.forming_path()
    assert path is not None
    for price in prices:
        path.trade(Decimal(price))
    high, low = Decimal(max(prices)), Decimal(min(prices))
    kind = series.forming_type(high, low)
    assert kind in ("1", "2U", "2D", "3")
    assert (kind in ("2U", "3")) == (high > bars[-1].high)
    assert (kind in ("2D", "3")) == (low < bars[-1].low)
    assert msgspec.json.encode(series) == before


def test_without_a_closed_bar_the_forming_one_has_no_type() -> None:
    assert Series("X", "1h").forming_type(Decimal(2), Decimal(1)) is None
