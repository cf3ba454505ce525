"""`atlas replay --recording DIR --json`: a recording of a day's inputs gives what the day's candles give."""

import json
from collections.abc import Iterator
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
from atlas.market.candle_file import read_candles
from atlas.market.products import built_in
from atlas.rules import GateRules, Rules, StratRules
from tests.cli.command import Commands
from tests.past_candles import DAY, written

PRODUCT = "BIP-20DEC30-CDE"
RULES = Rules(
    strat=StratRules(timeframes=("15m",)), gates=GateRules(off=("magnitude", "fees", "continuity", "reward_risk"))
)


class Wall:
    """A clock that shows the market's time of the input it was last told of."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(DAY, UTC)

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
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a place with a day of candles, and the recording of a core that took it trade by trade."""
    place = tmp_path_factory.mktemp("recorded")
    file = read_candles(written(place, seed=3, days=1))
    decider = Decider(RULES, (PRODUCT,), __version__)
    directory = place / "recording"
    wall = Wall()
    recorder = Recorder(directory, Codec(encode=encode, decode=decode), wall)
    recorder.start(timeout=60)
    (directory / "decider.json").write_bytes(msgspec.json.encode(decider))
    post = Post(otherwise=Nowhere())
    post.bind(JOURNAL, Sink())
    core = VirtualCore(route, post, recorder)
    for role in core_roles(decider):
        core.add(role)
    core.begin()
    for message in PastMarket(decider, [Past(built_in(PRODUCT, tick=file.tick), file)], plain=True).inputs():
        wall.look(message)
        core.run(message)
    assert core.failed is None
    core.close()
    assert recorder.stop(timeout=60)
    yield place


def played(place: Path, *more: str) -> Any:
    told = Commands(place)("replay", "--recording", "recording", *more, "--json")
    assert told.code == 0, told.err
    return json.loads(told.out)


def test_a_recording_gives_the_trades_funnel_and_equity_of_the_same_past_as_a_file(recorded: Path) -> None:
    told = played(recorded)
    off = ",".join(RULES.gates.off)
    same = Commands(recorded)(
        "replay", "--data", "made_BTC_1m_x.csv", "--product", PRODUCT, "--timeframes", "15m", "--set", f"gates.off={off}",
        "--json",
    )  # fmt: skip
    assert same.code == 0, same.err
    wanted = json.loads(same.out)
    assert len(wanted["trades"]) >= 5, "a day that trades"
    for part in ("trades", "open", "funnel", "metrics", "equity"):
        assert told[part] == wanted[part], part
    assert told["settings"]["gates"]["off"] == list(RULES.gates.off)
    assert told["kinds"]["position_opened"] == len(wanted["trades"]) + len(wanted["open"])
    assert told["events"] == sum(told["kinds"].values())


def test_to_is_the_last_moment_of_the_recording_that_is_played(recorded: Path, tmp_path: Path) -> None:
    whole, noon = played(recorded), datetime.fromtimestamp(DAY, UTC) + timedelta(hours=12)
    half = played(recorded, "--to", noon.isoformat())
    closed = [trade for trade in whole["trades"] if datetime.fromisoformat(trade["exit_time"]) <= noon]
    assert 0 < len(closed) < len(whole["trades"])
    assert half["trades"] == closed
