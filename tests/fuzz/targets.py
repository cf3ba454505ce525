"""What must stand any input: each target makes one case of its own from a seed and lets the real reader have it.

A case ends well or with an AtlasError; anything else that comes out is a finding.
"""

import copy
import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Protocol
from unittest.mock import patch
from urllib.request import urlopen

import pyarrow
import pyarrow.parquet

from actors.feed import Feed
from actors.feed_reader import Connected, FrameArrived
from actors.feed_state import FeedOptions
from atlas.backtest.sweep.grid import read_grid, walks
from atlas.cli.options import Choice
from atlas.config import default_settings
from atlas.data.column_files import check_columns, open_columns, write_columns
from atlas.data.past_file import read_past
from atlas.exchange.rest import Rest
from atlas.exchange.wire import decode_frame
from atlas.market.candle_bars import read_bars
from atlas.market.candle_file import read_candles
from atlas.market.funding_file import read_funding
from atlas.market.past import span
from tests.fakes.rest_server import Reply, Request, RestServer
from tests.fuzz.material import PRODUCTS, exchange, played_frames, recorded_frames, recorded_payloads
from tests.fuzz.mutation import ODD, Mutator, written_out

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEGINS = 1_704_067_200
CANDLES, TRADES = ["time", "open", "high", "low", "close", "volume"], ["time", "price", "size", "side"]
NUMBERS = (
    "0.00000001", "99999999999", "1e5", "1e-5", "123456789012345678", "60000.1234567890123", "1704067200000",
    "1704067200.5", "4102444799", "4102444800", "253370764800", "+1",
)  # fmt: skip
"""Numbers that are right in some column and wrong in others."""
FRESH = 500
"""Frames after which the feed begins anew."""


class Target(Protocol):
    """`case` lets the reader have one input; `shown` is that input, for whoever has to look into a finding."""

    shown: str

    def case(self, random: Random) -> None:
        """Make one case and run it. Raises what the reader raises."""


class _NoLine:
    """A socket that is never there: the feed is handed its frames by the target."""

    def open(self, connection: int) -> None: ...
    def close(self, connection: int) -> None: ...
    def taken(self, connection: int, number: int) -> None: ...
    def check(self) -> None: ...
    def shut(self) -> None: ...


class Frames:
    """The frame decoder, and the feed behind it, which takes whatever decodes."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = [json.loads(frame) for frame in frames]
        self._handed, self.shown = 0, ""
        self._feed = self._begin("wall")

    def case(self, random: Random) -> None:
        """Decode one frame, and hand it to the feed, which must tell of it and never raise."""
        raw = Mutator(random).json(random.choice(self._frames))
        self.shown = repr(raw)
        self._handed += 1
        if self._handed % FRESH == 0:
            self._feed = self._begin(random.choice(("wall", "venue")))
        wall = NOW + timedelta(seconds=self._handed % FRESH)
        connection = self._feed.state.connection
        if connection.connected is None:
            list(self._feed.receive(wall, Connected(connection.number, wall)))
        list(self._feed.receive(wall, FrameArrived(connection.number, 1, raw, wall)))
        decode_frame(raw)

    def _begin(self, clock: Any) -> Feed:
        options = FeedOptions(clock=clock)
        feed = Feed(PRODUCTS, _NoLine(), jitter=lambda: 0.5, options=options, booked=PRODUCTS, levels=5)
        list(feed.start(NOW))
        return feed


class RestPayloads:
    """The client of the REST interface: clock, listing, candles and trades, over a real socket."""

    def __init__(self, payloads: dict[str, list[Any]], server: RestServer) -> None:
        self._payloads, self._server, self.shown = payloads, server, ""
        self._all = [tree for trees in payloads.values() for tree in trees]
        self._rest = Rest(server.url, timeout=30.0, rate=1_000_000.0, wait=lambda seconds: None)

    def case(self, random: Random) -> None:
        """Ask for one thing and be answered with something else."""
        what = random.choice(sorted(self._payloads))
        tree = random.choice(self._payloads[what] if random.random() < 0.9 else self._all)
        status = random.choice((200,) * 17 + (400, 404, 503))
        kind = random.choice(("application/json", "text/html"))
        reply = Reply(status, Mutator(random).json(tree), {"Content-Type": kind})
        self.shown = f"{what}, {status}: {reply.body!r}"
        self._server.first, self._server.requests = {"*": [reply] * 3}, []
        match what:
            case "time":
                self._rest.time()
            case "product":
                self._rest.product("BIP-20DEC30-CDE")
            case "candles":
                self._rest.candles("BTC-USD", "1h", NOW, NOW + timedelta(hours=5))
            case "trades":
                self._rest.recent_trades("BTC-USD")

    def close(self) -> None:
        """Let the connection go."""
        self._rest.close()


class Configuration:
    """The loader of the settings: file, environment, systemd's credentials and the words of the command line."""

    def __init__(self, place: Path) -> None:
        self._place, self.shown = place, ""
        self._tree = json.loads(default_settings().model_dump_json())

    def case(self, random: Random) -> None:
        """Write a file and an environment, and load them as a command does."""
        mutator = Mutator(random)
        tree = {name: fields for name, fields in self._tree.items() if random.random() < 0.5}
        text = written_out(toml(mutator.tree(tree))).encode("utf-8", "surrogatepass")
        raw = mutator.bytes(text) if random.random() < 0.3 else text
        (self._place / "atlas.toml").write_bytes(raw)
        credential = random.choice((b"postgresql:///atlas", mutator.bytes(b"postgresql:///atlas")))
        (self._place / "DATABASE_URL").write_bytes(credential)
        environ = {"CREDENTIALS_DIRECTORY": str(self._place)} if random.random() < 0.3 else {}
        for _ in range(random.choice((0, 0, 1, 2))):
            environ[f"ATLAS_{self._name(mutator, '__').upper()}"] = self._word(mutator)
        sets = tuple(f"{self._name(mutator, '.')}={self._word(mutator)}" for _ in range(random.choice((0, 0, 1))))
        self.shown = f"{raw!r}, environment {environ}, credential {credential!r}, --set {sets}"
        with patch.dict(os.environ, environ):
            choice = Choice(self._place / "atlas.toml", sets)
            choice.settings.rules().fingerprint()
            assert choice.url is None or choice.url

    def _name(self, mutator: Mutator, between: str) -> str:
        section = mutator.random.choice(sorted(self._tree))
        fields = self._tree[section]
        name = f"{section}{between}{mutator.random.choice(sorted(fields))}" if isinstance(fields, dict) else section
        return _possible(str(mutator.value(name)) if mutator.random.random() < 0.1 else name).replace("=", "") or "x"

    def _word(self, mutator: Mutator) -> str:
        odd = mutator.random.random() < 0.7
        return _possible(str(mutator.random.choice(ODD)) if odd else mutator.bytes(b"[1, 2]").decode("latin-1"))


