"""`atlas replay --data`: the live behaviours over past market data, and what came of it as one JSON document."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from atlas.cli.options import Choice, instant, listed
from atlas.cli.output import as_json, money
from atlas.errors import UsageError

if TYPE_CHECKING:
    from actors.messages import EventBatch
    from actors.past_market import Past, PastMarket
    from atlas.money.book import Position
    from atlas.performance import DayEquity, Performance
    from db.funnel import FunnelRow
    from db.results import Trade

ACCOUNT = "replay"
"""What the account of a replay is called unless the settings say otherwise."""
AT_ONCE = 200
"""Batches a transaction holds."""


class PastOptions(msgspec.Struct, frozen=True):
    """What was asked for: files and products in the same order, and the stretch of time, UTC."""

    data: tuple[Path, ...]
    products: tuple[str, ...]
    timeframes: str | None
    tick: str | None
    from_: str | None
    to: str | None
    high_first: bool
    trust_path: bool


class Outcome(msgspec.Struct, frozen=True):
    """What came of a stretch of past market; the order of the fields is that of the JSON.

    `settings` are the rules that decided; `trades` those closed, in the order of entry; `open` what was open at the
    end; `equity` is the account's at the end of each day, begun with its deposit.
    """

    settings: dict[str, Any]
    trades: list["Trade"]
    open: list["Trade"]
    funnel: list["FunnelRow"]
    metrics: "Performance"
    equity: list["DayEquity"]


def replay_past(choice: Choice, asked: PastOptions, out: Path | None) -> None:
    """Replay, tell the result and write it as JSON to `out` (`-`: standard output)."""
    market, rules = past_market(choice, asked)
    told = Told(rules)
    batches: Iterable[EventBatch] = _with_progress(market)
    if choice.chosen_database:
        batches = _kept(choice, rules, batches)
    for batch in batches:
        for event in batch.events:
            told.take(event)
    outcome = told.outcome()
    if out is not None:
        text = as_json(outcome)
        if str(out) == "-":
            click.echo(text)
            return
        out.write_text(text + "\n", encoding="utf-8")
    _summarise(outcome, market)


def past_market(choice: Choice, asked: PastOptions) -> tuple["PastMarket", Any]:
    """Return the market and the rules it is played by. Raises UsageError, DataError, UnknownProduct."""
    from actors.past_market import PastMarket
    from actors.roles import Decider
    from atlas import __version__

    if len(asked.data) != len(asked.products):
        raise UsageError(
            f"{len(asked.data)} files and {len(asked.products)} products: give one --product for each --data, in order"
        )
    twice = [name for name, often in Counter(asked.products).items() if often > 1]
    if twice:
        raise UsageError(f"--product {twice[0]} is given twice: each product has one file")
    tree: dict[str, Any] = {"exchange": {"products": list(asked.products)}}
    if asked.timeframes:
        tree["strat"] = {"timeframes": listed(asked.timeframes)}
    chosen = choice.with_overrides(tree)
    rules = chosen.settings.rules()
    if rules.account.name == "paper":
        rules = msgspec.structs.replace(rules, account=msgspec.structs.replace(rules.account, name=ACCOUNT))
    played = [_past(path, name, asked.tick) for path, name in zip(asked.data, asked.products, strict=True)]
    start, end = instant("--from", asked.from_), instant("--to", asked.to)
    decider = Decider(rules, asked.products, __version__)
    market = PastMarket(
        decider, played, start, end, always_high_first=asked.high_first, trust_path=asked.trust_path
    )
    return market, rules


def _past(path: Path, product_id: str, tick: str | None) -> "Past":
    """Return the file as the product's: on the tick given, else on the file's where the product's own is known."""
    from actors.past_market import Past
    from atlas.market.candle_file import read_candles
    from atlas.market.number_columns import read_header
    from atlas.market.past import PastFile
    from atlas.market.products import KNOWN, built_in
    from atlas.market.trade_file import read_trades

    file: PastFile = read_trades(path) if {"price", "size"} <= set(read_header(path)) else read_candles(path)
    known = KNOWN.get(product_id)
    step = Decimal(tick) if tick else file.tick if known is not None and known.tick is not None else None
    return Past(built_in(product_id, tick=step), file)


