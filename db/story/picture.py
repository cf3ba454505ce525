"""The picture of a story: the labelled bars with trigger, stop and target, the entry and the exit."""

from datetime import datetime

from atlas.money import readable
from atlas.picture import PicturedBar, TradePicture
from db.story.story import Story, StoryBar, StoryTrade


def picture_of(story: Story) -> TradePicture | None:
    """Return what its picture shows; None where no bar is known. Prices are those of the signal's product."""
    bars = story.bars
    if not bars:
        return None
    trade = story.trade if story.trade is not None and story.trade.symbol == story.symbol else None
    ended = trade is not None and trade.exit_time is not None
    return TradePicture(
        title=f"{story.symbol} {story.timeframe} {story.name} {story.side}",
        side=story.side,
        bars=tuple(_pictured(bar) for bar in bars),
        trigger=story.trigger,
        stop=story.stop if trade is None else trade.first_stop,
        target=story.target if trade is None else trade.target,
        entry=story.price if trade is None else trade.entry_price,
        entry_bar=_place(bars, story.at),
        exit=trade.exit_price if trade is not None else None,
        exit_bar=_place(bars, trade.exit_time) if trade is not None and trade.exit_time is not None else None,
        words=_words(story),
        result=_result(story.trade) if story.trade is not None and ended else "",
        won=story.trade.money.net > 0 if story.trade is not None and ended else None,
    )


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
    return f"continuity {story.continuity[-1].score}"


def _result(trade: StoryTrade) -> str:
    r = "" if trade.money.r is None else f", {readable.r(trade.money.r)}"
    return f"{trade.exit_reason}: {readable.usd(trade.money.net, sign=True)}{r}"
