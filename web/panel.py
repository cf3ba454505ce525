"""The pages of the panel, in the order of the menu."""

from web import chart, control, market, overview, performance, signals, system, trade, trades
from web.pages import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE, market.PAGE, chart.PAGE, trades.PAGE, signals.PAGE, performance.PAGE, system.PAGE, control.PAGE,
    trade.PAGE,
)  # fmt: skip
