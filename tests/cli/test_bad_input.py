"""Whatever is wrong outside, a command says so in one line with value and remedy, and ends with the right exit code.

All commands are started together, and each test looks at how its own ended.
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import inspect, text

from atlas.exchange.local import LocalExchange
from db.engine import connect
from db.migrate import head
from tests.cli.command import Commands, Ended
from tests.cli.conftest import settled

NOWHERE = "http://127.0.0.1:1"
NO_DATABASE = "postgresql://me:geheim@127.0.0.1:1/nowhere"
CANDLES = "time,open,high,low,close,volume\n1767225600,100,102,99,101,5\n"
FILES = {
    "no_close.csv": "time,open,high,low,volume\n1767225600,100,102,99,5\n",
    "high_below_low.csv": CANDLES + "1767225660,100,98,99,99,5\n",
    "typo.toml": '[gates]\nmin_reward_risc = "0.5"\n',
    "section.toml": "[sizeing]\nrisk_share = 0.01\n",
    "value.toml": 'mode = "live"\n',
    "broken.toml": "[gates\n",
}


class Case(msgspec.Struct, frozen=True):
    """A command, what else is in its environment, and how it must end: its exit code and parts of its one line."""

    argv: str
    code: int
    said: tuple[str, ...]
    environ: dict[str, str] = {}


def play(file: str) -> str:
    return f"exchange serve --ws-port 0 --rest-port 0 --product BIP-20DEC30-CDE --data {file}"


CASES = {
    "unknown product": Case(
        "run --set exchange.products=BIP-20DEC30-CDE,NOPE-USD", 78, ("'NOPE-USD'", "exchange.products")
    ),
    "unknown product to scan": Case("scan --products NOPE-USD", 78, ("'NOPE-USD'", "exchange.products")),
    "unknown timeframe to scan": Case("scan --timeframes 7m", 78, ("'7m'", "15m 30m 1h")),
    "key without secret": Case(
        "run", 77, ("COINBASE_API_SECRET is not", "set both, or neither"), {"COINBASE_API_KEY": "k"}
    ),
    "key misspelt in the file": Case(
        "run --config typo.toml", 78, ("typo.toml: `gates.min_reward_risc`", "`min_reward_risk`")
    ),
    "section misspelt in the file": Case("run --config section.toml", 78, ("section.toml: `sizeing`", "`sizing`")),
    "value misspelt in the file": Case("run --config value.toml", 78, ("`mode` = 'live'", "'signals' or 'paper'")),
    "file that is no TOML": Case("web --config broken.toml", 78, ("broken.toml", "line 1")),
    "file that is not there": Case("run --config nope.toml", 78, ("nope.toml does not exist", "--config")),
    "variable misspelt": Case("run", 78, ("ATLAS_GATES_OFF", "ATLAS_GATES__OFF"), {"ATLAS_GATES_OFF": "fees"}),
    "--set misspelt": Case("run --set gates.of=fees", 78, ("`gates.of`", "`off`")),
    "--set of a wrong value": Case("status --set web.port=http", 78, ("`web.port` = 'http'", "integer")),
    "exchange out of reach": Case(f"run --set exchange.rest_url={NOWHERE}", 69, ("127.0.0.1:1", "exchange.rest_url")),
    "database out of reach": Case(
        "run", 69, ("nowhere on 127.0.0.1:1", "mend the URL"),
        {"ATLAS_DATABASE_URL": NO_DATABASE, "ATLAS_DATABASE__WAIT_SECONDS": "0"},
    ),
    "database of another make": Case(
        "status", 78, ("mysql://", "needs Postgres"), {"ATLAS_DATABASE_URL": "mysql://me@here/x"}
    ),
    "migration pending": Case(
        "run --no-upgrade", 78, ("revision none", "atlas db upgrade"), {"ATLAS_DATABASE_URL": "BARE"}
    ),
    "migration pending for a reader": Case(
        "status", 78, ("revision none", "atlas db upgrade"), {"ATLAS_DATABASE_URL": "BARE"}
    ),
    "migration unknown, from a newer version": Case(
        "run", 78, ("revision f00d", "install the newer version"), {"ATLAS_DATABASE_URL": "NEWER"}
    ),
    "account nobody opened": Case("report --account nobody", 65, ("'nobody'", "there are:")),
    "port of the exchange taken": Case(
        "exchange serve --ws-port TAKEN --rest-port 0", 69, ("127.0.0.1:TAKEN", "--ws-port")
    ),
    "port of the panel taken": Case("web --port TAKEN", 69, ("127.0.0.1:TAKEN", "--port")),
    "place for data below a file": Case(
        "demo --database x", 1, ("typo.toml/demo/x", "Not a directory"), {"ATLAS_DATA_DIR": "typo.toml/postgres"}
    ),
    "data without a column": Case(play("no_close.csv"), 65, ("no_close.csv", "close")),
    "data with the high below the low": Case(
        play("high_below_low.csv"), 65, ("high_below_low.csv, line 3", "98", "mend")
    ),
    "data that is not there": Case(play("nope.csv"), 65, ("nope.csv",)),
    "recording that is not there": Case("replay --recording nope", 2, ("nope", "--recording DIR")),
    "recording without its settings": Case("replay --recording .", 65, ("decider.json is missing",)),
}


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """Return a port that somebody holds."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def stand_ins(new_database: Callable[..., str], taken_port: int) -> dict[str, str]:
    """Return what the capitals in the cases stand for."""
    newer = new_database()
    engine = connect(newer)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'f00d'"))
    engine.dispose()
    return {"BARE": new_database(None), "NEWER": newer, "TAKEN": str(taken_port)}


