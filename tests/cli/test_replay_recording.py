"""`atlas replay --recording DIR --json`: what was recorded of some hours gives what their candles give."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.messages import MarketTime, Trades, decode, encode
from actors.past_market import Past, PastMarket
from actors.roles import Decider, core_roles
from actors.route import route
from actors.runtime.post import JOURNAL, Post, Sink
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.virtual import VirtualCore
from atlas import __version__
from atlas.backtest.engine import Played, backtest
from atlas.cli.output import as_json
from atlas.market.candle_file import read_candles
from atlas.market.products import built_in
from atlas.rules import GateRules, Rules, StratRules
from tests.cli.command import Commands
from tests.past_candles import DAY, written

pytestmark = pytest.mark.timeout(600)

BEGINS = datetime.fromtimestamp(DAY, UTC)
HOURS = 8
RULES = Rules(
    strat=StratRules(timeframes=("15m",)), gates=GateRules(off=("magnitude", "fees", "continuity", "reward_risk"))
)


class Wall:
    """A clock that shows the market's time of the input it was last told of."""

    def __init__(self) -> None:
        self.now = BEGINS

    def __call__(self) -> datetime:
        return self.now

    def look(self, message: Any) -> None:
        if isinstance(message, Trades):
            self.now = message.ticks[-1].time
        elif isinstance(message, MarketTime):
            self.now = message.at


class Nowhere:
    """The actors outside the core."""

    def tell(self, message: Any) -> None:
        """Forget it."""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Played:
    file = read_candles(written(tmp_path_factory.mktemp("past"), seed=3, days=1)).rows(0, DAY + 3600 * HOURS)
    return Played(built_in("BIP-20DEC30-CDE", tick=file.tick), file)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, past: Played) -> Path:
    """Return a folder with the recording of a core that took those hours trade by trade."""
    found = tmp_path_factory.mktemp("recorded")
    decider, wall = Decider(RULES, (past.product.id,), __version__), Wall()
    recorder = Recorder(found / "recording", Codec(encode=encode, decode=decode), wall)
    recorder.start(timeout=60)
    (found / "recording" / "decider.json").write_bytes(msgspec.json.encode(decider))
    post = Post(otherwise=Nowhere())
    post.bind(JOURNAL, Sink())
    core = VirtualCore(route, post, recorder)
    for role in core_roles(decider):
        core.add(role)
    core.begin()
    for message in PastMarket(decider, [Past(past.product, past.file)], plain=True).inputs():
        wall.look(message)
        core.run(message)
    assert core.failed is None
    core.close()
    assert recorder.stop(timeout=60)
    return found


def played(place: Path, *more: str) -> Any:
    told = Commands(place)("replay", "--recording", "recording", *more, "--json")
    assert told.code == 0, told.err
    return json.loads(told.out)


def test_a_recording_gives_the_trades_funnel_and_equity_of_the_same_past_as_a_file(place: Path, past: Played) -> None:
    told, wanted = played(place), json.loads(as_json(backtest([past], RULES)))
    assert len(wanted["trades"]) >= 3, "hours that trade"
    for part in ("trades", "funnel", "metrics", "equity"):
        assert told[part] == wanted[part], part
    assert told["settings"]["gates"]["off"] == list(RULES.gates.off)
    assert told["kinds"]["opened"] == len(wanted["trades"]) + len(wanted["open"])
    assert told["events"] == sum(told["kinds"].values())


def test_to_is_the_last_moment_of_the_recording_that_is_played(place: Path, past: Played) -> None:
    whole, until = backtest([past], RULES), BEGINS + timedelta(hours=HOURS / 2)
    closed = [trade for trade in whole.trades if trade.exit_time is not None and trade.exit_time <= until]
    assert 0 < len(closed) < len(whole.trades)
    assert played(place, "--to", until.isoformat())["trades"] == json.loads(as_json(closed))


@pytest.mark.parametrize(
    ("damaged", "said"),
    [(b'{"rules": {', "json is damaged"), (b'{"version": "\xf3"}', "json is damaged"), (None, "json is missing")],
)
def test_a_recording_without_its_settings_is_refused(
    place: Path, tmp_path: Path, damaged: bytes | None, said: str
) -> None:
    recording = shutil.copytree(place / "recording", tmp_path / "recording")
    (recording / "decider.json").unlink()
    if damaged is not None:
        (recording / "decider.json").write_bytes(damaged)
    told = Commands(tmp_path)("replay", "--recording", "recording")
    assert told.code == 65
    assert said in told.err


def test_a_recording_whose_checkpoint_is_cut_off_is_refused(place: Path, tmp_path: Path) -> None:
    recording = shutil.copytree(place / "recording", tmp_path / "recording")
    checkpoint = next(recording.glob("*.checkpoint.zst"))
    checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    told = Commands(tmp_path)("replay", "--recording", "recording")
    assert told.code == 65
    assert "inputs have no checkpoint before them" in told.err
