"""A local exchange: a real websocket and REST server on loopback that speak Coinbase Advanced Trade (coinbase.md).

It plays a seeded synthetic market or files of past candles or trades, in real or compressed time. `market` and its
kinds give timed trades; `timeline` puts everything that is sent in order on the market's own time axis; `conductor`
moves its clock; `session` and `rest_routes` hold the conversations; `exchange` is the whole. The `fault` modules are
what it can do wrong on purpose.
"""

from atlas.exchange.local.exchange import LocalExchange
from atlas.exchange.local.fault import Fault, Faults
from atlas.exchange.local.fault_play import Struck
from atlas.exchange.local.fault_script import read_faults
from atlas.exchange.local.options import ExchangeOptions
from atlas.exchange.local.played import PlayedMarket, read_market
from atlas.exchange.local.products import DEFAULT_PRODUCTS, PRODUCTS, ListedProduct, listed
from atlas.exchange.local.synthetic import SyntheticMarket, default_rate

__all__ = [
    "DEFAULT_PRODUCTS",
    "PRODUCTS",
    "ExchangeOptions",
    "Fault",
    "Faults",
    "ListedProduct",
    "LocalExchange",
    "PlayedMarket",
    "Struck",
    "SyntheticMarket",
    "default_rate",
    "listed",
    "read_faults",
    "read_market",
]
