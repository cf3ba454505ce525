"""The feed is up without a product the exchange leaves out: a position in it lives by REST, the others by the feed."""

from datetime import datetime

from actors.messages import FeedDown, FeedUp, Filled, Flatten, Gap, PositionClosed, WatchPrices
from atlas.money.book import Position
from tests.actors.positions import BOTH, SAME_SIZE, entered
from tests.actors.scene import BIP, Scene, at

ETP = BOTH[1]


def without() -> Scene:
    """A long in BIP of 12:05; the feed was lost at 12:10, and is up without BIP at 12:11."""
    scene = entered(symbols=BOTH, products=SAME_SIZE)
    scene.run(FeedDown("connection lost"))
    for symbol in BOTH:
        scene.run(Gap(symbol, at(5), "connection lost", reconnect=True))
    scene.run(FeedUp(at(11), (BIP,)))
    return scene


def watched(scene: Scene) -> list[dict[str, datetime | None]]:
    return [message.since for message in scene.sent("rest_prices", WatchPrices)]


def closed(scene: Scene) -> Position:
    return scene.one(PositionClosed).position


def test_rest_is_asked_for_what_is_held_there_until_it_is_closed() -> None:
    scene = without()
    assert [sorted(since) for since in watched(scene)] == [[BIP], [BIP]]
    scene.trade(58900, at(12), source="rest")
    assert (closed(scene).exit_reason, closed(scene).rest) == ("stop", True)
    assert watched(scene)[-1] == {}
    assert scene.undisturbed


def test_nothing_is_asked_for_once_the_feed_has_it_again() -> None:
    scene = without()
    scene.run(FeedDown("asking again"))
    scene.run(FeedUp(at(12)))
    assert watched(scene)[-1] == {}
    scene.trade(58900, at(13), source="rest")
    assert scene.events(PositionClosed) == []
    scene.trade(58900, at(14))
    assert not closed(scene).rest


def test_a_market_exit_waits_for_a_price_there_and_takes_rests() -> None:
    scene = without()
    scene.run(Flatten(by="owner", command_id=7))
    assert scene.events(PositionClosed) == []
    scene.trade(61500, at(12), source="rest")
    assert closed(scene).rest
    assert [fill.fill.rest for fill in scene.events(Filled)] == [False, True]
