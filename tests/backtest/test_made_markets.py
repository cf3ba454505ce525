"""Backtest and replay of markets made to be awkward: holes, equal highs, bars of one price, jumps, wide bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from atlas.backtest.engine import Played, backtest
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.path import PathRules
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.rules import AccountRules, ExitRules, GateRules, MarginRules, Rules, SizingRules, StratRules
from tests.backtest.oracle import differences
from tests.past_candles import written

FRIDAY = 1_772_755_200  # 2026-03-06 00:00 UTC: the weekly break lies in the first day
STEP = 300
FREE = ("magnitude", "reward_risk", "continuity", "fees", "total_risk")


@st.composite
def markets(draw: st.DrawFn, first: int = 60_000) -> CandleFile:
    """Draw some 200 candles of 5m from a seed and the moods of the market: how far, how flat, how often nothing."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(150, 300))
    begins = FRIDAY + STEP * draw(st.integers(0, 280))
    first = first // draw(st.sampled_from([1, 1, 20]))
    reach = draw(st.sampled_from([2, 12, 60, 250]))
    steps = chance.integers(-reach, reach + 1, rows)
    steps[chance.random(rows) < draw(st.sampled_from([0.0, 0.05]))] *= 12  # jumps through stop and target
    close = first + np.cumsum(steps)
    opened = np.concatenate(([first], close[:-1])) + chance.integers(-2, 3, rows) * draw(st.integers(0, 8))
    wide = chance.integers(0, draw(st.sampled_from([1, 3, 40, 200])), (2, rows))
    wide[:, chance.random(rows) < draw(st.sampled_from([0.0, 0.1]))] *= 10  # both sides in one bar
    high, low = np.maximum(opened, close) + wide[0], np.minimum(opened, close) - wide[1]
    grid = draw(st.sampled_from([1, 1, 10, 50]))  # equal highs and lows
    opened, high, low, close = (column // grid * grid for column in (opened, high, low, close))
    flat = chance.random(rows) < draw(st.sampled_from([0.0, 0.1]))
    opened, high, low = (np.where(flat, close, column) for column in (opened, high, low))
    outside = draw(st.booleans())  # an open at the close before, wherever the candle trades
    opened = np.concatenate(([first], close[:-1])) if outside else opened
    kept = chance.random(rows) >= draw(st.sampled_from([0.0, 0.02, 0.4]))  # holes
    kept[[0, -1]] = True
    times = (begins + STEP * np.arange(rows))[kept]
    volume = (chance.random(rows) >= draw(st.sampled_from([0.0, 0.05]))).astype(np.int64)[kept]
    columns = {"open": opened, "high": high, "low": low, "close": close}
    prices = {name: np.maximum(column, 1).astype(np.int64)[kept] for name, column in columns.items()}
    return CandleFile(
        path=Path("made.csv"), symbol="MADE", interval=STEP, scale=1, tick_units=1, volume_scale=0, times=times,
        volume=volume, **prices,
    )  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Draw rules under which some of the triggers of so wild a market become trades."""
    off = draw(st.sampled_from([(), ("magnitude", "reward_risk", "fees"), FREE, FREE, FREE]))
    policy = draw(st.sampled_from(["one_per_product", "one_per_timeframe", "unlimited"]))
    return Rules(
        strat=StratRules(
            timeframes=draw(st.sampled_from([("15m",), ("15m", "1h", "4h"), ("1h", "1d")])),
            stop=draw(st.sampled_from(["structure", "setup_bar"])),
            continuity_mode=draw(st.sampled_from(["open", "type"])),
        ),
        gates=GateRules(off=off),
        sizing=SizingRules(
            position_policy=policy,
            mode=draw(st.sampled_from(["risk", "leverage"])),
            max_total_risk=draw(st.sampled_from([Decimal("0.06"), Decimal("0.30")])),
            daily_loss=draw(st.sampled_from([Decimal("0.02"), Decimal("0.05")])),
        ),
        exits=ExitRules(max_bars=draw(st.sampled_from([0, 0, 0, 3]))),
        margin=MarginRules(window=draw(st.sampled_from(["overnight", "guide_2026_07", "long_window"]))),
        account=AccountRules(timezone=draw(st.sampled_from(["UTC", "America/New_York"]))),
    )


paths = st.builds(PathRules, always_high_first=st.booleans(), trusted=st.booleans())


def bitcoin(file: CandleFile) -> Product:
    return built_in("BIP-20DEC30-CDE", tick=file.tick)


@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(markets(), rules(), paths)
def test_a_backtest_is_the_replay(file: CandleFile, rules: Rules, path: PathRules) -> None:
    note(str(rules))
    assert differences([Played(bitcoin(file), file)], rules, path=path) == []


@settings(max_examples=15, deadline=None, database=None, derandomize=True)
@given(markets(), rules(), st.integers(0, 150), st.integers(1, 12 * 3600))
def test_from_the_middle_of_a_file_it_is_the_replay_too(file: CandleFile, rules: Rules, rows: int, more: int) -> None:
    """Bars before the start are known, entry bars under way are read from them, and what broke there is missed."""
    begins = datetime.fromtimestamp(int(file.times[0]) + rows * 60, UTC)
    ends = min(begins + timedelta(seconds=6 * 3600 + more), datetime.fromtimestamp(int(file.times[-1]), UTC))
    assert differences([Played(bitcoin(file), file)], rules, begins, ends) == []


@settings(max_examples=12, deadline=None, database=None, derandomize=True)
@given(markets(), markets(first=3_000), rules())
def test_two_products_share_one_account_as_in_the_replay(one: CandleFile, other: CandleFile, rules: Rules) -> None:
    ether = built_in("ETP-20DEC30-CDE", tick=other.tick)
    assert differences([Played(bitcoin(one), one), Played(ether, other)], rules) == []


def test_a_candle_cut_by_the_end_is_walked_to_its_own_end(tmp_path: Path) -> None:
    """A position that the rest of that candle closes is closed, as the replay closes it."""
    file = read_candles(written(tmp_path, seed=5, days=1))
    played = [Played(bitcoin(file), file)]
    free = Rules(strat=StratRules(timeframes=("15m",)), gates=GateRules(off=FREE))
    exits = [trade.exit_time for trade in backtest(played, free).trades]
    within = [at.replace(second=1) for at in exits if at is not None and at.second >= 15]
    assert len(within) >= 3
    for end in within[:3]:
        assert any(trade.exit_time > end for trade in backtest(played, free, end=end).trades if trade.exit_time)
        assert differences(played, free, end=end) == []