class Told:
    """The events of a replay, as far as its result needs them."""

    def __init__(self, rules: Any) -> None:
        self._rules = rules
        self._positions: dict[str, Position] = {}
        self._closed: list[Position] = []
        self._keys: dict[str, tuple[str, str]] = {}
        self._gates: dict[tuple[str, str], Counter[str]] = {}
        self._traded: Counter[tuple[str, str]] = Counter()
        self._invalidated: Counter[tuple[str, str]] = Counter()
        self._families: dict[str, tuple[str, str]] = {}
        self._days: list[tuple[str, Decimal]] = []
        self._cash = Decimal(0)
        self._marks: dict[str, Decimal] = {}

    def take(self, event: Any) -> None:
        """Note one event."""
        from actors import messages as m

        match event:
            case m.SetupsReplaced(setups=setups, timeframe=timeframe):
                self._families |= {setup.id: (timeframe, setup.family) for setup in setups}
            case m.EntryTriggered(setup=setup):
                self._keys[setup.id] = (setup.timeframe, setup.family)
            case m.Rejected(setup_id=id_, gate=gate):
                self._gates.setdefault(self._keys[id_], Counter())[gate] += 1
            case m.Invalidated(setup_id=id_, reason="opposite_broke"):
                self._invalidated[self._families[id_]] += 1
            case m.PositionOpened(position=position):
                self._traded[self._keys[position.id]] += 1
                self._positions[position.id] = position
            case m.PositionChanged(position=position):
                self._positions[position.id] = position
            case m.PositionClosed(position=position):
                self._positions.pop(position.id, None)
                self._closed.append(position)
            case m.DayStarted(day=day, equity=equity):
                self._days.append((day, equity))
            case m.BarClosed(symbol=symbol, bar=bar):
                self._marks[symbol] = bar.close
            case m.AccountOpened(account=account) | m.Filled(account=account) | m.FundingPaid(account=account):
                self._cash = account.cash

    def outcome(self) -> Outcome:
        """Return the result."""
        from atlas.performance import measure
        from db.funnel import rows
        from db.results import trade

        equity = self._equity()
        closed = sorted(self._closed, key=lambda each: (each.entry_time, each.id))
        still = sorted(self._positions.values(), key=lambda each: (each.entry_time, each.id))
        return Outcome(
            settings=msgspec.to_builtins(self._rules, str_keys=True),
            trades=[trade(position) for position in closed],
            open=[trade(position) for position in still],
            funnel=rows(Counter(self._keys.values()), self._traded, self._gates, self._invalidated),
            metrics=measure(closed, equity[0].equity if equity else self._rules.account.starting_equity, equity),
            equity=equity,
        )

    def _equity(self) -> list["DayEquity"]:
        """Return the equity at the end of each day: what the next began with, and for the last what it is worth."""
        from datetime import date, timedelta

        from atlas.money.profit import unrealised
        from atlas.performance import DayEquity

        if not self._days:
            return []
        days = [DayEquity(date.fromisoformat(day) - timedelta(days=1), equity) for day, equity in self._days]
        held = self._positions.values()
        worth = self._cash + sum(
            (unrealised(each, self._marks.get(each.symbol, each.entry_price)) for each in held), Decimal(0)
        )
        return [*days, DayEquity(date.fromisoformat(self._days[-1][0]), worth)]


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


def _summarise(outcome: Outcome, market: "PastMarket") -> None:
    triggers = sum(row.triggers for row in outcome.funnel)
    rejections: Counter[str] = Counter()
    for row in outcome.funnel:
        rejections.update(row.rejections)
    exits = Counter(trade.exit_reason for trade in outcome.trades)
    metrics = outcome.metrics
    trades = len(outcome.trades) + len(outcome.open)
    lines: Sequence[tuple[str, str]] = (
        ("from", f"{market.start:%Y-%m-%d %H:%M} to {market.end:%Y-%m-%d %H:%M} UTC"),
        ("triggers", f"{triggers} = {trades} trades + {rejections.total()} rejections"),
        ("rejected by", ", ".join(f"{gate} {often}" for gate, often in rejections.most_common()) or "nothing"),
        ("exits", ", ".join(f"{reason} {often}" for reason, often in exits.most_common()) or "none"),
        ("net", f"{money(metrics.net_profit)} USD"),
        ("equity", f"{money(outcome.equity[-1].equity)} USD" if outcome.equity else "-"),
    )
    for name, text in lines:
        click.echo(f"{name:12} {text}")
