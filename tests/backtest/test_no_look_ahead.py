"""Nothing before an instant depends on what came after it: cutting a past there changes no trade that was over."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.backtest.engine import Played, backtest
from atlas.market.candle_file import CandleFile
from atlas.rules import Rules
from tests.backtest.test_made_markets import bitcoin, markets, rules


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(markets(), rules(), st.floats(0.05, 0.95))
def test_a_cut_changes_nothing_before_it(file: CandleFile, rules: Rules, share: float) -> None:
    product = bitcoin(file)
    at = file.interval * int(int(file.times[0]) // file.interval + share * (file.times[-1] - file.times[0]) / 300)
    cut = datetime.fromtimestamp(at, UTC)
    if at <= int(file.times[0]):
        return
    whole = backtest([Played(product, file)], rules)
    short = backtest([Played(product, file.rows(0, at))], rules, end=cut)
    before = [trade for trade in whole.trades if trade.exit_time is not None and trade.exit_time < cut]
    assert [trade for trade in short.trades if trade.exit_time is not None and trade.exit_time < cut] == before
    entered = [trade.entry_time for trade in (*whole.trades, *whole.open) if trade.entry_time < cut]
    assert sorted(trade.entry_time for trade in (*short.trades, *short.open)) == sorted(entered)
    days = [day for day in whole.equity if day.day < cut.date()]
    assert short.equity[: len(days)] == days or rules.account.timezone != "UTC"

