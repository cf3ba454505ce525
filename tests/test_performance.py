"""The metrics of closed positions, by hand-worked examples."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import InternalError
from atlas.money.book import Position
from atlas.performance import DayEquity, measure, measure_by
from atlas.strat.setup import ContinuityReading

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday."""


def closed(net: str, number: int = 0, **changes: Any) -> Position:
    """A closed long of 10 × 0.01 from 68 000, first stop 67 000: 1 R is 100 USD. It lasted an hour."""
    reading = ContinuityReading("long", "open", ("1d", "4h"), ("1d", "4h"), (), (), 2)
    opened = START + timedelta(hours=2 * number)
    usual = Position(
        id=f"p{number}",
        symbol="BIP-20DEC30-CDE",
        timeframe="4h",
        setup="2D-1-2U",
        family="2-1",
        side="long",
        contract_size=D("0.01"),
        contracts=D(0),
        entry_contracts=D(10),
        entry_price=D(68000),
        entry_reference=D(68000),
        entry_time=opened,
        stop=D(67000),
        first_stop=D(67000),
        target=D(70000),
        invalidation=D(67500),
        entry_bar_end=opened,
        leverage=D(4),
        tier="overnight",
        margin=D(0),
        liquidation=None,
        worst=D(67500),
        best=D(70000),
        fees=D(10),
        funding=D(2),
        slippage=D(3),
        gross=D(net) + 12,
        detection=reading,
        at_trigger=reading,
        setup_time=opened,
        risk_at_entry=D(100),
        exit_price=D(69000),
        exit_time=opened + timedelta(hours=1),
        exit_reason="target",
    )
    return msgspec.structs.replace(usual, **changes)


def series(*nets: str) -> list[Position]:
    """Closed positions one after the other."""
    return [closed(net, number) for number, net in enumerate(nets)]


def test_a_series_of_trades_worked_by_hand() -> None:
    found = measure(series("100", "200", "-50", "0", "-100", "-150"), D(10000))
    assert (found.trades, found.wins, found.losses, found.break_evens) == (6, 2, 3, 1)
    assert found.win_rate == D("0.333333333333")
    assert (found.gross_profit, found.gross_loss, found.net_profit) == (300, -300, 0)
    assert found.profit_factor == 1
    assert found.expectancy == 0
    assert found.expectancy_r == 0
    assert (found.average_win, found.average_loss, found.payoff_ratio) == (150, -100, D("1.5"))
    assert (found.largest_win, found.largest_loss) == (200, -150)
    assert (found.longest_winning_streak, found.longest_losing_streak) == (2, 2)
    assert (found.average_duration, found.median_duration) == (3600, 3600)
    assert (found.average_mae_r, found.average_mfe_r) == (D("0.5"), 2)
    assert (found.fees, found.funding, found.slippage) == (60, 12, 18)
    assert found.gross - found.fees - found.funding == found.net_profit
    assert found.exit_efficiency == D("0.06")  # 72 ÷ (6 × 200)
    assert (found.max_drawdown, found.max_drawdown_share) == (300, D("0.0291262135922"))
    assert found.total_return == 0
    assert found.exposure == D("0.545454545455")  # 6 of 11 hours


def test_no_loss_at_all_has_no_profit_factor() -> None:
    found = measure(series("100", "0"), D(10000))
    assert found.profit_factor is None
    assert found.payoff_ratio is None
    assert found.largest_loss is None
    assert measure(series("-100"), D(10000)).profit_factor == 0


def test_break_evens_count_as_trades_but_neither_as_wins_nor_losses() -> None:
    found = measure(series("100", "0", "100"), D(10000))
    assert found.win_rate == D("0.666666666667")
    assert found.longest_winning_streak == 1


def test_lesson_102_a_trade_that_gains_less_than_its_costs_is_a_loss() -> None:
    found = measure([closed("-2", gross=D(10))], D(10000))
    assert (found.losses, found.net_profit, found.gross) == (1, -2, 10)


