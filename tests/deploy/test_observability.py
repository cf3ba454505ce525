"""Prometheus' rules and Grafana's dashboard ask for what there is: each metric, each column, each runbook paragraph."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from db.engine import connect
from tests.web.scene import NOW, Daemon, busy_day, dispose, make_panel

CHECKOUT = Path(__file__).resolve().parents[2]
PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
DASHBOARD = json.loads((CHECKOUT / "deploy" / "grafana" / "atlas.json").read_text(encoding="utf-8"))
RULES = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]  # fmt: skip
METRIC = re.compile(r"\batlas_[a-z_]+")


def targets(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the panels' queries of one kind of data source, with the panel's title."""
    return [
        (panel["title"], target)
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


MEASURES = {"inputs": 5, "trades": 4, "gaps": 1, "feed_downs": 1, "commits": 3, "spool_bytes": 0}


@pytest.fixture
def scraped(database_url: str) -> Iterator[dict[str, Metric]]:
    """Return what a scrape tells in the middle of a day, by the metric's name."""
    writer, panel = Daemon(database_url), make_panel(database_url)
    busy_day(writer)
    writer.beat(market_time=NOW, measures=MEASURES)
    answer = panel.test_client().get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    yield {family.name: family for family in text_string_to_metric_families(answer.text)}
    writer.close()
    dispose(panel)


@pytest.fixture
def told(scraped: dict[str, Metric]) -> set[str]:
    """Return the names Prometheus knows them by."""
    return {f"{name}_total" if family.type == "counter" else name for name, family in scraped.items()}


def test_all_that_is_asked_for_is_told(told: set[str]) -> None:
    asked = [rule["expr"] for rule in RULES] + [target["expr"] for _, target in targets("prometheus")]
    names = {name for expression in asked for name in METRIC.findall(expression)}
    assert len(names) > 15
    assert names <= told


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_has_a_metric_a_severity_and_a_paragraph(rule: dict[str, Any]) -> None:
    assert METRIC.search(rule["expr"]) or rule["expr"].startswith("up{"), rule["expr"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    document, _, place = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^### (\S+)$", (CHECKOUT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert place in {heading.lower() for heading in headings}


def test_every_paragraph_has_its_rule() -> None:
    text_ = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (Atlas\w+)$", text_, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_prometheus_is_told_where_to_ask() -> None:
    scrape = yaml.safe_load((PROMETHEUS / "scrape.yml").read_text(encoding="utf-8"))
    (job,) = scrape["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("atlas", "/metrics")
    assert all((PROMETHEUS / file).is_file() for file in scrape["rule_files"])


def test_the_dashboards_queries_run_on_the_views(database_url: str) -> None:
    queries = [(title, target["rawSql"]) for title, target in targets("grafana-postgresql-datasource")]
    queries += [("account", one["query"]) for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    engine = connect(database_url)
    try:
        with engine.connect() as connection:
            for title, query in queries:
                # What Grafana itself puts in.
                plain = re.sub(r"\$__timeFilter\(([^)]*)\)", r"\1 BETWEEN now() - interval '30 days' AND now()", query)
                plain = plain.replace("$account", "paper")
                assert "$" not in plain, title
                connection.execute(text(plain.replace(":", r"\:")))
    finally:
        engine.dispose()


def test_a_scrape_tells_the_daemon_its_actors_and_its_money(scraped: dict[str, Metric]) -> None:
    def value(name: str) -> float:
        return float(scraped[name].samples[0].value)

    assert (value("atlas_database_up"), value("atlas_up"), value("atlas_feed_up")) == (1, 1, 1)
    assert value("atlas_open_positions") == 2
    assert value("atlas_cash_usd") > 0
    assert (value("atlas_trades"), value("atlas_commits"), value("atlas_spool_bytes")) == (4, 3, 0)
    actors = {sample.labels["actor"]: sample.value for sample in scraped["atlas_actor_up"].samples}
    assert (actors["feed"], actors["scanner:SLP-20DEC30-CDE"]) == (1, 0)
    assert {sample.labels["source"] for sample in scraped["atlas_halted"].samples} == {"person"}


def test_a_scrape_without_a_database_says_so_and_nothing_else() -> None:
    panel = make_panel("postgresql://nobody@127.0.0.1:1/nothing")
    try:
        answer = panel.test_client().get("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert {name: family.samples[0].value for name, family in families.items()} == {"atlas_database_up": 0}
    finally:
        dispose(panel)
