"""The common strategy in nautilus_trader, on 1m bars with 15m made of them. Run in its environment: … FILE.

Bars are walked open, high, low, close by its own matching engine. The other entry is cancelled when one fills, stop and
target are placed on the fill.
"""

import json
import sys
import time
from decimal import Decimal

import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.events import OrderAccepted, OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
ID = InstrumentId(Symbol("BTCUSD"), VENUE)
MINUTES = BarType.from_str(f"{ID}-1-MINUTE-LAST-EXTERNAL")
QUARTERS = BarType.from_str(f"{ID}-15-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL")
ONE = Quantity.from_str("1.000000")


class Common(Strategy):
    """A stop order on each end of a 15m bar that is a 1 strictly inside a 2, for the next 15m bar only."""

    def on_start(self) -> None:
        """Ask for both kinds of bars."""
        self.bars: list[Bar] = []
        self.entries: dict[object, tuple[Price, Price]] = {}
        self.exits: list[object] = []
        self.void: set[object] = set()
        self.traded = 0
        self.subscribe_bars(MINUTES)
        self.subscribe_bars(QUARTERS)

    def on_bar(self, bar: Bar) -> None:
        """Take entries away one 15m bar later; place new ones where a setup has closed."""
        if bar.bar_type.spec.step != 15:
            return
        self.bars = [*self.bars[-2:], bar]
        for order_id in list(self.entries):
            self._cancel(order_id)
        self.entries.clear()
        if len(self.bars) < 3 or not self.portfolio.is_flat(ID):
            return
        before, last, now = self.bars
        inside = now.high < last.high and now.low > last.low
        if not inside or (last.high > before.high) == (last.low < before.low):
            return
        self._enter(OrderSide.BUY, now.high, now.low, last.high)
        self._enter(OrderSide.SELL, now.low, now.high, last.low)

    def _enter(self, side: OrderSide, trigger: Price, stop: Price, target: Price) -> None:
        order = self.order_factory.stop_market(ID, side, ONE, trigger_price=trigger)
        self.entries[order.client_order_id] = (stop, target)
        self.submit_order(order)

    def on_order_filled(self, event: OrderFilled) -> None:
        """Guard what was entered; take away what the fill has made void."""
        levels = self.entries.pop(event.client_order_id, None)
        if levels is None:
            for order_id in self.exits:
                if order_id != event.client_order_id:
                    self._cancel(order_id)
            self.exits = []
            return
        self.traded += 1
        for order_id in list(self.entries):
            self._cancel(order_id)
        self.entries.clear()
        side = OrderSide.SELL if event.order_side == OrderSide.BUY else OrderSide.BUY
        stop = self.order_factory.stop_market(ID, side, ONE, trigger_price=levels[0], reduce_only=True)
        target = self.order_factory.limit(ID, side, ONE, price=levels[1], reduce_only=True)
        self.exits = [stop.client_order_id, target.client_order_id]
        self.submit_order(stop)
        if self.exits:
            self.submit_order(target)

    def _cancel(self, order_id: object) -> None:
        order = self.cache.order(order_id)
        if order is not None and order.is_open:
            self.cancel_order(order)
        elif order is not None and not order.is_closed:
            self.void.add(order_id)  # still on its way

    def on_order_accepted(self, event: OrderAccepted) -> None:
        """Cancel what became void on its way."""
        if event.client_order_id in self.void:
            self.cancel_order(self.cache.order(event.client_order_id))


def main() -> None:
    """Play the file; print what came of it and the CPU seconds it took."""
    rows = pd.read_csv(sys.argv[1])
    rows.index = pd.to_datetime(rows.pop("time") + 60, unit="s", utc=True)  # it stamps a bar at its close
    rows["volume"] = 1_000_000.0  # else it fills in the parts a quarter of a bar's volume allows
    rate = Decimal("0.0005")
    product = CurrencyPair(
        instrument_id=ID, raw_symbol=Symbol("BTCUSD"), base_currency=BTC, quote_currency=USD, price_precision=2,
        size_precision=6, price_increment=Price.from_str("0.01"), size_increment=Quantity.from_str("0.000001"),
        ts_event=0, ts_init=0, margin_init=Decimal(0), margin_maint=Decimal(0), maker_fee=rate, taker_fee=rate,
    )  # fmt: skip
    quiet = BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True))
    engine = BacktestEngine(quiet)
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(10_000_000, USD)], base_currency=USD,
                     default_leverage=Decimal(10), reject_stop_orders=False)  # fmt: skip
    engine.add_instrument(product)
    engine.add_data(BarDataWrangler(MINUTES, product).process(rows))
    strategy = Common()
    engine.add_strategy(strategy)
    begun = time.process_time()
    engine.run()
    took = time.process_time() - begun
    net = float(engine.portfolio.account(VENUE).balance_total(USD)) - 10_000_000
    print(json.dumps({"seconds": took, "trades": strategy.traded, "net": net}))


if __name__ == "__main__":
    main()
