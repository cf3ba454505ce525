"""The common strategy of the bench: its two answers to the cent, and the same trades as a replay of other markets."""

import importlib.util
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from atlas.backtest.engine import Played, backtest
from atlas.market.candle_file import CandleFile
from atlas.market.products import built_in
from atlas.presets import preset
from atlas.rules import Rules
from tests.backtest.oracle import differences

CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def generator(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_market", shared / "bench" / "market.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(generator: ModuleType, seed: int, first: float) -> CandleFile:
    """Return a market of the generator without the way through a file."""
    rows = generator.market(seed, first)
    cents = [np.rint(column * 100).astype(np.int64) for column in rows[:4]]
    times = generator.START + 60 * np.arange(rows.shape[1], dtype=np.int64)
    volume = np.rint(rows[4] * 10_000).astype(np.int64)
    return CandleFile(Path("made.csv"), "BTC-USD", 60, 2, 1, 4, times, *cents, volume)


def rules(exits_from: str) -> Rules:
    return msgspec.convert(preset("common", exits_from).settings, Rules)


def played(file: CandleFile) -> list[Played]:
    return [Played(built_in(preset("common").product, tick=file.tick), file)]


def test_both_answers_of_the_common_strategy_to_the_cent(generator: ModuleType) -> None:
    """2,735 trades of which 2,118 gained before costs; exits from the next bar on: 2,733 trades."""
    file, path = made(generator, 1000, 60_000), preset("common").path
    at_once = backtest(played(file), rules("fill"), path=path)
    assert (len(at_once.trades), at_once.open) == (2_735, [])
    assert sum(trade.gross > 0 for trade in at_once.trades) == 2_118
    assert at_once.metrics.net_profit.quantize(CENT) == Decimal("-157713.93")
    later = backtest(played(file), rules("next_bar"), path=path)
    assert len(later.trades) == 2_733
    assert later.metrics.net_profit.quantize(CENT) == Decimal("-152897.37")


@pytest.mark.parametrize("exits_from", ["fill", "next_bar"])
@pytest.mark.parametrize("seed", [7, 8])
def test_another_market_gives_the_trades_of_a_replay(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, seed: int, exits_from: str
) -> None:
    """On prices so low that levels are often equal, and a replay can pass through each of them."""
    monkeypatch.setattr(generator, "MINUTES", 3 * 1_440)
    file = made(generator, seed, 40.0)
    assert backtest(played(file), rules(exits_from), path=preset("common").path).trades
    assert differences(played(file), rules(exits_from), path=preset("common").path) == []
