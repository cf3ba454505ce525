"""What is foreseen of all candidates at once is what a search for one of them finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from atlas.backtest.candidate import Candidate, candidates
from atlas.backtest.exits import barriers, exit_from
from atlas.backtest.frames import frames_of
from atlas.backtest.gates import PASSED, first_failed
from atlas.backtest.track import instant, track_of
from atlas.backtest.triggers import broken
from atlas.market.candle_file import CandleFile
from atlas.market.past import span
from atlas.market.path import PathRules
from atlas.market.sessions import is_open
from atlas.rules import FillRules, Rules
from tests.backtest.test_made_markets import bitcoin, markets, paths, rules


def found(file: CandleFile, rules: Rules, path: PathRules) -> list[Candidate]:
    start, end = span(file)
    track = track_of(bitcoin(file), file, start, end, path)
    needed = {frame for timeframe in rules.strat.timeframes for frame in rules.strat.continuity[timeframe][0]}
    frames = frames_of(track, {*rules.strat.timeframes, *needed}, start)
    broke = broken(track, frames, rules)
    passed = np.flatnonzero(first_failed(track, broke.triggers, frames, rules) == PASSED)
    return candidates(0, track, broke.triggers.cut(passed), frames, broke.setups, rules)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(markets(), rules(), paths, st.booleans(), st.booleans(), st.sampled_from([3, 40, 4096]))
def test_what_is_foreseen_is_what_a_search_for_one_position_finds(
    file: CandleFile, rules: Rules, path: PathRules, touch: bool, invalidated: bool, rows: int
) -> None:
    """Also where the search for all is given up after a few rows: nothing happens before the point it says."""
    exits, fills = replace(rules.exits, invalidated=invalidated), FillRules(touch=touch)
    rules = replace(rules, exits=exits, fills=fills)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atlas.backtest.foreseen._ROWS", rows)
        ones = found(file, rules, path)
    for one in ones:
        track, told, (stop, target) = one.track, one.foreseen, one.levels()
        opposite = one.opposite if invalidated else None
        levels = barriers(track, one.side, stop, None, target, opposite, one.last_row, touch=touch)
        alone = exit_from(track, one.side, levels, told.begin)
        if told.exit is None:
            assert alone == exit_from(track, one.side, levels, told.searched)
            assert alone is None or alone.point >= told.searched
        elif told.exit.reason == "invalidated" and not is_open(track.product, instant(track.time(told.exit.point))):
            assert alone is None or alone.point > told.exit.point  # a market exit waits for the session
        else:
            assert told.exit == alone