def test_without_trades_sums_are_zero_and_ratios_unknown() -> None:
    found = measure([], D(10000))
    assert (found.trades, found.net_profit, found.max_drawdown) == (0, 0, 0)
    assert found.win_rate is None
    assert found.expectancy is None
    assert found.exposure is None
    assert found.total_return == 0


def test_r_counts_the_first_stop_and_all_contracts_opened() -> None:
    assert measure([closed("150", stop=D(68500))], D(10000)).expectancy_r == D("1.5")


def test_sqn_is_root_n_times_mean_over_deviation_of_r() -> None:
    assert measure(series("100", "300"), D(10000)).sqn == 2  # √2 × 2 ÷ √2
    assert measure(series("100", "100"), D(10000)).sqn is None
    assert measure(series("100"), D(10000)).sqn is None


def test_an_even_number_of_durations_has_the_mean_of_the_middle_two_as_median() -> None:
    long_one = closed("1", 1, exit_time=START + timedelta(hours=5))
    assert measure([closed("1"), long_one], D(10000)).median_duration == 7200


def test_open_positions_are_refused() -> None:
    with pytest.raises(InternalError, match="still open"):
        measure([closed("1", contracts=D(10), exit_time=None)], D(10000))


def test_overlapping_positions_are_exposed_once() -> None:
    both = [
        closed("1", 0),
        closed("1", 1, entry_time=START + timedelta(minutes=30), exit_time=START + timedelta(hours=2)),
    ]
    assert measure(both, D(10000)).exposure == 1
    day = (START, START + timedelta(hours=8))
    assert measure(both, D(10000), period=day).exposure == D("0.25")


def test_what_is_held_beyond_the_period_is_exposed_in_it_and_no_trade_of_it() -> None:
    day = (START, START + timedelta(hours=8))
    still = closed("1", 1, contracts=D(10), entry_time=day[1] - timedelta(hours=2), exit_time=None)
    later = closed("1", 2, entry_time=day[1] - timedelta(hours=4), exit_time=day[1] + timedelta(days=1))
    assert measure([closed("1")], D(10000), period=day, held=[still]).exposure == D("0.375")
    found = measure([closed("1")], D(10000), period=day, held=[still, later])
    assert (found.exposure, found.trades, found.net_profit) == (D("0.625"), 1, 1)
    assert measure([], D(10000), period=day, held=[still]).exposure == D("0.25")
    assert measure([], D(10000), held=[still]).exposure is None, "of no known time"


def days(*equity: str) -> list[DayEquity]:
    """A daily series."""
    return [DayEquity(date(2026, 3, 1) + timedelta(days=n), D(value)) for n, value in enumerate(equity)]


def test_drawdown_is_the_deepest_in_dollars_the_deepest_share_and_the_longest() -> None:
    found = measure([], D(100), days("100", "80", "120", "200", "170", "199", "190", "200", "150"))
    assert found.max_drawdown == 50
    assert found.max_drawdown_share == D("0.25")
    assert found.max_drawdown_days == 4


def test_a_drawdown_that_has_not_ended_lasts_until_now() -> None:
    assert measure([], D(100), days("100", "90", "95", "99")).max_drawdown_days == 3


def test_a_long_rise_after_a_short_drawdown_is_no_drawdown() -> None:
    later = DayEquity(date(2026, 3, 30), D(130))
    assert measure([], D(100), [*days("100", "90", "110"), later]).max_drawdown_days == 2


def test_a_rising_curve_has_no_drawdown() -> None:
    found = measure([], D(100), days("100", "110", "110", "120"))
    assert (found.max_drawdown, found.max_drawdown_share, found.max_drawdown_days) == (0, 0, 0)
    assert found.calmar is None


