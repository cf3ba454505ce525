"""The short ways by which most trades go change nothing: every trade taken the long way gives the same."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import scanner
from actors.entry_monitor import EntryMonitor
from actors.paper_broker import PaperBroker
from actors.risk_monitor import RiskMonitor
from actors.runtime.keepsake import encoded
from actors.scanner_calm import Calm
from atlas.strat.labels import FiftyPercentRule
from tests.actors.random_market import BEFORE, RULES, markets
from tests.actors.scene import BIP, Scene, at

CORE = ("paper_broker", "risk_monitor", "entry_monitor", f"scanner:{BIP}")
FAR = Decimal("Infinity")


def played(market: list[Any]) -> list[Any]:
    """Return what the core has told and what it knows after each input."""
    scene, known = Scene(rules=RULES, closed=BEFORE), []
    for message in market:
        scene.run(message)
        known.append([encoded(scene.kit.state(name)) for name in CORE])
    return [scene.kit.batches, known]


@settings(max_examples=25, deadline=None)
@given(markets(hours=10, least=40))
def test_every_trade_taken_the_long_way_gives_the_same(market: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as long_way:
        long_way.setattr(scanner, "calm_of", lambda state, price: None)
        long_way.setattr(EntryMonitor, "_look", lambda self, symbol, frames: (FAR, -FAR))
        long_way.setattr(PaperBroker, "_traded", PaperBroker._concerned)
        long_way.setattr(RiskMonitor, "_traded", RiskMonitor._concerned)
        expected = played(market)
    assert played(market) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_scanner_of_many_small_trades_knows_the_same_without_calm(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def walked() -> list[bytes]:
        chance, price, scene, known = Random(seed), 60_000, Scene(rules=RULES, closed=BEFORE), []
        for half_minute in range(400):
            price += chance.randint(-60, 60)
            scene.trade(price, at(half_minute / 2))
            known.append(encoded(scene.kit.state(f"scanner:{BIP}")))
        return known

    short = walked()
    monkeypatch.setattr(scanner, "calm_of", lambda state, price: None)
    assert short == walked()


def test_the_short_ways_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Decimal] = []
    take = Calm.take
    monkeypatch.setattr(Calm, "take", lambda self, price, size: (taken.append(price), take(self, price, size)))
    monkeypatch.setattr(PaperBroker, "_concerned", lambda self, message: pytest.fail("nothing is open"))
    monkeypatch.setattr(RiskMonitor, "_concerned", lambda self, now, message: pytest.fail("nothing is open"))
    scene = Scene(rules=RULES, closed=BEFORE)
    for price in (60_000, 60_020, 60_010):
        scene.trade(price, at(1))
    assert taken == [Decimal(60_010)]


@given(st.lists(st.integers(90, 110), max_size=12), st.decimals(89, 111, places=1))
def test_a_trade_between_the_two_prices_of_a_path_does_not_move_it(before: list[int], price: Decimal) -> None:
    path = FiftyPercentRule(Decimal(105), Decimal(95))
    for each in before:
        path.trade(Decimal(each))
    low, high = path.unmoved
    was = path.state, path.side
    path.trade(price)
    assert (path.state, path.side) == was or not low < price < high


def test_a_path_is_unmoved_as_far_as_the_level_that_moves_it_next() -> None:
    path = FiftyPercentRule(Decimal(105), Decimal(95))
    assert path.unmoved == (95, 105)
    for price, expected in ((106, (100, FAR)), (100, (95, FAR)), (94, (-FAR, FAR))):
        path.trade(Decimal(price))
        assert path.unmoved == expected
    path = FiftyPercentRule(Decimal(105), Decimal(95))
    for price, expected in ((94, (-FAR, 100)), (100, (-FAR, 105)), (106, (-FAR, FAR))):
        path.trade(Decimal(price))
        assert path.unmoved == expected
