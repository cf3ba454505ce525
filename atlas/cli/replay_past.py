"""`atlas replay --data`: the live behaviours over past market data, and what came of it as one JSON document."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from atlas.cli.options import Choice
from atlas.cli.output import as_json, money
from atlas.cli.past import Asked, PastOptions, asked
from atlas.errors import UsageError

if TYPE_CHECKING:
    from actors.messages import EventBatch
    from actors.past_market import PastMarket
    from atlas.backtest.result import Outcome

AT_ONCE = 200
"""Batches a transaction holds."""


def replay_past(choice: Choice, options: PastOptions, out: Path | None) -> None:
    """Replay, tell the result and write it as JSON to `out` (`-`: standard output)."""
    from actors.past_outcome import Told

    played = asked(choice, options)
    market = past_market(played, kept=bool(choice.chosen_database))
    told = Told(played.rules)
    batches: Iterable[EventBatch] = _with_progress(market)
    if choice.chosen_database:
        batches = _kept(choice, played.rules, batches)
    with rare_collections():
        for batch in batches:
            for event in batch.events:
                told.take(event)
    tell(told.outcome(), market.start, market.end, out)


def tell(outcome: "Outcome", start: datetime, end: datetime, out: Path | None) -> None:
    """Say what came of a stretch in a few lines, and write it as JSON to `out` (`-`: only that, to standard output)."""
    if out is not None:
        text = as_json(outcome)
        if str(out) == "-":
            click.echo(text)
            return
        out.write_text(text + "\n", encoding="utf-8")
    _summarise(outcome, start, end)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles seldom: a replay makes millions of small objects and none, and looking costs a third of it."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def past_market(past: Asked, *, kept: bool) -> "PastMarket":
    """Return the market that was asked for; unless its events are `kept` nobody hears of alerts, so there are none.

    Raises UsageError, DataError.
    """
    from actors.past_market import Past, PastMarket
    from actors.roles import Decider
    from atlas import __version__
    from atlas.rules import AlertRules

    rules = past.rules if kept else msgspec.structs.replace(past.rules, alerts=AlertRules(full_continuity=False))
    played = [Past(*each) for each in zip(past.products, past.files, past.funding, strict=True)]
    return PastMarket(Decider(rules, past.names, __version__), played, past.start, past.end, past.path, records=kept)


def _with_progress(market: "PastMarket") -> Iterator["EventBatch"]:
    """Yield the batches, with a bar on a terminal that shows how far market time has come."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    total = (market.end - market.start).total_seconds()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("replay", total=total)
        for batch in market.events():
            if batch.at is not None:
                progress.update(task, completed=(batch.at - market.start).total_seconds())
            yield batch


def _kept(choice: Choice, rules: Any, batches: Iterable["EventBatch"]) -> Iterator["EventBatch"]:
    """Write every batch to the database besides, as the journal would. Raises UsageError for an account in use."""
    import os
    import socket

    from atlas import __version__
    from db.batch import batch_of
    from db.engine import connect, session
    from db.lock import AccountLock, Holder
    from db.rebuild import account
    from db.writer import Writer

    name = rules.account.name
    with choice.opened(create=True) as url:
        engine = connect(url)
        lock = AccountLock(url, name, Holder(socket.gethostname(), os.getpid(), __version__, "replay", "past"))
        lock.acquire()
        try:
            with session(engine) as connection:
                if account(connection, name) is not None:
                    raise UsageError(
                        f"account {name!r} in database {choice.database!r} holds results already: give another "
                        "--database or --account"
                    )
            writer, pending = Writer(engine, name, lock.fence), []
            for batch in batches:
                pending.append(batch_of(batch.events, input=batch.number, at=batch.at))
                if len(pending) == AT_ONCE:
                    writer.write(pending)
                    pending.clear()
                yield batch
            writer.write(pending)
        finally:
            lock.release()
            engine.dispose()


def _summarise(outcome: "Outcome", start: datetime, end: datetime) -> None:
    triggers = sum(row.triggers for row in outcome.funnel)
    rejections: Counter[str] = Counter()
    for row in outcome.funnel:
        rejections.update(row.rejections)
    exits = Counter(trade.exit_reason for trade in outcome.trades)
    metrics = outcome.metrics
    trades = len(outcome.trades) + len(outcome.open)
    lines: Sequence[tuple[str, str]] = (
        ("from", f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"),
        ("triggers", f"{triggers} = {trades} trades + {rejections.total()} rejections"),
        ("rejected by", ", ".join(f"{gate} {often}" for gate, often in rejections.most_common()) or "nothing"),
        ("exits", ", ".join(f"{reason} {often}" for reason, often in exits.most_common()) or "none"),
        ("net", f"{money(metrics.net_profit)} USD"),
        ("equity", f"{money(outcome.equity[-1].equity)} USD" if outcome.equity else "-"),
    )
    for name, text in lines:
        click.echo(f"{name:12} {text}")
