"""The rules over arrays give what the rules bar by bar give, for any bars, whatever the size of a chunk."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError, DataError, InternalError
from atlas.market.bar import Bar
from atlas.market.candle_bars import read_bars
from atlas.rules import StratRules
from atlas.strat.labels import shape
from atlas.strat.series import Series
from atlas.strat.setup import FAMILIES
from atlas.strat.setups import TABLE
from atlas.strat.vectors import COLORS, LARGEST, SHAPES, TYPES, BarLabels, Prices, label_all, types_of
from atlas.strat.vectors_setups import SetupArrays, setups_of
from tests.strat.rows import KINDS, RULES, bars_with_ties, columns

SIDES = ("long", "short")
OF_PERCENT = {row.family for row in TABLE if row.target == "outside"}
CHUNKS = st.integers(1, 7)


def listed(found: SetupArrays, high: Prices, low: Prices) -> list[list[tuple[object, ...]]]:
    """The setups of each bar, as `facts` has them."""
    bars: list[list[tuple[object, ...]]] = [[] for _ in high]
    for bar, rows in enumerate(bars):
        for side, near in zip(SIDES, (high, low), strict=True):
            one = found.side(side)
            if one.given[bar]:
                target = Decimal(one.target[bar].item()) / found.parts
                prices = Decimal(near[bar].item()), Decimal(one.stop[bar].item()), target
                told = bool(one.measured[bar]), bool(found.two_sided[bar])
                rows.append((found.name(bar), FAMILIES[found.families[bar]], side, *prices, *told))
    return bars


def facts(bars: Sequence[Bar], rules: StratRules) -> list[list[tuple[object, ...]]]:
    """The setups of each bar, made one by one."""
    series = Series("X", bars[0].timeframe)
    return [
        [(s.name, s.family, s.side, s.trigger, s.stop, s.target, s.measured, s.two_sided) for s in closed.setups]
        for closed in (series.close(bar, rules) for bar in bars)
    ]


@given(bars_with_ties(), KINDS, CHUNKS, st.sampled_from(["color", "reclaim"]))
def test_labels_are_those_of_the_bars_one_by_one(bars_of, rows, kind, chunk, setting) -> None:
    found = label_all(*columns(rows, kind), failed=setting, chunk=chunk)
    bars = bars_of(rows)
    series = Series("X", "1h")
    for i, bar in enumerate(bars):
        closed = series.close(bar, StratRules())
        assert TYPES[int(found.types[i])] == closed.type
        assert COLORS[int(found.colors[i])] == closed.color
        labels = closed.labels(setting)
        assert SHAPES[int(found.shapes[i])] == labels.shape
        assert bool(found.failed[i]) == (labels.failed_two or False)
        assert bool(found.in_force[i]) == (labels.in_force or False)
    assert types_of(*columns(rows, kind)[1:3], chunk=chunk).tolist() == found.types.tolist()


@given(bars_with_ties(), RULES, CHUNKS)
def test_setups_of_whole_prices_are_exactly_those_made_one_by_one(bars_of, rows, rules, chunk) -> None:
    _, high, low, _ = columns(rows, np.int64)
    assert listed(setups_of(high, low, rules, chunk=chunk), high, low) == facts(bars_of(rows), rules)


@given(bars_with_ties(), RULES, CHUNKS)
def test_setups_of_float_prices_are_the_same_but_for_the_last_bits_of_a_percentage(bars_of, rows, rules, chunk) -> None:
    _, high, low, _ = columns(rows, np.float64)
    found = listed(setups_of(high, low, rules, chunk=chunk), high, low)
    for here, there in zip(found, facts(bars_of(rows), rules), strict=True):
        assert [one[:5] + one[6:] for one in here] == [one[:5] + one[6:] for one in there]
        for mine, right in zip(here, there, strict=True):
            assert mine[5] == right[5] or (
                mine[1] in OF_PERCENT and mine[5] == pytest.approx(right[5], rel=Decimal("1e-12"))
            )


@given(bars_with_ties(), RULES, st.data())
def test_later_bars_change_nothing_said_of_earlier_ones(rows, rules, data) -> None:
    cut = data.draw(st.integers(1, len(rows)))
    whole, part = columns(rows, np.int64), columns(rows[:cut], np.int64)
    for name in BarLabels.__struct_fields__:
        assert getattr(label_all(*whole), name)[:cut].tolist() == getattr(label_all(*part), name).tolist()
    all_of, those = (listed(setups_of(high, low, rules), high, low) for _, high, low, _ in (whole, part))
    assert all_of[:cut] == those


@given(bars_with_ties(), RULES, st.sampled_from(["color", "reclaim"]), st.sampled_from([7, 30_000, 10**12]))
def test_scaled_prices_give_scaled_setups_and_the_same_labels(rows, rules, setting, factor) -> None:
    """Times 7 they stay within 32 bits, times 30,000 some do, times 10 ** 12 none."""
    plain = columns(rows, np.int64)
    scaled = [prices * factor for prices in plain]
    here, there = label_all(*plain, failed=setting), label_all(*scaled, failed=setting)
    for name in BarLabels.__struct_fields__:
        assert getattr(here, name).tolist() == getattr(there, name).tolist()
    expected = [
        [(*one[:3], *(factor * level for level in one[3:6]), *one[6:]) for one in bar]
        for bar in listed(setups_of(*plain[1:3], rules), *plain[1:3])
    ]
    assert listed(setups_of(*scaled[1:3], rules), *scaled[1:3]) == expected


@given(bars_with_ties(), KINDS, st.sampled_from(["structure", "setup_bar"]), st.sampled_from(["color", "reclaim"]))
def test_mirrored_prices_give_mirrored_setups_and_labels(rows, kind, stop, setting) -> None:
    rules = StratRules(stop=stop, outside_target="risk")  # 1.5 % of a price is no mirror image of that of another
    o, h, lo, c = columns(rows, kind)
    image = [2000 - o, 2000 - lo, 2000 - h, 2000 - c]
    here, there = label_all(o, h, lo, c, failed=setting), label_all(*image, failed=setting)
    assert there.types.tolist() == [{1: 2, 2: 1}.get(code, code) for code in here.types.tolist()]
    assert there.colors.tolist() == (-here.colors).tolist()
    assert there.shapes.tolist() == [{1: 2, 2: 1}.get(code, code) for code in here.shapes.tolist()]
    assert there.failed.tolist() == here.failed.tolist()
    assert there.in_force.tolist() == here.in_force.tolist()
    found, mirrored = setups_of(h, lo, rules), setups_of(*image[1:3], rules)
    assert mirrored.families.tolist() == found.families.tolist()
    assert mirrored.before.tolist() == found.before.tolist()
    for side, other in ("long", "short"), ("short", "long"):
        one, two = found.side(side), mirrored.side(other)
        given_here = one.given
        assert two.given.tolist() == given_here.tolist()
        assert (2000 - two.stop[given_here]).tolist() == one.stop[given_here].tolist()
        assert (2000 * found.parts - two.target[given_here]).tolist() == one.target[given_here].tolist()
        assert two.measured.tolist() == one.measured.tolist()


@given(bars_with_ties(), KINDS, RULES)
def test_every_given_side_has_stop_then_trigger_then_target(rows, kind, rules) -> None:
    _, high, low, _ = columns(rows, kind)
    for bar in listed(setups_of(high, low, rules), high, low):
        for _, _, side, trigger, stop, target, *_ in bar:
            assert (stop < trigger < target) if side == "long" else (stop > trigger > target)


def test_a_run_of_1s_longer_than_a_chunk_keeps_the_bar_before_it() -> None:
    inside = [(50, 90 - i, 10 + i, 50) for i in range(20)]
    _, high, low, _ = columns([(50, 95, 9, 50), (50, 100, 9, 50), *inside], np.int64)
    found = setups_of(high, low, StratRules(), chunk=4)
    assert found.name(21) == "2U-" + "1-" * 20 + "?"
    assert (found.before[21], found.long.stop[21], found.long.target[21]) == (1, 9, 100 * found.parts)


def test_results_are_written_where_asked() -> None:
    prices = columns([(5, 6, 4, 5), (5, 7, 4, 6)], np.int64)
    room = BarLabels.empty(2)
    assert label_all(*prices, out=room) is room
    assert room.types.tolist() == [-1, 1]
    codes = np.full(2, 9, np.int8)
    assert types_of(*prices[1:3], out=codes) is codes
    assert codes.tolist() == [-1, 1]
    with pytest.raises(DataError, match=r"shape \(3,\) for the results of 2 bars"):
        types_of(*prices[1:3], out=np.empty(3, np.int8))


def test_the_largest_price_is_still_exact_and_one_more_is_refused(bars_of) -> None:
    top = LARGEST - 1
    rows = [(5, 10, 0, 5), (0, top, 0, top), (top, top, 5, 5), (1, top, 0, 1)]
    prices = columns(rows, np.int64)
    for outside in ("nearer", "risk", "percent"):
        rules = StratRules(outside_target=outside)
        assert listed(setups_of(*prices[1:3], rules), *prices[1:3]) == facts(bars_of(rows), rules)
    assert [SHAPES[code] for code in label_all(*prices).shapes.tolist()] == [shape(bar) for bar in bars_of(rows)]
    for wrong in (LARGEST, -1):
        prices[3][1] = prices[1][1] = wrong
        with pytest.raises(DataError, match=f"price {wrong}: whole prices"):
            label_all(*prices)
        with pytest.raises(DataError, match=f"price {wrong}: whole prices"):
            setups_of(*prices[1:3], StratRules())


def test_a_price_that_is_no_number_is_refused_and_a_large_one_is_not() -> None:
    prices = columns([(5, 6, 4, 5), (5, 7, 4, 6)], np.float64)
    prices[1][:] = 1.7e308  # their sum is infinite
    assert types_of(*prices[1:3]).tolist() == [-1, 0]
    for wrong in (np.nan, np.inf):
        prices[2][1] = wrong
        with pytest.raises(DataError, match=f"price {wrong}: prices are finite"):
            setups_of(*prices[1:3], StratRules())


def test_wrong_columns_and_settings_are_refused() -> None:
    whole = np.array([5, 6])
    with pytest.raises(DataError, match="prices of float64, int64"):
        types_of(whole, whole.astype(np.float64))
    with pytest.raises(DataError, match="prices of int32"):
        types_of(whole.astype(np.int32), whole.astype(np.int32))
    with pytest.raises(DataError, match=r"shapes \[\(1,\), \(2,\)\]"):
        types_of(whole, whole[:1])
    with pytest.raises(ConfigurationError, match="'either'"):
        label_all(whole, whole, whole, whole, failed="either")
    with pytest.raises(InternalError, match="bar 0 gives no setup"):
        setups_of(whole, whole, StratRules()).name(0)


def test_no_bars_give_nothing() -> None:
    none = np.empty(0, np.int64)
    assert len(types_of(none, none)) == len(label_all(none, none, none, none).types) == 0
    assert len(setups_of(none, none, StratRules()).families) == 0


@pytest.mark.shared
def test_years_of_real_bars_give_the_same_both_ways(shared) -> None:
    bars = read_bars(shared / "data" / "ohlcv" / "coinbase_BTC-USD_1h_2024-2026.csv.gz").closed
    rows = [tuple(int(price * 100) for price in (bar.open, bar.high, bar.low, bar.close)) for bar in bars]
    assert [tuple(Decimal(unit) / 100 for unit in row) for row in rows] == [
        (b.open, b.high, b.low, b.close) for b in bars
    ]
    prices = columns(rows, np.int64)
    found = listed(setups_of(*prices[1:3], StratRules()), *prices[1:3])
    cents = [[(*one[:3], *(Decimal(level) / 100 for level in one[3:6]), *one[6:]) for one in bar] for bar in found]
    assert cents == facts(bars, StratRules())
    labels = label_all(*prices)
    assert [SHAPES[code] for code in labels.shapes.tolist()] == [shape(bar) for bar in bars]
