"""The panel over a running daemon and a local exchange: a real process, a real websocket, a real database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from db.engine import connect
from tests.actors.scene import BIP
from tests.cli.command import Commands
from tests.faults.daemon import Daemon, Systemd, ready
from tests.web.browser.screen import Site
from tests.web.scene import dispose, make_panel, served, session_cookie

ETP = "ETP-20DEC30-CDE"
START = datetime(2029, 3, 7, 13, 20, tzinfo=UTC)
SPEED = 240.0
"""Four minutes of market a second: a bar of 15m closes every 4 seconds."""
RATE = 0.125
"""Trades a second of market and product."""
CONFIG = """
[account]
name = "live"
[strat]
timeframes = ["15m", "1h", "4h"]
[gates]
off = ["reward_risk", "magnitude", "fees", "continuity", "daily_loss"]
[sizing]
position_policy = "one_per_timeframe"
max_open_positions = 20
max_total_risk = "0.9"
risk_share = "0.005"
[feed]
clock = "venue"
[exchange]
products = {products}
ws_url = "{exchange.ws_url}"
rest_url = "{exchange.rest_url}"
rest_per_second = 100
"""
"""Hardly a gate stands, so that it trades within seconds and goes on trading."""


@dataclass(frozen=True)
class Running:
    """The panel's address with a cookie, and the database the daemon writes."""

    site: Site
    engine: Engine


@contextmanager
def running(place: Path, url: str) -> Iterator[Running]:
    """Start exchange, daemon and panel over a migrated database; yield them once the daemon says it is ready."""
    begun = int(START.timestamp()) * 1_000_000_000
    market = SyntheticMarket(listed([BIP, ETP]), begun, seed=5, rate=RATE)
    options = ExchangeOptions(ws_port=0, rest_port=0, speed=SPEED, rest_limit=500, rest_burst=500)
    commands = Commands(place, ATLAS_DATABASE_URL=url)
    panel, engine = make_panel(url, clock=lambda: datetime.now(UTC)), connect(url)
    try:
        with LocalExchange(market, options) as exchange, Systemd(place) as systemd:
            config = CONFIG.format(products=json.dumps([BIP, ETP]), exchange=exchange)
            (place / "atlas.toml").write_text(config, encoding="utf-8")
            with Daemon(commands, systemd, watchdog=60), served(panel) as address:
                systemd.wait_for(ready, "that all is started")
                yield Running(Site(address, session_cookie(panel)), engine)
    finally:
        engine.dispose()
        dispose(panel)
