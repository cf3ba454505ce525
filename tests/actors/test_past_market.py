"""The core over files of the past."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.messages import BarClosed, EventBatch, PositionClosed, encode
from actors.past_market import Past, PastMarket
from actors.roles import Decider
from atlas.errors import UsageError
from atlas.market.candle_file import CandleFile, read_candles
from atlas.market.path import PathRules
from atlas.market.products import built_in
from atlas.rules import GateRules, Rules, StratRules
from tests.past_candles import DAY, written

BIP, ETP = "BIP-20DEC30-CDE", "ETP-20DEC30-CDE"
START = datetime.fromtimestamp(DAY, UTC)
RULES = Rules(
    strat=StratRules(timeframes=("15m",)), gates=GateRules(off=("magnitude", "reward_risk", "continuity", "fees"))
)


def market(files: Sequence[CandleFile], **stretch: Any) -> PastMarket:
    names = (BIP, ETP)[: len(files)]
    past = [Past(built_in(name, tick=file.tick), file) for name, file in zip(names, files, strict=True)]
    return PastMarket(Decider(RULES, names, "1"), past, **stretch)


def told(batches: Sequence[EventBatch]) -> list[bytes]:
    return [encode(event) for batch in batches for event in batch.events]


@pytest.fixture(scope="module")
def bitcoin(tmp_path_factory: pytest.TempPathFactory) -> CandleFile:
    return read_candles(written(tmp_path_factory.mktemp("btc"), seed=5, days=1))


def test_the_same_files_give_the_same_events_to_the_byte(bitcoin: CandleFile) -> None:
    once = told(list(market([bitcoin]).events()))
    assert once == told(list(market([bitcoin]).events()))
    assert len(once) > 100


@pytest.mark.parametrize("minutes", [607, 900, 1201])
def test_cutting_the_data_changes_nothing_before_the_cut(bitcoin: CandleFile, minutes: int) -> None:
    cut = START + timedelta(minutes=minutes)
    whole = [batch for batch in market([bitcoin]).events() if batch.at is not None and batch.at < cut]
    short = market([bitcoin.rows(DAY, int(cut.timestamp()))], end=cut)
    assert [b for b in short.events() if b.at is not None and b.at < cut] == whole
    assert any(isinstance(event, PositionClosed) for batch in whole for event in batch.events)


def test_bars_before_the_start_are_known_at_the_start(bitcoin: CandleFile) -> None:
    """Started in mid-file it knows the bars it would have built: those it closes later are the same."""
    later = START + timedelta(hours=6, minutes=7)
    bars = {
        (event.bar.timeframe, event.bar.open_time): event
        for batch in market([bitcoin]).events() for event in batch.events if isinstance(event, BarClosed)
    }  # fmt: skip
    again = [e for b in market([bitcoin], start=later).events() for e in b.events if isinstance(e, BarClosed)]
    fresh = [event for event in again if event.bar.open_time >= later - timedelta(minutes=7)]
    assert len(fresh) > 60
    for event in fresh:
        ours, theirs = event, bars[event.bar.timeframe, event.bar.open_time]
        assert (ours.bar, ours.type) == (theirs.bar, theirs.type)


def test_two_products_are_played_by_time_and_disturb_each_other_in_nothing(
    bitcoin: CandleFile, tmp_path: Path
) -> None:
    other = read_candles(written(tmp_path, seed=9, days=1, name="made_ETH_1m_x.csv"))
    both = [event for batch in market([bitcoin, other]).events() for event in batch.events]
    alone = [event for batch in market([bitcoin]).events() for event in batch.events]
    bars = [event for event in both if isinstance(event, BarClosed)]
    assert [event for event in bars if event.symbol == BIP] == [e for e in alone if isinstance(e, BarClosed)]
    assert {event.symbol for event in bars} == {BIP, ETP}
    closes = [event.bar.close_time for event in bars if event.bar.timeframe == "15m"]
    assert closes == sorted(closes)


def test_a_stretch_without_anything_of_a_file_is_refused(bitcoin: CandleFile) -> None:
    with pytest.raises(UsageError, match="it runs from 2026-03-04 00:00 to 2026-03-05 00:00"):
        market([bitcoin], start=START + timedelta(days=3), end=START + timedelta(days=4))
    with pytest.raises(UsageError, match="is not before"):
        market([bitcoin], start=START + timedelta(days=3))


def test_candles_are_guesses_unless_their_path_is_trusted(tmp_path: Path) -> None:
    """Candles as long as the bars that are traded: stop and target are often in one."""
    minutes = written(tmp_path, seed=3, days=8).read_text().splitlines()
    path = tmp_path / "made_BTC_15m_x.csv"
    path.write_text("\n".join([minutes[0], *(_quarter(minutes[at : at + 15]) for at in range(1, len(minutes), 15))]))
    file = read_candles(path)
    closed = {
        trusted: [e.position for b in market([file], path=PathRules(trusted=trusted)).events() for e in b.events
                  if isinstance(e, PositionClosed)]
        for trusted in (False, True)
    }  # fmt: skip
    doubtful = [position for position in closed[False] if position.ambiguous]
    assert doubtful
    assert {position.exit_reason for position in doubtful} <= {"stop", "liquidated"}
    assert not any(position.ambiguous for position in closed[True])
    assert not any(position.filled_while_down for position in closed[False])


def _quarter(rows: Sequence[str]) -> str:
    """Return the candle of a quarter of an hour."""
    columns = [[float(value) for value in row.split(",")] for row in rows]
    first, last = columns[0], columns[-1]
    high, low = max(row[2] for row in columns), min(row[3] for row in columns)
    return f"{int(first[0])},{first[1]},{high},{low},{last[4]},{int(sum(row[5] for row in columns))}"
