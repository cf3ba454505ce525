"""Pictures for alerts and `atlas explain`: a trade on its labelled bars, and an equity curve, as PNG.

The same input gives the same bytes with the same Pillow. The text is set in the font Pillow carries (Aileron).
"""

from atlas.picture.equity import equity_png
from atlas.picture.trade import PicturedBar, TradePicture, trade_png

__all__ = ["PicturedBar", "TradePicture", "equity_png", "trade_png"]
