"""/metrics for Prometheus: how the daemon, its actors and its money are, from the same functions as the pages.

Read from the database at each scrape; what is not known is left out. Without the database it answers, and says so.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from db.verdict import FEED_UP, runs
from web import queries, system_queries
from web.overview import Account, overview
from web.pages import Arguments, Shown
from web.system import Actor, Outbox, system

VERDICTS = {"ok": 0, "warning": 1, "down": 2}
COUNTED = {
    "inputs": "Inputs the core has taken.",
    "trades": "Trades the feed has told.",
    "gaps": "Gaps in the feed's sequence numbers.",
    "feed_downs": "How often the feed went down.",
    "commits": "Transactions of the journal.",
}
"""What the daemon counts from its start on (`DaemonRow.measures`)."""


def blueprint(engine: Engine, account: str | None, clock: Callable[[], datetime]) -> Blueprint:
    """Return the route `/metrics`."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        try:
            with engine.connect() as connection:
                shown = Shown(account or queries.account_shown(connection), clock())
                told = [_one("database_up", "1: the panel reaches the database.", 1), *_told(connection, shown)]
        except DBAPIError:
            told = [_one("database_up", "1: the panel reaches the database.", 0)]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told(told))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes


class _Told(Collector):
    """Metrics that are made already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _told(connection: Connection, shown: Shown) -> Iterator[Metric]:
    seen, state = overview(connection, shown, Arguments()), system(connection, shown, Arguments())
    daemon = None if shown.account is None else queries.daemon(connection, shown.account)
    yield _one("up", "1: a daemon gives signs of life.", runs(daemon, shown.now))
    worth = VERDICTS[state["system"]["verdict"]]
    yield _one("verdict", "0 ok, 1 with warnings, 2 down: ATLAS does not do its work.", worth)
    if daemon is not None and state["daemon"] is not None:
        yield _one("feed_up", "1: the feed is up.", state["daemon"]["feed"] == FEED_UP)
        if daemon.market_time is not None:
            lag = (daemon.beat_at - daemon.market_time).total_seconds()
            yield _one("market_lag_seconds", "How far the market's clock was behind at the last beat.", lag)
        measures = daemon.measures or {}
        for name, words in COUNTED.items():
            if name in measures:
                yield CounterMetricFamily(f"atlas_{name}", words, value=measures[name])
        if "spool_bytes" in measures:
            yield _one("spool_bytes", "Events on disk that wait for the database.", measures["spool_bytes"])
    yield from _actors(state["actors"])
    yield _one("holes_open", "Holes in the feed that are not repaired.", len(state["completeness"]["open_holes"]))
    yield _one("database_bytes", "Size of the database.", state["database"]["bytes"])
    yield from _outbox(state["outbox"], shown.now)
    letters = system_queries.dead_letters(connection, shown.account or "")
    yield _one("dead_letters", "Messages nobody could handle, ever.", letters)
    yield _one("open_positions", "Open positions.", len(seen["positions"]))
    yield _one("setups_waiting", "Setups that wait for their trigger.", seen["setups_waiting"])
    if seen["account"] is not None:
        yield from _account(seen["account"])


def _actors(actors: list[Actor]) -> Iterator[Metric]:
    up = _gauge("actor_up", "1: the actor runs.", "actor")
    depth = _gauge("mailbox_depth", "Messages that wait for the actor.", "actor")
    restarts = CounterMetricFamily("atlas_actor_restarts", "How often the actor was restarted.", labels=["actor"])
    for actor in actors:
        up.add_metric([actor["name"]], actor["state"] in ("running", "off"))
        depth.add_metric([actor["name"]], actor["waiting"])
        restarts.add_metric([actor["name"]], actor["restarts"])
    yield from (up, depth, restarts)


def _outbox(outbox: Outbox, now: datetime) -> Iterator[Metric]:
    yield _one("outbox_pending", "Alerts that wait to be sent.", outbox["pending"])
    oldest = outbox["oldest"]
    waits = 0.0 if oldest is None else (now - datetime.fromisoformat(oldest)).total_seconds()
    yield _one("outbox_oldest_seconds", "For how long the oldest of them waits.", waits)


def _account(account: Account) -> Iterator[Metric]:
    halted = _gauge("halted", "1: entries are halted by this source.", "source")
    for halt in account["halts"]:
        halted.add_metric([halt["source"]], 1)
    yield halted
    money = (
        _one("equity_usd", "Cash and open profit, USD.", account["equity"]),
        _one("cash_usd", "Cash, USD.", account["cash"]),
        _one("reserved_usd", "Reserved margin, USD.", account["reserved"]),
        _one("unrealised_usd", "Open profit before costs, USD.", account["unrealised"]),
        _one("open_risk_usd", "What the open positions lose from entry to stop, USD.", account["open_risk"]),
    )
    yield from (one for one in money if one.samples)


def _one(name: str, words: str, value: float | str | None) -> Metric:
    """A gauge without labels; without a sample where the value is not known."""
    return GaugeMetricFamily(f"atlas_{name}", words, value=None if value is None else float(value))


def _gauge(name: str, words: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"atlas_{name}", words, labels=[label])
