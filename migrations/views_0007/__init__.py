"""The reporting views as of revision 0007. A later change to a view is a later migration's: these stay as they are."""

from migrations.view import View
from migrations.views_0007.account import ACCOUNT
from migrations.views_0007.performance import PERFORMANCE
from migrations.views_0007.signal import SIGNAL
from migrations.views_0007.trade import TRADE

VIEWS: tuple[View, ...] = (*TRADE, *SIGNAL, *PERFORMANCE, *ACCOUNT)
"""In the order they are made: later ones read earlier ones."""
