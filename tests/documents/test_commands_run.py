"""Commands the documents show are run as they stand there, on a small account; what runs long names the test that does.

A command that is in neither table fails, with what to do.
"""

import os
import sys
from collections.abc import Callable

import click
import pytest

from atlas.cli import main
from atlas.exchange.local import LocalExchange
from db.engine import connect
from db.lock import AccountLock
from db.writer import Writer
from tests.cli.command import OURS, Commands, Ended
from tests.cli.conftest import settled
from tests.db.audited import lively, store
from tests.db.conftest import HOLDER
from tests.documents.test_commands import ATLAS, parsed
from tests.documents.written import CHECKOUT, filled
from tests.past_candles import written

RUN: dict[str, tuple[int, str]] = {
    "atlas --help": (0, "Commands:"),
    "atlas alerts test": (78, "DISCORD_WEBHOOK_URL"),
    "atlas audit": (0, "differences none"),
    "atlas audit --json": (0, '"differences": []'),
    "atlas backtest --data FILE --product ID --set strat.families=NAME": (0, "trades"),
    "atlas data …": (0, "import"),
    "atlas db …": (0, "restore"),
    "atlas db psql -c SELECT pid, state, query FROM pg_stat_activity": (0, "pg_stat_activity"),
    "atlas db psql -c TABLE leases": (0, "(0 rows)"),
    "atlas db upgrade": (0, "up to date"),
    "atlas db views --markdown": (0, "## v_trades"),
    "atlas doctor --completeness": (0, "BIP-20DEC30-CDE"),
    "atlas doctor --config /etc/atlas/atlas.toml": (0, "exchange"),
    "atlas doctor --dead-letters": (0, "0 dead letters"),
    "atlas label FILE": (0, "2U"),
    "atlas positions": (0, "liquidation"),
    "atlas report": (0, "profit factor"),
    "atlas report --by SECTION": (0, "by setup"),
    "atlas report --csv": (0, "exit_reason"),
    "atlas report --from 2026-11-01": (0, "trades"),
    "atlas report --from TIME": (0, "trades"),
    "atlas report --funnel": (0, "triggers"),
    "atlas report --funnel --csv": (0, "triggers"),
    "atlas report --funnel --json": (0, '"triggers"'),
    "atlas report --html PAGE": (0, "PAGE"),
    "atlas report --json": (0, '"funnel"'),
    "atlas report --ledger": (0, "deposit"),
    "atlas report --ledger --csv": (0, "deposit"),
    "atlas report --ledger --json": (0, '"unbalanced": []'),
    "atlas report --to TIME": (0, "trades"),
    "atlas scan --label hammer,failed-2": (0, ""),
    "atlas setups FILE": (0, "trigger"),
    "atlas status": (69, "paper"),
    "atlas web token NAME": (0, ""),
}
"""Command → exit code and a part of what it says; no daemon runs here, and there is no webhook."""

ELSEWHERE = {
    "atlas alerts failed UNIT": "cli/test_alerts.py",
    "atlas close ID": "cli/test_running_daemon.py",
    "atlas db restore /var/lib/atlas/backups/atlas-20261122T021500Z.dump": "deploy/test_backup_drill.py",
    "atlas db restore /var/lib/atlas/backups/before-<release>.dump": "deploy/test_backup_drill.py",
    "atlas exchange serve --faults FILE": "exchange/local/test_fault_script.py",
    "atlas replay --compare": "e2e/test_whole.py",
    "atlas replay --recording --json": "cli/test_replay_recording.py",
    "atlas replay --trust-path": "cli/test_replay_past.py",
    "atlas resume --reason …": "cli/test_running_daemon.py",
    "atlas sweep GRID.toml": "sweep/test_sweep_command.py",
    "atlas sweep GRID.toml --fresh": "sweep/test_sweep_command.py",
    "atlas sweep GRID.toml --json OUT": "sweep/test_sweep_command.py",
    "atlas sweep GRID.toml --scheduler tcp://host:port": "sweep/test_sweep_command.py",
    "atlas sweep GRID.toml --workers N": "sweep/test_sweep_command.py",
    "atlas web set-password --config /etc/atlas/atlas.toml": "cli/test_web.py",
    "scripts/demo --data candles.csv.gz --product BIP-20DEC30-CDE --from 2020-03-12 --to 2020-03-13 "
    "--timeframes 15m,1h,4h,1d": "e2e/test_whole.py",
    "scripts/demo --seconds 60": "e2e/test_alerts.py",
}
"""Command that needs a running daemon, a file of its own or minutes → the test that runs it."""


@pytest.fixture(scope="module")
def atlas(
    tmp_path_factory: pytest.TempPathFactory, live_exchange: LocalExchange, new_database: Callable[..., str]
) -> Commands:
    """Return what runs commands over an account that traded for a few hours, beside a file of a day's candles."""
    url = new_database()
    engine = connect(url)
    held = AccountLock(url, "paper", HOLDER)
    held.acquire()
    store(Writer(engine, "paper", held.fence), lively(steps=250))
    held.release()
    engine.dispose()
    commands = settled(tmp_path_factory.mktemp("documents"), live_exchange, url)
    written(commands.place, seed=3, days=1, name="FILE")
    return commands


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the commands that can be typed as they stand: a block's, and one of the text that has arguments."""
    found, place = {}, tmp_path_factory.mktemp("typed")
    for command in ATLAS:
        for words in command.expanded():
            whole = filled(words, place)
            try:
                path = parsed(whole)
            except click.UsageError:
                continue
            if command.in_block or len(whole) > len(path.split()):
                found[" ".join(words)] = whole
    return found


def test_every_command_is_run_here_or_by_a_test_that_is_named(typed: dict[str, list[str]]) -> None:
    found = typed.keys()
    new = sorted(found - RUN.keys() - ELSEWHERE.keys())
    assert new == [], "put each into RUN with what it says, or into ELSEWHERE with the test that runs it"
    gone = sorted((RUN.keys() | ELSEWHERE.keys()) - found)
    assert gone == [], "no document shows these any more: take them out of the tables"
    for command, test in ELSEWHERE.items():
        word = command.split()[1].replace("--seconds", "demo").replace("--data", "demo")
        assert word in (CHECKOUT / "tests" / test).read_text(), f"{test} does not run {command}"


@pytest.mark.parametrize("command", RUN)
def test_it_does_what_it_is_shown_for(
    command: str,
    atlas: Commands,
    typed: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = RUN[command]
    words, another = typed[command], "psql" in command
    ended = atlas(*words[1:]) if another else run_here(atlas, words, monkeypatch, capsys)
    assert (ended.code, "Traceback" in ended.err) == (code, False), ended.err
    assert said in ended.out + ended.err


def run_here(
    atlas: Commands, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ended:
    """Run a command in this process, which has imported all it needs: thirty processes would import it thirty times."""
    monkeypatch.chdir(atlas.place)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name in ("ATLAS_DATABASE_URL", "ATLAS_DATA_DIR", "HOME"):
        monkeypatch.setenv(name, atlas.environ[name])
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return Ended(int(ended.value.code or 0), told.out, told.err)
