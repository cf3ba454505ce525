"""The system page: actors, bars, database, outbox, dead letters and the log, from a real database."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert

from actors.messages import BarClosed, BarConfirmed, BarContradicted, HoleFound
from atlas.market.bar import Bar
from db.models import DeadLetterRow, OutboxRow
from tests.web.scene import NOW, Daemon, dispose, make_panel
from web.system import LOG_LINES, log_tail


def system(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/v1/system")
    assert answer.status_code == 200
    return dict(answer.get_json())


def test_every_actor_is_shown_with_its_state_and_what_it_said_last(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    daemon.health(journal="running", feed="hung")
    actors = {actor["name"]: actor for actor in system(client)["actors"]}
    assert (actors["feed"]["state"], actors["feed"]["last_error"]) == ("hung", "it broke")
    assert actors["journal"]["last_progress"] == "2026-07-01T12:00:00Z"
    page = client.get("/system").text
    assert "feed is hung: it broke" in page


def test_outbox_and_dead_letters_are_counted_and_told(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    common = {"account": "paper", "critical": False, "payload": {}, "created_at": NOW, "next_try_at": NOW}
    with daemon.engine.begin() as connection:
        connection.execute(insert(OutboxRow).values(key="a", kind="entry", last_error="429 for 0.5 s", **common))
        connection.execute(insert(OutboxRow).values(key="b", kind="exit", status="sent", sent_at=NOW, **common))
        connection.execute(
            insert(DeadLetterRow).values(
                account="paper", at=NOW, recipient="scanner:X", sender="feed", text="Trades", reason="no such bar",
                traceback="",
            )
        )  # fmt: skip
    seen = system(client)
    assert seen["outbox"] == {
        "pending": 1, "sent": 1, "dropped": 0, "oldest": "2026-07-01T12:00:00Z", "last_error": "429 for 0.5 s"
    }  # fmt: skip
    assert [letter["reason"] for letter in seen["letters"]] == ["no such bar"]
    page = client.get("/system").text
    assert "from feed: no such bar" in page
    assert "Last failure: 429 for 0.5 s" in page


def test_the_database_tells_its_name_size_and_schema(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    database = system(client)["database"]
    assert database["bytes"] > 1_000_000
    assert database["schema"]
    assert database["events"] == 1
    assert database["connections"] >= 1


def test_the_end_of_the_daemons_own_log_is_shown(daemon: Daemon, database_url: str, tmp_path: Path) -> None:
    daemon.open_account()
    (tmp_path / "paper.log").write_text("".join(f"line {n} <b>\n" for n in range(LOG_LINES + 5)))
    panel = make_panel(database_url, logs=tmp_path)
    client = panel.test_client()
    assert system(client)["log"] == [f"line {n} <b>" for n in range(5, LOG_LINES + 5)]
    page = client.get("/system").text
    assert f"line {LOG_LINES + 4} &lt;b&gt;" in page
    dispose(panel)
    assert log_tail(tmp_path / "none.log") == []


def test_the_bars_of_the_last_day_are_shown_with_what_is_known_of_them(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.beat()
    hour, price = timedelta(hours=1), Decimal(60000)
    bars = [Bar("1h", NOW - n * hour, NOW - (n - 1) * hour, price, price, price, price, price) for n in (3, 2, 1)]
    daemon.write(*(BarClosed("BIP-20DEC30-CDE", bar, "1", True) for bar in bars))
    daemon.write(BarConfirmed("BIP-20DEC30-CDE", "1h", bars[0].open_time, bars[0].close_time, NOW))
    daemon.write(BarClosed("ETP-20DEC30-CDE", bars[2], "1", True))
    daemon.write(BarContradicted("ETP-20DEC30-CDE", NOW, bars[2], bars[2]))
    daemon.write(HoleFound("ETP-20DEC30-CDE", NOW, None, "ids 7 to 9 are missing", 1))
    seen = system(client)["completeness"]
    assert seen["bars"] == {"contradicted": 1, "verified": 2, "confirmed": 1}
    assert [(frame["symbol"], frame["bars"], frame["whole"]) for frame in seen["frames"]] == [
        ("BIP-20DEC30-CDE", {"confirmed": 1, "verified": 2}, True),
        ("ETP-20DEC30-CDE", {"contradicted": 1}, False),
    ]
    assert [(hole["symbol"], hole["reason"]) for hole in seen["open_holes"]] == [
        ("ETP-20DEC30-CDE", "ids 7 to 9 are missing")
    ]
    page = client.get("/system").text
    for words in ("Bars of the last day", "1 contradicted · 2 verified · 1 confirmed", "is not repaired: ids 7 to 9"):
        assert words in page
