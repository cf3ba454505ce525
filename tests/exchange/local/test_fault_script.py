"""Fault scripts: what a bad one is told, what a good one means, and that the command plays it."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atlas.errors import AtlasError, UsageError
from atlas.exchange.local import Fault, Faults, read_faults
from atlas.exchange.local.fault import COMMON, KINDS, PARAMETERS, script_name
from atlas.exchange.local.products import PRODUCTS
from tests.exchange.local.scene import PATIENCE

CHECKOUT = Path(__file__).resolve().parents[3]
BTC = "BTC-USD"


def script(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text)
    return path


def read(folder: Path, text: str) -> Faults:
    return read_faults(script(folder, text), {BTC: PRODUCTS[BTC]})


def test_a_script_is_read_entry_by_entry_in_order(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [[fault]]
        at = "1.5m"
        kind = "silence"
        for = "500ms"
        [[fault]]
        after_frames = 20
        kind = "refuse_subscription"
        how = "omit"
        product = "BTC-USD"
        channel = "market_trades"
        count = 2
        [[fault]]
        kind = "clock_jump"
        at = 3
        by = "-1h"
        [[fault]]
        kind = "revised_candle"
        product = "BTC-USD"
        ticks = -5
        minute = 2026-01-01T01:00:00+01:00
        """,
    )
    assert found.faults == (
        Fault(kind="silence", at=90, lasts=0.5),
        Fault(
            kind="refuse_subscription", after_frames=20, how="omit", product=BTC, channel="market_trades", count=2,
        ),
        Fault(kind="clock_jump", at=3, by=-3600),
        Fault(kind="revised_candle", product=BTC, ticks=-5, minute=datetime(2026, 1, 1, tzinfo=UTC)),
    )  # fmt: skip


ENTRY = '[[fault]]\nkind = "reset"\n[[fault]]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = ", "is no TOML"),
        ('[[fault]]\nkind = "reset"\n[other]\nx = 1', "'other'"),
        ("fault = 3", "[[fault]]"),
        ("fault = [3]", "fault 1: 3 is no entry"),
        (ENTRY + 'at = "3s"', "fault 2: kind is None; give one of silence,"),
        (ENTRY + 'kind = "earthquake"', "fault 2: kind is 'earthquake'; give one of"),
        (ENTRY + 'kind = "reset"\nat = "soon"', "fault 2: at is 'soon'; it must be a time since"),
        (ENTRY + 'kind = "reset"\nat = "-3s"', "fault 2: at -3 s"),
        (ENTRY + 'kind = "reset"\nat = nan', "not finite"),
        (ENTRY + 'kind = "reset"\nat = true', "at is True"),
        (ENTRY + 'kind = "reset"\nat = 3\nafter_frames = 4', "both at and after_frames"),
        (ENTRY + 'kind = "reset"\nfor = "3s"', "reset takes no 'for' ('3s'); it takes at, after_frames"),
        (ENTRY + 'kind = "silence"\nfor = "0s"', "for is 0.0; it must be a time above 0"),
        (ENTRY + 'kind = "silence"\nlasts = 3', "silence takes no 'lasts'"),
        (ENTRY + 'kind = "close"\ncode = 42', "code is 42; it must be a close code from 1000 to 4999"),
        (ENTRY + 'kind = "gap"\ncount = 0', "count is 0"),
        (ENTRY + 'kind = "gap"\ncount = 1.5', "count is 1.5; it must be a whole number"),
        (ENTRY + 'kind = "gap"\nchannel = "trades"', "channel is 'trades'; it must be one of heartbeats,"),
        (ENTRY + 'kind = "gap"\nproduct = "ETH-USD"', "product is 'ETH-USD', which is not played; give one of BTC-USD"),
        (ENTRY + 'kind = "paused"', "paused needs product"),
        (ENTRY + 'kind = "clock_jump"', "clock_jump needs by: a time other than 0"),
        (ENTRY + 'kind = "fractions"\ndigits = 10', "digits is 10; it must be 0 to 9"),
        (ENTRY + 'kind = "refuse_subscription"\nhow = "loudly"', "how is 'loudly'; it must be one of no_ack, omit"),
        (ENTRY + 'kind = "refuse_subscription"\nhow = "omit"', "'omit' without a product"),
        (ENTRY + 'kind = "rest_error"\nstatus = 200', "status is 200; it must be an HTTP status from 400 to 599"),
        (ENTRY + 'kind = "rest_error"\nbody = "xml"', "body is 'xml'; it must be one of json, html, empty"),
        (ENTRY + 'kind = "rest_error"\nretry_after = -1', "retry_after is -1.0"),
        (ENTRY + 'kind = "huge"\nsize = 5', "size is 5"),
        (ENTRY + f'kind = "revised_candle"\nproduct = "{BTC}"', "revised_candle needs ticks"),
        (
            ENTRY + f'kind = "revised_candle"\nproduct = "{BTC}"\nticks = 1\nminute = 2026-01-01T00:00:00',
            "minute is datetime.datetime(2026, 1, 1, 0, 0); it must be a time with its offset",
        ),
    ],
)
def test_a_bad_script_is_told_with_file_entry_value_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AtlasError, match=re.escape(said)) as refused:
        read(tmp_path, text)
    assert str(tmp_path / "faults.toml") in str(refused.value)


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the fault script .*nothing\.toml"):
        read_faults(tmp_path / "nothing.toml", PRODUCTS)


def test_a_schedule_of_the_program_is_checked_as_a_script_is() -> None:
    with pytest.raises(UsageError, match="fault 2: reset takes no for"):
        Faults.of([Fault(kind="reset"), Fault(kind="reset", lasts=3.0)])


def test_every_kind_and_parameter_is_in_the_document() -> None:
    text = (CHECKOUT / "docs" / "faults.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert len(rows) == 1, name
        for parameter in kind.takes:
            assert f"`{script_name(parameter)}`" in rows[0], f"{name} {parameter}"
        for parameter in set(PARAMETERS) - set(kind.takes) - set(COMMON):
            assert f"`{script_name(parameter)}`" not in rows[0].rsplit("|", 2)[-2], f"{name} {parameter}"


def test_the_documents_own_script_can_be_played(tmp_path: Path) -> None:
    text = (CHECKOUT / "docs" / "faults.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    assert len(read_faults(script(tmp_path, example), PRODUCTS).faults) >= 3


def test_the_command_plays_a_script_and_tells_what_it_did(tmp_path: Path) -> None:
    faults = script(tmp_path, '[[fault]]\nkind = "rest_error"\nstatus = 500\ncount = 1\npath = "time"')
    arguments = ["--json", "--product", BTC, "--ws-port", "0", "--rest-port", "0", "--faults", str(faults)]
    with subprocess.Popen(
        [sys.executable, "-c", "from atlas.cli import main; main()", "exchange", "serve", *arguments],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["rest"]
        time_url = f"{url}/api/v3/brokerage/time"
        with pytest.raises(urllib.error.HTTPError, match="500") as refused:
            urllib.request.urlopen(time_url, timeout=PATIENCE)
        refused.value.close()
        with urllib.request.urlopen(time_url, timeout=PATIENCE) as reply:
            assert reply.status == 200
        with urllib.request.urlopen(f"{url}/local/market", timeout=PATIENCE) as reply:
            told: dict[str, Any] = json.load(reply)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert told["faults_waiting"] == 0
    (fault,) = told["faults"]
    assert fault["kind"] == "rest_error"
    assert fault["began"] <= fault["ended"] <= time.time()
