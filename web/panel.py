"""The pages of the panel, in the order of the menu."""

from web import chart, control, market, overview, system, trades
from web.pages import Page

PAGES: tuple[Page, ...] = (overview.PAGE, market.PAGE, chart.PAGE, trades.PAGE, system.PAGE, control.PAGE)