def test_sharpe_and_sortino_are_daily_with_a_zero_rate_and_the_sample_deviation() -> None:
    found = measure([], D(100), days("100", "110", "99", "108.9"))
    # returns 0.1, −0.1, 0.1; mean 1/30, sample deviation √(0.04/3), downside √(0.01/2)
    assert found.sharpe is not None
    assert found.sortino is not None
    assert abs(found.sharpe - (D(1) / 30) / (D("0.04") / 3).sqrt() * D(365).sqrt()) < D("1e-9")
    assert abs(found.sortino - (D(1) / 30) / D("0.005").sqrt() * D(365).sqrt()) < D("1e-9")


def test_calmar_is_compound_annual_return_over_maximum_drawdown() -> None:
    year = [
        DayEquity(date(2025, 1, 1), D(100)),
        DayEquity(date(2025, 7, 1), D(80)),
        DayEquity(date(2026, 1, 1), D(150)),
    ]
    found = measure([], D(100), year)
    assert found.calmar == D("2.5")  # 50 % over 20 %
    assert found.total_return == D("0.5")


def test_a_day_without_a_row_kept_the_equity_of_the_day_before() -> None:
    gap = [DayEquity(date(2026, 3, 1), D(100)), DayEquity(date(2026, 3, 4), D(90)), DayEquity(date(2026, 3, 5), D(99))]
    assert measure([], D(100), gap).sharpe == measure([], D(100), days("100", "100", "100", "90", "99")).sharpe


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(InternalError, match="2026-03-01 follows 2026-03-02"):
        measure([], D(100), days("100", "110")[::-1])


def test_an_account_that_reached_zero_has_no_daily_ratios() -> None:
    found = measure([], D(100), days("100", "0", "10"))
    assert (found.sharpe, found.sortino, found.calmar) == (None, None, None)
    assert found.max_drawdown_share == 1


def test_a_single_day_has_no_daily_ratios() -> None:
    found = measure([], D(100), days("100"))
    assert (found.sharpe, found.sortino, found.calmar) == (None, None, None)


@pytest.mark.parametrize(
    ("dimension", "groups"),
    [
        ("symbol", {"BIP-20DEC30-CDE", "ETP-20DEC30-CDE"}),
        ("timeframe", {"4h", "1d"}),
        ("setup", {"2D-1-2U", "3-1-2D"}),
        ("side", {"long", "short"}),
        ("continuity", {"2/2", "1/2"}),
        ("family", {"2-1", "3-1"}),
        ("exit", {"target", "stop"}),
        ("day", {"2026-03-01", "2026-03-02"}),
        ("weekday", {"Mon", "Sun"}),
        ("hour", {"09", "04"}),
    ],
)
def test_metrics_come_by_every_dimension(dimension: str, groups: set[str]) -> None:
    other = closed(
        "-50",
        1,
        symbol="ETP-20DEC30-CDE",
        timeframe="1d",
        setup="3-1-2D",
        family="3-1",
        side="short",
        first_stop=D(69000),
        at_trigger=ContinuityReading("short", "open", ("1d", "4h"), ("1d",), ("4h",), (), 1),
        exit_reason="stop",
        entry_time=datetime(2026, 3, 1, 4, 30, tzinfo=UTC),
        exit_time=datetime(2026, 3, 1, 23, 59, tzinfo=UTC),
    )
    found = measure_by(dimension, [closed("100"), other], D(10000))
    assert set(found) == groups
    assert sum(group.trades for group in found.values()) == 2
    assert sum(group.net_profit for group in found.values()) == 50


def test_weekday_and_hour_are_those_of_the_asked_timezone() -> None:
    late = closed("1", entry_time=datetime(2026, 3, 2, 3, 0, tzinfo=UTC))
    assert list(measure_by("weekday", [late], D(1), ZoneInfo("America/New_York"))) == ["Sun"]
    assert list(measure_by("hour", [late], D(1), ZoneInfo("America/New_York"))) == ["22"]


