"""The tables of docs/strat.md: how a candle is walked for them, and what they show."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from atlas.market.candle_file import read_candles
from atlas.rules import Rules, StratRules
from tests.bench.funnel import FILES, Row, play, table, together, walked

D = Decimal


def prices(*values: float) -> list[Decimal]:
    return [D(str(value)) for value in values]


def test_a_path_prints_at_every_level_it_passes_in_the_order_it_passes_them() -> None:
    path = (D(10), D(8), D(12), D(11))
    assert walked(path, prices(9, 9.5, 11, 11.5, 12, 13)) == prices(
        10, 9.5, 9, 8, 9, 9.5, 11, 11.5, 12, 11.5, 11
    )  # fmt: skip


def test_a_path_without_levels_prints_its_four_points() -> None:
    assert walked((D(10), D(8), D(12), D(11)), []) == prices(10, 8, 12, 11)
    assert walked((D(10), D(10), D(10), D(10)), prices(10)) == prices(10, 10, 10, 10)


def test_a_table_shows_shares_of_the_triggers_and_marks_those_above_90_percent() -> None:
    rows = [
        Row("1h", "3-2", 200, 10, Counter(magnitude=182, margin=4, fees=4)),
        Row("1w", "3-2", 0, 0, Counter(), 3),
        Row("1h", "rev-strat", 5, 0, Counter(not_traded=5)),
    ]
    assert list(table(rows))[2:] == ["| 3-2 | 1h | 200 | 10 | **91 %** |  |  |  | 2 % | 2 % |"]


def test_all_timeframes_of_a_family_are_their_sum() -> None:
    rows = [Row("1h", "3-2", 3, 1, Counter(fees=2), 1), Row("4h", "3-2", 2, 0, Counter(fees=1, margin=1))]
    assert together("3-2", rows) == Row("all", "3-2", 5, 1, Counter(fees=3, margin=1), 1)


@pytest.mark.shared
def test_three_days_of_a_shared_file_reconcile(shared: Path) -> None:
    name = "coinbase_SOL-USD_15m_2024-2026.csv.gz"
    rules = Rules(strat=StratRules(timeframes=("15m", "1h")))
    rows = play(read_candles(shared / "data" / "ohlcv" / name), FILES[name], rules, 3).rows.values()
    assert sum(row.triggers for row in rows) > 50
    assert all(row.triggers == row.trades + row.rejections.total() for row in rows)
    assert any(row.invalidated for row in rows)
