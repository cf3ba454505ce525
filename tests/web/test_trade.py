"""The trade page: the story that `atlas explain` tells, drawn; also of a trigger that is no trade."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, is_typeddict
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from actors.messages import BarClosed, FrameBars, Judged, PositionOpened, Rejected
from atlas.market.bar import Bar
from atlas.money.book import SignalSource
from atlas.money.entry import Check
from db.story import Story
from tests.web.scene import NOW, Daemon, closed, position, triggered
from tests.web.shown_bars import BIP, tell_past
from web.described import described

D = Decimal
HOUR = timedelta(hours=1)


def told(client: FlaskClient, id_: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/trade/{quote(id_)}")
    assert answer.status_code == 200, answer.data
    return dict(json.loads(answer.data))


def hour(hours: int, high: int, low: int) -> Bar:
    """A 1h bar that closed so many hours before NOW."""
    opened = NOW - (hours + 1) * HOUR
    return Bar("1h", opened, opened + HOUR, D(low + 10), D(high), D(low), D(high - 10), D(5))


def bar(hours: int, high: int, low: int, kind: str | None, symbol: str = BIP) -> BarClosed:
    """Such a bar of a product as the scanner tells of it."""
    return BarClosed(symbol, hour(hours, high, low), kind, True)


def test_a_trade_shows_its_outcome_its_money_and_its_bars(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    opened = position()
    daemon.write(bar(3, 60100, 59400, None), bar(2, 60050, 59500, "1"), bar(1, 60300, 59900, "2U"))
    daemon.open(opened)
    daemon.end(closed(opened, "61200", "target", "120"))
    found = told(client, opened.id)
    assert found["outcome"] == "trade"
    assert found["trade"]["money"]["net"] == "108.60"
    assert [each["type"] for each in found["bars"]] == [None, "1", "2U"]
    page = client.get(f"/trades/{quote(opened.id)}").text
    for words in ("+$108.60", "<b>target</b>", "svg class=\"bars\"", "3 bars, ? 1 2U", "trigger 59,990"):
        assert words in page


def test_a_rejected_trigger_shows_why_not_and_every_gate(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    trigger = triggered(position())
    setup, at = trigger.setup, trigger.tick.time
    checks = (Check("halted", "passed", "no halt", "no halt"), Check("magnitude", "failed", "0.3 %", "≥ 0.5 %"))
    judged = Judged(
        setup.id, at, setup.symbol, D(60000), None, None, {}, D(10000), D(10000), D(10000), checks=checks
    )  # fmt: skip
    rejected = Rejected(
        setup.id, setup.symbol, setup.timeframe, setup.family, trigger.name, setup.side, at, "magnitude", "0.3 %",
        "≥ 0.5 %",
    )  # fmt: skip
    daemon.write(trigger, judged, rejected)
    found = told(client, setup.id)
    assert [each["gate"] for each in found["gates"]] == ["halted", "magnitude"]
    assert found["why_not"]["value"] == "0.3 %"
    assert (found["trade"], found["sizing"], found["gates_told"]) == (None, [], True)
    page = client.get(f"/trades/{quote(setup.id)}").text
    assert "No trade: magnitude" in page
    assert "No bar of it is stored any more" in page


@pytest.mark.parametrize("id_", ["none", "BIP", "%3Cb%3E"])
def test_an_id_that_no_trigger_has_is_not_found(daemon: Daemon, client: FlaskClient, id_: str) -> None:
    daemon.open_account()
    daemon.open(position())
    assert client.get(f"/api/v1/trade/{id_}").status_code == 404
    page = client.get(f"/trades/{id_}")
    assert page.status_code == 404
    assert "<b>" not in page.text


def test_an_open_position_counts_its_money_so_far(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    opened = position()
    daemon.open(opened)
    found = told(client, opened.id)
    assert found["trade"]["status"] == "open"
    assert found["trade"]["exit_time"] is None
    assert "Net so far" in client.get(f"/trades/{quote(opened.id)}").text


def test_the_described_type_has_exactly_the_keys_that_are_answered(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    daemon.open(position())
    made = described(Story)
    assert is_typeddict(made)
    assert set(made.__annotations__) == set(told(client, position().id))


def test_the_drawing_has_a_place_for_every_bar_and_stays_within_its_box(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    for hours in range(40, 0, -1):
        daemon.write(bar(hours, 60000 + 10 * hours, 59000, "2D"))
    daemon.open(position())
    page = client.get(f"/trades/{quote(position().id)}").text
    drawing = page[page.index("<svg class=\"bars\"") :]
    drawing = drawing[: drawing.index("</svg>")]
    width = int(re.search(r'width="(\d+)"', drawing).group(1))  # type: ignore[union-attr]  # its absence fails the test
    centres = [float(x) for x in re.findall(r'class="type" x="([\d.]+)"', drawing)]
    assert len(centres) == len(told(client, position().id)["bars"])
    assert centres == sorted(centres)
    assert 0 < centres[0] < centres[-1] < width
    heights = [float(y) for y in re.findall(r'y[12]?="([\d.]+)"', drawing)]
    assert 0 <= min(heights) <= max(heights) <= 300


def test_bars_that_closed_before_atlas_was_there_are_those_rest_told(daemon: Daemon, client: FlaskClient) -> None:
    daemon.open_account()
    tell_past(daemon, BIP, [FrameBars("1h", tuple(hour(n, 60000 + n, 59000 + n) for n in range(14, 1, -1)), None)])
    daemon.write(bar(1, 60500, 59000, None), bar(0, 60400, 59100, "1"))
    daemon.open(position())
    bars = told(client, position().id)["bars"]
    assert [each["high"] for each in bars] == [*(str(60000 + n) for n in range(9, 1, -1)), "60500", "60400"]
    assert [each["type"] for each in bars] == ["2D"] * 8 + ["3", "1"]
    assert [each["role"] for each in bars][-2:] == ["C2", "C1"]


def test_a_trade_by_another_products_signal_shows_the_bars_and_fills_of_its_own(
    daemon: Daemon, client: FlaskClient
) -> None:
    daemon.open_account()
    source = SignalSource("BTC-USD", D(50000), D("1.2"), D(49990), D(49500), D(51000), D(49500), D(59988))
    opened = position(signal=source)
    of_signal = position(symbol="BTC-USD", entry_price=D(50000))
    for hours in (3, 2, 1):
        daemon.write(bar(hours, 50100, 49400, "1", "BTC-USD"), bar(hours, 60120, 59280, "1"))
    daemon.write(triggered(of_signal), PositionOpened(opened))
    daemon.end(closed(opened, "61200", "target", "120"))
    found = told(client, opened.id)
    assert (found["symbol"], {each["high"] for each in found["bars"]}) == ("BTC-USD", {"50100"})
    assert (found["executed"]["symbol"], found["executed"]["trigger"]) == (BIP, "59988")
    assert {each["high"] for each in found["executed"]["bars"]} == {"60120"}
    page = client.get(f"/trades/{quote(opened.id)}").text
    signal, executed = (part.partition("</svg>")[0] for part in page.split('<svg class="bars"')[1:])
    assert "the trigger 50,000" in signal
    assert "exit" not in signal
    for words in ("entry 60,000", "exit 61,200", "trigger 59,988, stop 59,400, target 61,200"):
        assert words in executed
    assert "1.2000 × the price of BTC-USD" in page
