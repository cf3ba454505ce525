"""`atlas exchange serve` as an operator meets it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.exchange.local.scene import PATIENCE, candle_file, wave

CHECKOUT = Path(__file__).resolve().parents[3]
FREE = ("--ws-port", "0", "--rest-port", "0")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from atlas.cli import main; main()", "exchange", "serve", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def refusal(*arguments: str) -> tuple[int, str]:
    """Run a command that must fail, and return its exit code and its one line."""
    done = run(*arguments)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert not done.stdout
    return done.returncode, lines[0]


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(candle_file(tmp_path / "a.csv", wave(5)))


def test_it_prints_its_urls_serves_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        command("--json", "--product", "BTC-USD", *FREE), cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())
        assert set(urls) == {"ws", "rest"}
        with urllib.request.urlopen(f"{urls['rest']}/local/market", timeout=PATIENCE) as reply:
            told: dict[str, Any] = json.load(reply)
        assert told["finished"] is False
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_it_ends_by_itself_after_the_end_when_asked_to(data: str) -> None:
    arguments = ("--data", data, "--product", "BIP-20DEC30-CDE", "--speed", "100000", "--exit-at-end", "--json", *FREE)
    with subprocess.Popen(command(*arguments), cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())
        client = websocket.create_connection(urls["ws"], timeout=PATIENCE)
        client.send('{"type":"subscribe","channel":"market_trades","product_ids":["BIP-20DEC30-CDE"]}')
        while client.recv():
            pass
        client.shutdown()
        assert process.wait(PATIENCE) == 0


def test_a_taken_port_is_one_line_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, line = refusal("--product", "BTC-USD", "--ws-port", port, "--rest-port", "0")
        assert code == 69
        assert line.startswith(f"atlas: cannot listen on 127.0.0.1:{port}")
        assert "give another --ws-port" in line
        assert "--rest-port" in refusal("--product", "BTC-USD", "--ws-port", "0", "--rest-port", port)[1]


def test_a_missing_file_is_one_line() -> None:
    code, line = refusal("--data", "/nowhere/a.csv", "--product", "BTC-USD")
    assert (code, "/nowhere/a.csv: no such file" in line) == (65, True)


def test_a_bad_file_is_one_line_with_file_line_and_value(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("time,open,high,low,close,volume\n60,1,x,1,1,1\n")
    code, line = refusal("--data", str(path), "--product", "BTC-USD")
    assert code == 65
    assert f"{path}, line 2: high 'x' is not a number" in line


def test_an_unknown_product_is_one_line_with_those_there_are() -> None:
    code, line = refusal("--product", "NOPE-USD")
    assert code == 78
    assert "no product 'NOPE-USD'; it can list AAVE-USD" in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--data", "DATA"), "1 --data but 0 --product"),
        (("--data", "DATA", "--data", "DATA", "--product", "BTC-USD", "--product", "BTC-USD"), "names one twice"),
        (("--data", "DATA", "--product", "BTC-USD", "--from", "yesterday"), "--from 'yesterday' is no date"),
        (("--data", "DATA", "--product", "BTC-USD", "--from", "2027-01-01"), "--from 2027-01-01 00:00:00+00:00"),
        (("--data", "DATA", "--product", "BTC-USD", "--rate", "3"), "--rate means nothing with --data"),
        (("--from", "2026-01-01"), "--from means nothing with a synthetic market"),
        (("--speed", "0"), "speed 0.0 is not above 0"),
        (("--ws-port", "70000"), "ws_port 70000 is no port"),
        (("--ws-port", "9", "--rest-port", "9"), "give two different ports"),
        (("--rate", "-1"), "--rate -1.0 is not above 0"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(data: str, arguments: tuple[str, ...], complaint: str) -> None:
    code, line = refusal(*(data if argument == "DATA" else argument for argument in arguments))
    assert code == 2
    assert complaint in line