def test_a_day_is_that_of_the_exit_in_the_asked_timezone() -> None:
    late = closed("1", exit_time=datetime(2026, 3, 3, 3, tzinfo=UTC))
    assert list(measure_by("day", [late], D(1))) == ["2026-03-03"]
    assert list(measure_by("day", [late], D(1), ZoneInfo("America/New_York"))) == ["2026-03-02"]


def test_groups_come_in_the_order_a_trader_reads() -> None:
    trades = [closed("1", number, timeframe=name) for number, name in enumerate(("1w", "1d", "4h", "15m"))]
    assert list(measure_by("timeframe", trades, D(1))) == ["15m", "4h", "1d", "1w"]
    week = [closed("1", 12 * day) for day in range(8)]
    assert list(measure_by("weekday", week, D(1))) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def test_every_group_is_exposed_as_a_share_of_the_same_period() -> None:
    day = (START, START + timedelta(hours=4))
    found = measure_by("side", [closed("1"), closed("1", 1, side="short", first_stop=D(69000))], D(1), period=day)
    assert {name: group.exposure for name, group in found.items()} == {"long": D("0.25"), "short": D("0.25")}


def parted(second_exit: str, **changes: Any) -> Position:
    """Half of ten contracts closed at 1 R, 69 000, the rest at this price: fees 15, funding 2."""
    last = D(second_exit)
    gross = (D(69000) - 68000) * 5 * D("0.01") + (last - 68000) * 5 * D("0.01")
    mean = (D(69000) + last) / 2
    return closed("0", gross=gross, fees=D(15), exit_price=mean, exit_reason="stop", **changes)


def test_a_position_closed_in_parts_is_one_trade_with_all_its_exits() -> None:
    found = measure([parted("68000"), parted("66940")], D(10000))
    # 50 + 0 − 17 = 33; 50 − 53 − 17 = −20
    assert (found.trades, found.wins, found.losses) == (2, 1, 1)
    assert (found.gross, found.gross_profit, found.gross_loss, found.net_profit) == (47, 33, -20, 13)
    assert (found.fees, found.funding) == (30, 4)
    assert found.gross - found.fees - found.funding == found.net_profit


def test_r_of_a_position_closed_in_parts_is_of_all_contracts_opened() -> None:
    assert measure([parted("68000")], D(10000)).expectancy_r == D("0.33")


def test_exit_efficiency_of_a_position_closed_in_parts_is_of_all_contracts_opened() -> None:
    """All ten at the best price, 70 000, would have made 200; 50 were made at 1 R and 25 with the rest."""
    assert measure([parted("68500")], D(10000)).exit_efficiency == D("0.375")


def test_a_break_even_after_a_part_is_neither_won_nor_lost() -> None:
    even = parted("67340")  # 50 − 33 − 17
    found = measure([even], D(10000))
    assert (found.net_profit, found.break_evens, found.wins, found.losses) == (0, 1, 0, 0)


def test_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(InternalError, match="no dimension 'moon'"):
        measure_by("moon", [], D(1))


NETS = st.lists(st.decimals("-500", "500", places=2), max_size=25)


@given(NETS)
def test_the_counts_and_sums_always_reconcile(nets: list[D]) -> None:
    found = measure([closed(str(net), number) for number, net in enumerate(nets)], D(100000))
    assert found.wins + found.losses + found.break_evens == found.trades == len(nets)
    assert found.gross_profit + found.gross_loss == found.net_profit == sum(nets)
    assert found.gross - found.fees - found.funding == found.net_profit
    assert found.max_drawdown >= 0
    assert found.max_drawdown >= -found.net_profit


@given(NETS, st.randoms(use_true_random=False))
def test_the_order_in_which_positions_are_handed_over_does_not_matter(nets: list[D], chance: Any) -> None:
    trades = [closed(str(net), number) for number, net in enumerate(nets)]
    mixed = list(trades)
    chance.shuffle(mixed)
    assert measure(mixed, D(100000)) == measure(trades, D(100000))
