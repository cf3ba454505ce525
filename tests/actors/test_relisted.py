"""A product listed otherwise while a position in it is open: that one goes on as entered, and no other is entered."""

from decimal import Decimal as D

import pytest

from actors.messages import FundingPaid, MarketTime, PositionClosed, PositionOpened, ProductsListed, Rejected
from atlas.market.product import Product
from atlas.money.profit import profit
from tests.actors.positions import entered
from tests.actors.scene import Scene, at, product, rules_with

MANY = rules_with(position_policy="unlimited", max_total_risk=D("0.9"))


def next_trigger(scene: Scene, price: float = 60900) -> None:
    """The hour closes as a 2U from 61000 to 61600: `2D-2U-?`, taken short below its low."""
    scene.trade(61600, at(60))
    scene.trade(price, at(61))


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (product(tick=D(1)), "listing: tick 1, that of"),
        (product(contract_size=D("0.1")), "listing: contract size 0.1, that of"),
    ],
)
def test_nothing_is_entered_beside_a_position_of_another_contract(listed: Product, said: str) -> None:
    scene = entered(rules=MANY)
    held = scene.one(PositionOpened).position.id
    scene.run(ProductsListed((listed,)))
    next_trigger(scene)
    rejected = scene.one(Rejected)
    assert (rejected.gate, rejected.value) == ("halted", f"{said} {held} {'0.5' if 'tick' in said else '0.01'}")


def test_with_the_same_contract_it_is() -> None:
    scene = entered(rules=MANY)
    scene.run(ProductsListed((product(max_size=D(100)),)))
    next_trigger(scene)
    assert len(scene.events(PositionOpened)) == 2


def test_once_the_old_one_is_closed_the_new_contract_is_traded() -> None:
    scene = entered(rules=MANY)
    scene.run(ProductsListed((product(tick=D(1)),)))
    scene.trade(58900, at(30))
    assert scene.one(PositionClosed).position.exit_reason == "stop"
    scene.run(ProductsListed((product(tick=D(1)),)))
    next_trigger(scene, price=58800)
    assert not scene.events(Rejected)
    assert scene.events(PositionOpened)[-1].position.tick == D(1)
    assert scene.kit.state("paper_broker").products[scene.events(PositionOpened)[-1].position.symbol].tick == D(1)


def test_money_goes_by_the_contract_entered() -> None:
    scene = entered()
    opened = scene.one(PositionOpened).position
    scene.run(ProductsListed((product(contract_size=D("0.1"), funding_rate=D("0.0001")),)))
    scene.run(MarketTime(at(60, 1)))
    paid = scene.one(FundingPaid)
    assert paid.amount == opened.contracts * D("0.01") * D(61600) * D("0.0001")
    scene.trade(58900, at(61))
    closed = scene.one(PositionClosed).position
    assert closed.exit_price is not None
    assert closed.gross == profit("long", closed.entry_price, closed.exit_price, opened.contracts, D("0.01"))


@pytest.mark.parametrize(("minutes", "rate"), [(58, "0.0002"), (60.5, "0.0001")], ids=["before", "after the hour"])
def test_an_hours_funding_is_at_the_rate_listed_at_the_hour(minutes: float, rate: str) -> None:
    scene = entered(products=(product(funding_rate=D("0.0001")),))
    scene.trade(61600, at(57))
    scene.run(MarketTime(at(minutes)))
    scene.run(ProductsListed((product(funding_rate=D("0.0002")),)))
    scene.run(MarketTime(at(61)))
    assert scene.one(FundingPaid).rate == D(rate)