class Ends:
    """How each case ends: those this run asks for are started at once, two at a time; others when asked for."""

    def __init__(self, commands: Commands, stand_ins: dict[str, str], wanted: Iterable[str], pool: Executor) -> None:
        self._commands, self._stand_ins, self._pool = commands, stand_ins, pool
        self._futures = {name: pool.submit(self._run, CASES[name]) for name in wanted}

    def of(self, name: str) -> Ended:
        """Return how a case ended."""
        if name not in self._futures:
            self._futures[name] = self._pool.submit(self._run, CASES[name])
        return self._futures[name].result()

    def _run(self, case: Case) -> Ended:
        argv = [self._stand_ins.get(word, word) for word in case.argv.split()]
        environ = {name: self._stand_ins.get(value, value) for name, value in case.environ.items()}
        return self._commands(*argv, **environ)


@pytest.fixture(scope="module")
def ends(
    tmp_path_factory: pytest.TempPathFactory,
    live_exchange: LocalExchange,
    new_database: Callable[..., str],
    stand_ins: dict[str, str],
    request: pytest.FixtureRequest,
) -> Iterator[Ends]:
    """Return how the cases end, all of them in one place and against one exchange and database."""
    place = tmp_path_factory.mktemp("bad_input")
    for name, content in FILES.items():
        (place / name).write_text(content, encoding="utf-8")
    commands = settled(place, live_exchange, new_database())
    here = [item for item in request.session.items if item.path == Path(__file__)]
    parameters = [item.callspec.params for item in here if hasattr(item, "callspec")]
    wanted = [each["name"] for each in parameters if "name" in each]
    with ThreadPoolExecutor(2) as pool:
        yield Ends(commands, stand_ins, wanted, pool)


@pytest.mark.parametrize("name", CASES)
def test_command_ends_in_one_line_and_its_exit_code(ends: Ends, stand_ins: dict[str, str], name: str) -> None:
    case, ended = CASES[name], ends.of(name)
    said = ended.said()
    for part in case.said:
        assert part.replace("TAKEN", stand_ins["TAKEN"]) in said
    assert ended.code == case.code
    assert "geheim" not in said


def test_database_of_a_newer_version_is_left_as_it_was(ends: Ends, stand_ins: dict[str, str]) -> None:
    assert ends.of("migration unknown, from a newer version").code == 78
    engine = connect(stand_ins["NEWER"])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "f00d"
        assert connection.execute(text("SELECT count(*) FROM accounts")).scalar_one() == 0
    engine.dispose()
    assert head() != "f00d"


@pytest.mark.parametrize("reader", ["migration pending", "migration pending for a reader"])
def test_database_without_tables_gets_none_unasked(ends: Ends, stand_ins: dict[str, str], reader: str) -> None:
    assert ends.of(reader).code == 78
    engine = connect(stand_ins["BARE"])
    assert inspect(engine).get_table_names() == []
    engine.dispose()
