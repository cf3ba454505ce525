"""/metrics: the figures of the pages as Prometheus reads them, also while the database is away."""

from prometheus_client.parser import text_string_to_metric_families

from tests.web.scene import Daemon, busy_day, dispose, make_panel


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Return name and label values → value."""
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_the_figures_are_those_of_the_pages(daemon: Daemon, database_url: str) -> None:
    busy_day(daemon)
    panel = make_panel(database_url)
    client = panel.test_client()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    found = figures(answer.text)
    account = client.get("/api/v1/overview").get_json()["account"]
    assert found["atlas_equity_usd",] == float(account["equity"])
    assert found["atlas_open_risk_usd",] == float(account["open_risk"])
    assert found["atlas_open_positions",] == 2
    assert found["atlas_halted", "person"] == 1
    assert found["atlas_actor_up", "feed"] == 1
    assert found["atlas_actor_up", "scanner:SLP-20DEC30-CDE"] == 0
    assert found["atlas_verdict",] == 1
    assert found["atlas_feed_up",] == 1
    assert found["atlas_up",] == 1
    assert found["atlas_market_lag_seconds",] == 0
    assert found["atlas_database_up",] == 1
    dispose(panel)


def test_without_the_database_it_says_so() -> None:
    client = make_panel("postgresql://nobody:geheim@127.0.0.1:1/none").test_client()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert figures(answer.text)["atlas_database_up",] == 0
    assert "geheim" not in answer.text
