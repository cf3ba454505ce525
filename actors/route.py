"""Who on the core gets what of an input, in which order.

Each trade goes to its scanner first, so that a bar's close is handled before the same trade is tested against setups
(invariant 2); then to the paper broker and the risk monitor, so that exits come before entries and a position is
checked from the trade after the one that opened it; then to the entry monitor.
"""

from collections.abc import Iterator

from actors.messages import (
    ClosePosition,
    Depth,
    ExchangeCandles,
    FeedDown,
    FeedUp,
    Flatten,
    Gap,
    Halt,
    History,
    HistoryFailed,
    Leased,
    MarketTime,
    Message,
    Missed,
    ProductsListed,
    Resume,
    SettlingBegun,
    SettlingEnded,
    Snapshot,
    Traded,
    Trades,
)
from actors.runtime.inputs import Step
from atlas.market.guess import walk_missed
from atlas.market.stretch import Broken, Onward, Quiet, Reached, Turn

SCANNER, BROKER, RISK, ENTRY = "scanner:", "paper_broker", "risk_monitor", "entry_monitor"


def route(message: Message | Broken | Reached | Quiet | Turn | Onward) -> Iterator[Step]:
    """Return the deliveries of one input. Raises TypeError for a message that is no input."""
    match message:
        case Trades(symbol=symbol, ticks=ticks, source="rest"):
            # What is open alone: bars and entries wait for the feed, and for the candles of what it has missed.
            for tick in ticks:
                traded = Traded(symbol, tick, "rest")
                yield Step(tick.time, BROKER, traded)
                yield Step(None, RISK, traded)
        case Trades(symbol=symbol, ticks=ticks, source=source, guess=guess):
            scanner = SCANNER + symbol
            for tick in ticks:
                traded = Traded(symbol, tick, source, guess)
                yield Step(tick.time, scanner, traded)
                yield Step(None, BROKER, traded)
                yield Step(None, RISK, traded)
                yield Step(None, ENTRY, traded)
        case Reached(symbol=symbol, before=before, tick=tick, guess=guess, booked=booked):
            if booked is not None:  # The broker's last price is this very trade's.
                yield Step(booked.tick.time, RISK, booked)
            traded = Traded(symbol, tick, guess=guess)
            yield Step(tick.time, SCANNER + symbol, traded if before is None else Turn(symbol, before, tick))
            for to in (BROKER, RISK, ENTRY):
                yield Step(None, to, traded)
        case Broken(symbol=symbol, tick=tick, guess=guess):
            yield Step(tick.time, ENTRY, Traded(symbol, tick, guess=guess))
        case Quiet(symbol=symbol, scanned=scanned, booked=booked):
            if scanned is not None:
                yield Step(scanned.tick.time, SCANNER + symbol, scanned)
            if booked is not None:
                yield Step(booked.tick.time, BROKER, booked)
                yield Step(None, RISK, booked)
        case Turn(symbol=symbol, tick=tick):
            yield Step(tick.time, SCANNER + symbol, message)
        case Onward(symbol=symbol, tick=tick, guess=guess, booked=booked):
            if booked is not None:
                yield Step(booked.tick.time, RISK, booked)
            traded = Traded(symbol, tick, guess=guess)
            for to in (BROKER, RISK, ENTRY):
                yield Step(None, to, traded)
        case Missed():
            yield from _missed(message)
        case MarketTime(at=at):
            yield Step(at, RISK, message)
        case Depth():
            yield Step(None, BROKER, message)
        case History(symbol=symbol, as_of=as_of):
            yield Step(as_of, SCANNER + symbol, message)
            yield Step(None, BROKER, message)
        case Snapshot(symbol=symbol, at=at):
            yield Step(at, SCANNER + symbol, message)
        case HistoryFailed(symbol=symbol) | ExchangeCandles(symbol=symbol):
            yield Step(None, SCANNER + symbol, message)
        case Gap(symbol=symbol):
            yield Step(None, SCANNER + symbol, message)
            yield Step(None, BROKER, message)
        case FeedUp() | FeedDown():
            yield Step(None, BROKER, message)
            yield Step(None, RISK, message)
        case ProductsListed(products=products):
            yield Step(None, BROKER, message)
            yield Step(None, RISK, message)
            for product in products:
                yield Step(None, SCANNER + product.id, ProductsListed((product,)))
        case Halt() | Resume() | Flatten() | ClosePosition() | Leased():
            yield Step(None, RISK, message)
        case _:
            raise TypeError(f"{type(message).__name__} is no input of the core")


def _missed(message: Missed) -> Iterator[Step]:
    """What was missed concerns what is open: setups that broke meanwhile are found by the scanners, as missed."""
    for to in (BROKER, RISK):
        yield Step(None, to, SettlingBegun(message.since, tuple(message.candles), message.before))
    for symbol, tick, guess in walk_missed(message.candles, message.after, message.until):
        traded = Traded(symbol, tick, "candles", guess)
        yield Step(tick.time, BROKER, traded)
        yield Step(None, RISK, traded)
    ended = SettlingEnded(message.until, message.last)
    yield Step(message.until, BROKER, ended)
    yield Step(None, RISK, ended)
