"""The forms of `atlas report`: a line of blocks, CSV, and one HTML file that needs nothing else."""

import csv
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection

from atlas.backtest.result import Trade
from atlas.cli.output import money
from atlas.cli.report import report as command
from atlas.cli.report_chart import bars, curve
from atlas.cli.report_csv import print_csv, print_groups_csv
from atlas.cli.report_html import document
from atlas.cli.sparkline import sparkline
from atlas.errors import UsageError
from atlas.performance import Performance
from db.report import Report, report
from tests.cli.command import Commands

D = Decimal
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
VOID = {"meta", "line", "rect", "polyline", "polygon"}


@pytest.fixture
def whole(lively_connection: Connection) -> Report:
    return report(lively_connection, "paper", "UTC")


class Elements(HTMLParser):
    """Every element and the text; an end that closes another than the last is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"\n{data}"


def read(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    assert elements.opened == []
    return elements


def test_a_sparkline_rises_from_the_lowest_block_to_the_highest() -> None:
    assert sparkline([D(1), D(2), D(3)]) == "▁▄█"
    assert sparkline([D(5), D(5)]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline([D(each) for each in range(500)])) == 60
    assert sparkline([D(0)] * 100 + [D(9)], width=10)[-1] == "█", "the last value is always drawn"


def test_the_html_holds_every_trade_and_sum_of_the_report(whole: Report) -> None:
    page = read(document(whole, ("timeframe", "symbol", "weekday"), AT))
    assert f"${money(whole.metrics.net_profit)}" in page.text
    shown = [
        line.lstrip("+") for line in page.text.splitlines() if re.fullmatch(r"\+?-?[\d,]+\.\d\d", line.strip())
    ]
    for trade in whole.trades:
        assert money(trade.net) in shown
    for group in whole.by["weekday"].values():
        assert money(group.net_profit) in shown
    tables = [tag for tag, _ in page.seen if tag == "table"]
    assert len(tables) == 3 + 2
    assert all(found.get("scope") == "col" for tag, found in page.seen if tag == "th")


def test_the_html_asks_for_nothing_and_runs_nothing(whole: Report) -> None:
    page = document(whole, ("timeframe",), AT)
    assert not re.search(r"https?:|url\(|@import", page)
    for tag, found in read(page).seen:
        assert tag not in ("script", "link", "iframe", "img", "object", "embed")
        assert not {"src", "href", "srcset", "style"} & set(found)
        assert not [name for name in found if name.startswith("on")]


def test_the_html_shows_a_name_as_text_whatever_it_is(whole: Report) -> None:
    from msgspec.structs import replace

    strange = replace(whole, summary=replace(whole.summary, account="<b>&me"), by={"exit": {"<i>": whole.metrics}})
    page = read(document(strange, ("exit",), AT))
    assert "ATLAS report: <b>&me" in page.text
    assert not {"b", "i"} & {tag for tag, _ in page.seen}


def test_a_curve_needs_two_days_and_stays_within_its_picture() -> None:
    assert "<svg" not in curve([(date(2026, 7, 1), D(10))])
    drawn = curve([(date(2026, 7, 1), D(10)), (date(2026, 7, 3), D(10)), (date(2026, 7, 9), D(-4))])
    (line,) = re.findall(r'<polyline class="equity" points="([^"]+)"', drawn)
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert all(64 <= x <= 628 and 10 <= y <= 196 for x, y in points)
    assert points[0][1] == points[1][1] < points[2][1]
    assert points[1][0] - points[0][0] == pytest.approx((points[2][0] - points[0][0]) / 4)


def test_bars_of_losses_go_left_and_an_even_group_has_none() -> None:
    drawn = bars([("a", D(10)), ("b", D(-5)), ("c", D(0))])
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="\d+" width="([\d.]+)"', drawn)
    (up, up_x, up_width), (down, down_x, down_width), (_, _, none) = found
    assert (up, down, float(none)) == ("up", "down", 0)
    assert float(down_width) == pytest.approx(float(up_width) / 2, abs=0.1)
    assert float(down_x) + float(down_width) == pytest.approx(float(up_x), abs=0.1)
    assert bars([]) == ""
    assert "width=\"0.0\"" in bars([("a", D(0))])


def test_csv_columns_are_the_keys_of_the_json(whole: Report, capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(Trade, whole.trades)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [tuple(row) for row in rows[:1]] == [Trade.__struct_fields__]
    assert [D(row["net"]) for row in rows] == [trade.net for trade in whole.trades]
    assert rows[0]["entry_time"].endswith("Z")
    print_groups_csv(Performance, whole.by["setup"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["group"]: D(row["net_profit"]) for row in rows} == {
        name: each.net_profit for name, each in whole.by["setup"].items()
    }
    print_csv(Trade, [])
    assert capsys.readouterr().out.strip() == ",".join(Trade.__struct_fields__), "the head alone, and not nothing"


def test_the_command_writes_the_file(lively_url: str, tmp_path: Path, whole: Report) -> None:
    wrote = Commands(tmp_path, ATLAS_DATABASE_URL=lively_url)("report", "--html", "report.html")
    assert (wrote.code, wrote.out) == (0, "wrote report.html\n"), wrote.err
    assert f"${money(whole.metrics.net_profit)}" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--csv", "--json"], "three forms"),
        (["--html", "a.html", "--funnel"], "--html is the whole report"),
        (["--csv", "--by", "side", "--by", "exit"], "not 2 times"),
    ],
)
def test_forms_that_exclude_each_other_are_refused(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(command, argv)
    assert isinstance(ended.exception, UsageError)
    assert said in str(ended.exception)
    assert list(tmp_path.iterdir()) == []
