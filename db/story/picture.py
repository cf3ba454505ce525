"""The picture of a story: the labelled bars with trigger, stop and target, the entry and the exit."""

from datetime import datetime
from decimal import Decimal

import msgspec

from atlas.market.timeframes import period
from atlas.money import readable
from atlas.picture import PicturedBar, TradePicture
from db.story.story import Story, StoryBar, StoryTrade


def picture_of(story: Story, *, whole: bool = True) -> TradePicture | None:
    """Return what its picture shows; None where no bar is known.

    Prices are those of the product traded, where bars of it are known, else those of the signal's. Without `whole` it
    is the picture of the entry, also of a trade that has ended since. A bar that is not stored yet is drawn from the
    last close to the price of the entry or exit.
    """
    elsewhere = story.executed if story.executed is not None and story.executed.bars else None
    of_signal = story.executed is not None and elsewhere is None
    trade = None if of_signal else story.trade
    known, trigger = (story.bars, story.trigger) if elsewhere is None else (elsewhere.bars, elsewhere.trigger)
    if trade is not None and not whole:
        trade = msgspec.structs.replace(trade, exit_time=None, exit_price=None)
    bars = known if whole else tuple(bar for bar in known if bar.open_time <= story.at)
    if not bars:
        return None
    ended = whole and story.trade is not None and story.trade.exit_time is not None
    price = story.price if trade is None else trade.exit_price or trade.entry_price
    last = story.at if trade is None else trade.exit_time or trade.entry_time
    return TradePicture(
        title=f"{story.symbol if elsewhere is None else elsewhere.symbol} {story.timeframe} {story.name} {story.side}",
        side=story.side,
        bars=(*(_pictured(bar) for bar in bars), *_forming(story, bars[-1], last, price)),
        trigger=trigger,
        stop=story.stop if trade is None else trade.first_stop,
        target=story.target if trade is None else trade.target,
        entry=story.price if trade is None else trade.entry_price,
        entry_bar=_place(bars, story.at) + int(bars[-1].close_time <= story.at),
        exit=trade.exit_price if trade is not None else None,
        exit_bar=None
        if trade is None or trade.exit_time is None
        else _place(bars, trade.exit_time) + int(bars[-1].close_time <= trade.exit_time),
        words=_words(story),
        result=_result(story.trade) if story.trade is not None and ended else "",
        won=story.trade.money.net > 0 if story.trade is not None and ended else None,
    )


def _forming(story: Story, before: StoryBar, at: datetime, price: Decimal) -> tuple[PicturedBar, ...]:
    """The bar of a moment after the last one stored, if that is where something is to be shown."""
    if at < before.close_time:
        return ()
    opened = period(story.timeframe, at)[0]
    high, low = max(before.close, price), min(before.close, price)
    broken = story.name.split("-")[-1] if before.open_time == story.setup_time else None
    return (PicturedBar(opened, before.close, high, low, price, broken, forming=True),)


def _pictured(bar: StoryBar) -> PicturedBar:
    of_setup = bar.role is not None and bar.role != "entry"
    return PicturedBar(
        bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.type, setup=of_setup, skipped=bar.skipped
    )  # fmt: skip


def _place(bars: tuple[StoryBar, ...], at: datetime) -> int:
    """Return the place of the bar that holds an instant; where it is not known, of the last one before it."""
    return max((place for place, bar in enumerate(bars) if bar.open_time <= at), default=0)


def _words(story: Story) -> str:
    if story.why_not is not None:
        return f"rejected by {story.why_not.gate}: {story.why_not.value}"
    signal = "" if story.executed is None else f"signal of {story.symbol}, "
    return f"{signal}continuity {story.continuity[-1].score}"


def _result(trade: StoryTrade) -> str:
    r = "" if trade.money.r is None else f", {readable.r(trade.money.r)}"
    return f"{trade.exit_reason}: {readable.usd(trade.money.net, sign=True)}{r}"
