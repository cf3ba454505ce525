"""A replay trade by trade of the same past, which a backtest is held against."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from actors.past_market import Past, PastMarket
from actors.past_outcome import Told
from actors.roles import Decider
from atlas.backtest.engine import Played, backtest
from atlas.backtest.result import Outcome
from atlas.market.path import GUESSED, PathRules
from atlas.rules import Rules


def replayed(
    played: Sequence[Played],
    rules: Rules,
    start: datetime | None = None,
    end: datetime | None = None,
    path: PathRules = GUESSED,
    *,
    plain: bool = True,
) -> Outcome:
    """Return what a replay makes of it; `plain`: every trade is an input of its own."""
    past = [Past(one.product, one.file, one.funding) for one in played]
    names = tuple(one.product.id for one in played)
    market = PastMarket(Decider(rules, names, "1"), past, start, end, path, plain=plain)
    told = Told(rules)
    for batch in market.events():
        for event in batch.events:
            told.take(event)
    return told.outcome()


def differences(
    played: Sequence[Played],
    rules: Rules,
    start: datetime | None = None,
    end: datetime | None = None,
    path: PathRules = GUESSED,
    *,
    plain: bool = True,
) -> list[str]:
    """Return where backtest and replay differ, to the last written digit; nothing if they do not."""
    ours, theirs = backtest(played, rules, start, end, path), replayed(played, rules, start, end, path, plain=plain)
    return differing(ours, theirs)


def differing(ours: Outcome, theirs: Outcome) -> list[str]:
    """Return where a backtest and a replay that were played differ."""
    found = list[str]()
    _differ("", _written(ours), _written(theirs), found)
    return found


def _written(outcome: Outcome) -> Any:
    """Return it as its JSON tells it. The worst and the best price of what is open are told once a minute only."""
    told = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(outcome, str_keys=True)))
    for trade in told["open"]:
        del trade["mae_r"], trade["mfe_r"]
    return told


def _differ(place: str, ours: Any, theirs: Any, found: list[str]) -> None:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            _differ(f"{place}.{name}", ours[name], theirs[name], found)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            _differ(f"{place}[{number}]", one, other, found)
    elif ours != theirs:
        found.append(f"{place}: backtest {str(ours)[:200]}, replay {str(theirs)[:200]}")
