"""Closed trades added up as they close, so that one more costs the same however many there were."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from atlas.drawdown import Drawdown
from atlas.money.closed import Closed

ZERO = Decimal(0)


class Tally:
    """What the metrics of closed trades come from, USD unless said otherwise; it takes them in the order of exit.

    `gross_profit` is the net of all wins, `gross_loss` that of all losses. `rs` are the R of the trades that have one,
    in that order; `r`, `mae_r` and `mfe_r` are sums over the same. `durations` are whole seconds, the shortest first.
    `equity` is what it started with plus each net, `drawdown` that of this curve. `streaks` are the longest runs of
    wins (1), break-evens (0) and losses (-1): each ends the others.
    """

    __slots__ = (
        "_length", "_sign", "best_profit", "drawdown", "durations", "equity", "fees", "first_entry", "funding", "gross",
        "gross_loss", "gross_profit", "largest_loss", "largest_win", "losses", "mae_r", "mfe_r", "net", "r", "rs",
        "slippage", "started_with", "streaks", "trades", "wins",
    )  # fmt: skip

    def __init__(self, starting_equity: Decimal) -> None:
        self.trades = self.wins = self.losses = 0
        self.gross = self.gross_profit = self.gross_loss = self.net = ZERO
        self.fees = self.funding = self.slippage = self.best_profit = ZERO
        self.largest_win: Decimal | None = None
        self.largest_loss: Decimal | None = None
        self.rs: list[Decimal] = []
        self.r = self.mae_r = self.mfe_r = ZERO
        self.durations: list[int] = []
        self.first_entry: datetime | None = None
        self.started_with = self.equity = starting_equity
        self.drawdown = Drawdown(starting_equity)
        self.streaks = {1: 0, 0: 0, -1: 0}
        self._sign = self._length = 0

    def add(self, trades: Sequence[Closed]) -> None:
        """Add the trades that closed next, in the order of exit."""
        if not trades:
            return
        nets = [trade.net for trade in trades]
        self.trades += len(nets)
        self.net = sum(nets, self.net)
        self._divide(nets)
        self._run_on(nets)
        self.gross = sum([trade.gross for trade in trades], self.gross)
        self.fees = sum([trade.fees for trade in trades], self.fees)
        self.funding = sum([trade.funding for trade in trades], self.funding)
        self.slippage = sum([trade.slippage for trade in trades], self.slippage)
        self.best_profit = sum([trade.best_profit for trade in trades], self.best_profit)
        # A trade filled at its own stop has no R.
        self.rs += (rs := [trade.r for trade in trades if trade.r is not None])
        self.r = sum(rs, self.r)
        self.mae_r = sum([trade.mae_r for trade in trades if trade.mae_r is not None], self.mae_r)
        self.mfe_r = sum([trade.mfe_r for trade in trades if trade.mfe_r is not None], self.mfe_r)
        self.durations = sorted([*self.durations, *[_seconds(trade.exit_time - trade.entry_time) for trade in trades]])
        entry = min([trade.entry_time for trade in trades])
        self.first_entry = entry if self.first_entry is None else min(self.first_entry, entry)
        for trade in trades:
            self.equity += trade.net
            self.drawdown.add(trade.exit_time, self.equity)

    def _divide(self, nets: Sequence[Decimal]) -> None:
        wins, losses = [net for net in nets if net > 0], [net for net in nets if net < 0]
        self.wins += len(wins)
        self.losses += len(losses)
        self.gross_profit = sum(wins, self.gross_profit)
        self.gross_loss = sum(losses, self.gross_loss)
        if wins:
            self.largest_win = max(wins) if self.largest_win is None else max(self.largest_win, *wins)
        if losses:
            self.largest_loss = min(losses) if self.largest_loss is None else min(self.largest_loss, *losses)

    def _run_on(self, nets: Sequence[Decimal]) -> None:
        for sign, run in groupby([(net > 0) - (net < 0) for net in nets]):
            before = self._length if sign == self._sign else 0
            self._sign, self._length = sign, before + len(list(run))
            self.streaks[sign] = max(self.streaks[sign], self._length)


def _seconds(time: timedelta) -> int:
    """Return the whole seconds of a time; by parts, for a division takes ten times as long."""
    return time.days * 86_400 + time.seconds
