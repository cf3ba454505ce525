"""`atlas explain ID`: why it did, or did not, trade: one trigger from its bars to the last cent."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, number, print_json, print_table
from atlas.errors import DataError
from atlas.money import readable

if TYPE_CHECKING:
    from decimal import Decimal

    from db.story import Story
    from db.story.story import StoryBar, StoryTrade


@click.command()
@shared
@click.argument("id_", metavar="TRADE|TRIGGER")
@click.option("--json", "as_json", is_flag=True, help="Stable keys, Decimals as strings, times ISO 8601 UTC.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture of the bars here.")
def explain(choice: Choice, id_: str, as_json: bool, png: Path | None) -> None:
    """Tell the whole story of one trade, or of a trigger that is none: bars, setup, continuity, gates, size, money.

    TRADE|TRIGGER is its id (a trade has that of its trigger), or a part of it that no other has.
    """
    from db.engine import connect, snapshot
    from db.results import opened_account
    from db.story import found, read, tell

    with choice.opened() as url:
        engine = connect(url)
        try:
            with snapshot(engine) as connection:
                opened_account(connection, choice.account)
                story = tell(read(connection, choice.account, found(connection, choice.account, id_)))
        finally:
            engine.dispose()
    if png is not None:
        _paint(story, png)
    if as_json:
        print_json(story)
    else:
        _print(story)


def _paint(story: "Story", file: Path) -> None:
    from atlas.picture import trade_png
    from db.story.picture import picture_of

    picture = picture_of(story)
    if picture is None:
        raise DataError(f"no bar of {story.id} is stored any more: there is nothing to draw; leave --png out")
    try:
        file.write_bytes(trade_png(picture))
    except OSError as error:
        raise DataError(f"--png {file}: {error.strerror}; name a file in a folder that can be written") from error


# ── the text ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _print(story: "Story") -> None:
    click.echo(story.id)
    for line in _summary(story):
        click.echo(line)
    _heading("Setup")
    for line in story.why:
        click.echo(line)
    if story.labels:
        click.echo(f"Labels of C1: {', '.join(story.labels)}.")
    _bars(story)
    _continuity(story)
    _gates(story)
    _sizing(story)
    _deeds(story)
    if story.trade is not None:
        _money(story.trade)


def _heading(text: str) -> None:
    click.echo(f"\n{text}")


def _summary(story: "Story") -> list[str]:
    lines = [
        f"{story.symbol} {story.timeframe} {story.name} {story.side}, triggered {clock(story.at)} UTC "
        f"at {readable.price(story.price)}"
    ]
    trade = story.trade
    if story.why_not is not None:
        lines.append(f"No trade: {story.why_not.gate}, {story.why_not.value} (wanted {story.why_not.threshold})")
    elif trade is None:
        lines.append("Its entry is on its way.")
    elif trade.exit_time is None:
        lines.append(f"Open: {number(trade.contracts)} from {readable.price(trade.entry_price)}")
    else:
        r = "" if trade.money.r is None else f", {readable.r(trade.money.r)}"
        lines.append(
            f"Closed by {trade.exit_reason} after {trade.seconds} s: {readable.price(trade.entry_price)} → "
            f"{readable.price(trade.exit_price or trade.entry_price)}, "
            f"net {readable.usd(trade.money.net, sign=True)}{r}"
        )
    return lines


def _bars(story: "Story") -> None:
    _heading(f"Bars, {story.timeframe} (the setup was read from those marked *)")
    _bar_table(story.bars)
    if story.executed is not None:
        there, trigger = story.executed, readable.price(story.executed.trigger)
        _heading(f"Bars of {there.symbol}, traded at {there.ratio:.4f} × the price (trigger {trigger})")
        _bar_table(story.executed.bars)


def _bar_table(bars: "tuple[StoryBar, ...]") -> None:
    print_table(
        ("opened", "type", "", "open", "high", "low", "close"),
        [
            (
                f"{clock(bar.open_time)}{f' (after {bar.skipped} more)' if bar.skipped else ''}",
                bar.type or "-",
                f"{bar.role or ''}{'*' if bar.decided else ''}",
                *(number(price) for price in (bar.open, bar.high, bar.low, bar.close)),
            )
            for bar in bars
        ],
        right=(3, 4, 5, 6),
    )


def _continuity(story: "Story") -> None:
    for reading in story.continuity:
        of = "" if reading.price is None else f" at {readable.price(reading.price)}"
        verdict = "all agree" if reading.full else f"at least {reading.needed} needed"
        _heading(f"Continuity at {reading.moment}{of}, mode {reading.mode}: {reading.score}, {verdict}")
        print_table(
            ("frame", "answer", "open"),
            [(each.frame, each.answer, number(each.open)) for each in reading.frames],
            right=(2,),
        )


def _gates(story: "Story") -> None:
    _heading("Gates")
    if not story.gates_told:
        click.echo("Only a rejection is recorded of this trigger, not the gates before it.")
    print_table(
        ("gate", "", "found", "wanted"), [(each.gate, each.outcome, each.value, each.threshold) for each in story.gates]
    )


def _sizing(story: "Story") -> None:
    if not story.sizing:
        return
    _heading("Size")
    print_table(
        ("step", "", "", "how"),
        [
            (step.name, _in_unit(step.value, step.unit), "← this one" if step.bound else "", step.how)
            for step in story.sizing
        ],
        right=(1,),
    )


def _in_unit(value: "Decimal", unit: str) -> str:
    return readable.usd(value) if unit == "usd" else readable.price(value) if unit == "price" else number(value)


def _deeds(story: "Story") -> None:
    _heading("What happened, UTC")
    print_table(
        ("at", "", "size", "price", "cash"),
        [
            (
                clock(deed.at),
                deed.text,
                "" if deed.contracts is None else number(deed.contracts),
                "" if deed.price is None else readable.price(deed.price),
                "" if deed.amount is None else readable.usd(deed.amount, sign=True),
            )
            for deed in story.deeds
        ],
        right=(2, 3, 4),
    )


def _money(trade: "StoryTrade") -> None:
    money = trade.money
    _heading("Money, USD")
    so_far = " so far" if trade.status == "open" else ""
    click.echo(
        f"net{so_far} {readable.usd(money.net, sign=True)} = {readable.usd(money.gross, sign=True)} gross "
        f"− {readable.usd(money.fees)} fees − {readable.usd(money.funding)} funding; "
        f"booked in the ledger {readable.usd(money.booked, sign=True)}; slippage in the prices "
        f"{readable.usd(money.slippage)}"
    )
    excursions = [
        f"{name} {readable.number(value)} R" for name, value in (("MAE", money.mae_r), ("MFE", money.mfe_r))
        if value is not None
    ]  # fmt: skip
    r = [] if money.r is None else [readable.r(money.r)]
    click.echo(", ".join([*r, *excursions, f"risk at entry {readable.usd(money.risk_at_entry)}"]))
    for mark in trade.marks:
        click.echo(f"Note: {mark}.")
