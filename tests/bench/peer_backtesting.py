"""The common strategy in backtesting.py, on 1m bars. Run in that tool's environment: peer_backtesting.py FILE."""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

PER_BAR = 15


class Common(Strategy):
    """A stop order on each end of a 15m bar that is a 1 strictly inside a 2, for the next 15m bar only."""

    def init(self) -> None:
        """Make the 15m bars and the signals, as arrays over the minutes."""
        high, low = (np.asarray(column).reshape(-1, PER_BAR) for column in (self.data.High, self.data.Low))
        high, low = high.max(axis=1), low.min(axis=1)
        up, down = np.diff(high, prepend=high[0]) > 0, np.diff(low, prepend=low[0]) < 0
        directional = up ^ down
        inside = np.zeros(len(high), bool)
        inside[1:] = (high[1:] < high[:-1]) & (low[1:] > low[:-1])
        self.highs, self.lows = high, low
        self.signal = inside & np.concatenate(([False], directional[:-1]))

    def next(self) -> None:
        """Place orders where a 15m bar has just ended; take them away one 15m bar later, or when one has filled."""
        minute = len(self.data)
        if self.position:
            for order in self.orders:
                if not order.is_contingent:
                    order.cancel()
        if minute % PER_BAR:
            return
        for order in self.orders:
            if not order.is_contingent:
                order.cancel()
        bar = minute // PER_BAR - 1
        if self.position or not self.signal[bar]:
            return
        high, low = self.highs[bar], self.lows[bar]
        self.buy(size=1, stop=high, sl=low, tp=self.highs[bar - 1])
        self.sell(size=1, stop=low, sl=high, tp=self.lows[bar - 1])


def main() -> None:
    """Play the file; print what came of it and the CPU seconds it took."""
    warnings.simplefilter("ignore")
    rows = pd.read_csv(sys.argv[1])
    rows.index = pd.to_datetime(rows.pop("time"), unit="s")
    rows.columns = [name.capitalize() for name in rows.columns]
    test = Backtest(rows, Common, cash=10_000_000, commission=0.0005, exclusive_orders=False)
    begun = time.process_time()
    found = test.run()
    took = time.process_time() - begun
    net = float(found["Equity Final [$]"]) - 10_000_000
    print(json.dumps({"seconds": took, "trades": int(found["# Trades"]), "net": net}))


if __name__ == "__main__":
    main()