class Files:
    """The readers of the past: candles, trades, funding as CSV, gzipped too, Parquet, columns, and a sweep's grid."""

    def __init__(self, place: Path) -> None:
        self._place, self.shown = place, ""
        minutes = [(BEGINS + 60 * n, 60_000 + n % 7, 60_010, 59_990, 60_000 + n % 5, 3 + n % 11) for n in range(90)]
        candles = [[str(at), *(f"{price / 100:.2f}" for price in prices), str(size)] for at, *prices, size in minutes]
        trades = [[f"{BEGINS + n}.{n:06}", "600.01", "2", "buy" if n % 2 else "SELL"] for n in range(90)]
        funding = [[str(BEGINS + 3600 * n), f"-0.000{n}"] for n in range(9)]
        self._tables = {
            "candles": [CANDLES, *candles],
            "trades": [TRADES, *trades],
            "funding": [["time", "rate"], *funding],
        }
        (place / "whole.csv").write_bytes(_csv(self._tables["candles"]))
        write_columns(read_candles(place / "whole.csv"), place / "columns", "fuzz")
        columns = dict(zip(CANDLES, map(list, zip(*minutes, strict=True)), strict=True))
        pyarrow.parquet.write_table(pyarrow.table(columns), place / "whole.parquet")
        self._made = {
            "data": [str(place / "whole.csv")], "products": ["BIP-20DEC30-CDE"], "timeframes": ["15m"],
            "from": "2024-01-01", "settings": {"sizing": {"risk_share": 0.01}},
            "grid": {"strat": {"stop": ["structure"]}, "gates": {"min_magnitude": [0.003, 0.005]}},
            "walk_forward": {"train_days": 9, "test_days": 3},
        }  # fmt: skip

    def case(self, random: Random) -> None:
        """Write one kind of file and read it, as a backtest, `atlas label` and `atlas data verify` do."""
        mutator = Mutator(random)
        kind = random.choice((*self._tables, "gzip", "parquet", "columns", "grid"))
        getattr(self, f"_{kind}", lambda mutator: self._table(kind, mutator))(mutator)

    def _table(self, kind: str, mutator: Mutator) -> None:
        rows = copy.deepcopy(self._tables[kind])
        for _ in range(mutator.random.choice((1, 1, 1, 2))):
            row = mutator.random.choice(rows[1:])
            place = mutator.random.randrange(len(row))
            field = row[place]
            row[place] = str(mutator.random.choice((*ODD, *NUMBERS, f"{field}0", f"0{field}", f" {field}")))
        text = _csv(rows)
        path = self._written("a.csv", text if mutator.random.random() < 0.7 else mutator.bytes(text))
        if kind == "funding":
            read_funding(path)
        else:
            self._read(path)
            read_bars(path, "15m")

    def _gzip(self, mutator: Mutator) -> None:
        self._read(self._written("a.csv.gz", mutator.bytes(gzip.compress(_csv(self._tables["candles"]), mtime=0))))

    def _parquet(self, mutator: Mutator) -> None:
        self._read(self._written("a.parquet", mutator.bytes((self._place / "whole.parquet").read_bytes())))

    def _columns(self, mutator: Mutator) -> None:
        folder = self._place / "a"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._place / "columns", folder)
        path = mutator.random.choice(sorted(folder.iterdir()))
        raw = path.read_bytes()
        if path.suffix == ".json" and mutator.random.random() < 0.7:
            path.write_bytes(mutator.json(json.loads(raw)))
        else:
            path.write_bytes(mutator.bytes(raw))
        self.shown = f"{path.name} {path.read_bytes()!r}"
        span(open_columns(folder))
        check_columns(folder)

    def _grid(self, mutator: Mutator) -> None:
        text = written_out(toml(mutator.tree(self._made))).encode("utf-8", "surrogatepass")
        path = self._written("grid.toml", text if mutator.random.random() < 0.7 else mutator.bytes(text))
        walks(read_grid(path).walk_forward, NOW - timedelta(days=30), NOW)

    def _read(self, path: Path) -> None:
        span(read_past(path))

    def _written(self, name: str, raw: bytes) -> Path:
        path = self._place / name
        path.write_bytes(raw)
        self.shown = f"{name} {raw!r}"
        return path


