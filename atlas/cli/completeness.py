"""`atlas doctor --completeness`: what is known of each product's bars, stretch by stretch, and the line doctor has."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from atlas.cli.findings import Finding, ok, warning
from atlas.cli.options import Choice
from atlas.cli.output import clock, print_json, print_table
from atlas.market.completeness import TRADABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.repositories.completeness import OpenHole, Tally

DAYS = 7
"""How far back from the newest bar the list goes; doctor's own line counts the last day."""


def show(choice: Choice, *, as_json: bool) -> None:
    """Print the ledger of the last days. Starts nothing. Raises DatabaseError."""
    from db.engine import connect, session
    from db.repositories.completeness import ledgers, open_holes

    engine = connect(choice.running_url())
    try:
        with session(engine) as connection:
            found, holes = ledgers(connection, timedelta(days=DAYS)), open_holes(connection)
    finally:
        engine.dispose()
    if as_json:
        print_json({"days": DAYS, "ledgers": found, "open_holes": holes})
        return
    rows = [
        (
            ledger.symbol,
            ledger.timeframe,
            clock(stretch.begins),
            clock(stretch.ends),
            stretch.knowledge,
            str(stretch.bars),
            str(stretch.from_rest or ""),
            str(stretch.were_contradicted or ""),
        )
        for ledger in found
        for stretch in ledger.stretches
    ]
    headings = ("product", "bars of", "from (UTC)", "until (UTC)", "known as", "bars", "by REST", "were contradicted")
    print_table(headings, rows, right=(5, 6, 7))
    for hole in holes:
        click.echo(f"{hole.symbol}: {_said(hole)}")
    bars = sum(sum(ledger.bars.values()) for ledger in found)
    click.echo(f"{bars} bars in {len(rows)} stretches, {len(holes)} open holes")


def judge(connection: "Connection", account: str) -> Iterator[Finding]:
    """Yield what doctor says of the bars of the last day; nothing where none has closed."""
    from db.repositories.completeness import doubted_positions, open_holes, summed, tallies

    found, holes = tallies(connection, timedelta(days=1)), open_holes(connection)
    wrong = [_wrong(tally) for tally in found if not TRADABLE.issuperset(tally.bars)]
    wrong += [f"{hole.symbol}: {_said(hole)}" for hole in holes]
    doubted = doubted_positions(connection, account)
    if found:
        counts = ", ".join(f"{count} {kind}" for kind, count in reversed(summed(found).items()))
        told = f"of the bars of the last day {counts}"
        see = "`atlas doctor --completeness` lists them"
        if wrong:
            yield warning("completeness", f"{told}; {'; '.join(wrong)}: nothing is entered there meanwhile; {see}")
        else:
            yield ok("completeness", f"{told}; {see}")
    if doubted:
        text = f"{', '.join(doubted)} entered on a bar that the exchange contradicted: its stop goes on, look at it"
        yield warning("positions", text)


def _wrong(tally: "Tally") -> str:
    bad = ", ".join(f"{count} {kind}" for kind, count in tally.bars.items() if kind not in TRADABLE)
    return f"{tally.symbol} {tally.timeframe}: {bad}"


def _said(hole: "OpenHole") -> str:
    since = "" if hole.since is None else f" from {clock(hole.since)}"
    return f"a hole{since}, found {clock(hole.at)} UTC ({hole.reason}), is not repaired"
