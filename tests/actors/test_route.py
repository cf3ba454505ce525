"""Who on the core gets what of an input, in which order."""

from decimal import Decimal

import pytest

from actors.messages import (
    Depth,
    EntryTriggered,
    FeedUp,
    FrameBars,
    Gap,
    Halt,
    History,
    HistoryFailed,
    MarketTime,
    ProductsListed,
    Snapshot,
    Traded,
    Trades,
    decode,
    encode,
)
from actors.route import route
from atlas.market.bar import Tick
from atlas.money.depth import Book
from tests.actors.scene import BIP, NOON, REVERSAL, Scene, at, bars, history, product

SCANNER = f"scanner:{BIP}"


def test_each_trade_goes_to_scanner_broker_risk_monitor_and_entry_monitor_before_the_next() -> None:
    ticks = tuple(Tick(number, at(number), Decimal(60000), Decimal(1)) for number in (1, 2))
    steps = list(route(Trades(BIP, ticks, "snapshot")))
    order = (SCANNER, "paper_broker", "risk_monitor", "entry_monitor")
    assert [(step.to, step.message) for step in steps] == [
        (name, Traded(BIP, tick, "snapshot")) for tick in ticks for name in order
    ]
    assert [step.at for step in steps] == [at(1), None, None, None, at(2), None, None, None]


@pytest.mark.parametrize(
    ("message", "to"),
    [
        (MarketTime(NOON), ["risk_monitor"]),
        (history(NOON, {}), [SCANNER, "paper_broker"]),
        (Depth(BIP, NOON, Book()), ["paper_broker"]),
        (HistoryFailed(BIP, "503"), [SCANNER]),
        (Snapshot(BIP, NOON, None), [SCANNER]),
        (Gap(BIP, None, "lost"), [SCANNER, "paper_broker"]),
        (FeedUp(NOON), ["paper_broker", "risk_monitor"]),
        (ProductsListed((product(),)), ["paper_broker", "risk_monitor", SCANNER]),
        (Halt("person", "lunch"), ["risk_monitor"]),
    ],
)
def test_every_input_reaches_whom_it_concerns(message: object, to: list[str]) -> None:
    assert [step.to for step in route(message)] == to  # type: ignore[arg-type]  # a table of all kinds


def test_what_is_no_input_is_refused() -> None:
    scene = Scene(REVERSAL)
    scene.trade(61000, at(1))
    scene.trade(61600, at(2))
    with pytest.raises(TypeError, match="EntryTriggered is no input of the core"):
        list(route(scene.one(EntryTriggered)))


def test_a_history_recorded_before_partial_frames_were_told_is_read_as_whole() -> None:
    told = History(BIP, NOON, (FrameBars("1h", bars(REVERSAL), None),))
    old = encode(told).replace(b",null,true]", b",null]")
    assert old != encode(told)
    assert decode(old) == told