def _csv(rows: list[list[str]]) -> bytes:
    return "".join(f"{','.join(row)}\n" for row in rows).encode("utf-8", "surrogatepass")


def _possible(text: str) -> str:
    """Return a text the operating system takes as a name or value of the environment."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:3000]


def toml(tree: Any, path: tuple[str, ...] = ()) -> str:
    """Return a tree as TOML, tables and all; what TOML has no word for is left out or comes as text."""
    if not isinstance(tree, dict):
        return f"value = {_toml_value(tree)}\n"
    plain = {key: value for key, value in tree.items() if not _is_table(value) and value is not None}
    lines = [f"{json.dumps(key)} = {_toml_value(value)}" for key, value in plain.items()]
    head = f"[{'.'.join(map(json.dumps, path))}]\n" if path else ""
    tables = [toml(value, (*path, key)) for key, value in tree.items() if _is_table(value)]
    return head + "".join(f"{line}\n" for line in lines) + "".join(tables)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _toml_value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return str(value)
        case list():
            return f"[{', '.join(_toml_value(item) for item in value if item is not None)}]"
        case dict():
            return f"{{{', '.join(f'{json.dumps(key)} = {_toml_value(item)}' for key, item in value.items())}}}"
        case None:
            return '""'
        case int():
            return str(value)
        case _:
            return json.dumps(str(value))


@contextmanager
def opened(name: str, shared: Path | None) -> Iterator[Target]:
    """Yield a target by name with its material; `shared` is the folder of recorded frames, if there is one."""
    match name:
        case "frames":
            with exchange() as local:
                frames = played_frames(local)
            yield Frames([*frames, *(recorded_frames(shared) if shared is not None else ())])
        case "rest":
            with exchange() as local:
                payloads = _payloads(local.rest_url)
            if shared is not None:
                for tree in recorded_payloads(shared):
                    kind = "trades" if "trades" in tree else "candles" if "candles" in tree else "product"
                    payloads[kind].append(tree)
            with RestServer(_unasked) as server:
                target = RestPayloads(payloads, server)
                try:
                    yield target
                finally:
                    target.close()
        case "config":
            with tempfile.TemporaryDirectory() as place, patch.dict(os.environ):
                for variable in [name for name in os.environ if name.startswith("ATLAS_")]:
                    del os.environ[variable]
                yield Configuration(Path(place))
        case "files":
            with tempfile.TemporaryDirectory() as place:
                yield Files(Path(place))
        case _:
            raise ValueError(f"{name!r} is no target: frames, rest, config or files")


def _payloads(url: str) -> dict[str, list[Any]]:
    market = f"{url}/api/v3/brokerage/market/products"
    candles = "granularity=ONE_HOUR&start=1767204000&end=1767222000"

    def of(address: str) -> Any:
        with urlopen(address, timeout=60) as answer:
            return json.load(answer)

    return {
        "time": [of(f"{url}/api/v3/brokerage/time")],
        "product": [of(f"{market}/{product}") for product in PRODUCTS],
        "candles": [of(f"{market}/{product}/candles?{candles}") for product in PRODUCTS],
        "trades": [of(f"{market}/{product}/ticker?limit=20") for product in PRODUCTS],
    }


def _unasked(request: Request) -> Reply:
    return Reply(500, f"nothing was prepared for {request.path}".encode())
