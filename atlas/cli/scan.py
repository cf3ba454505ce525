"""`atlas scan`: the setups of live products now, by the rules and the code the daemon decides with; starts nothing."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from atlas import __version__
from atlas.cli.options import Choice, listed, shared
from atlas.cli.output import clock, number, print_json, print_table

if TYPE_CHECKING:
    from actors.messages import History, SetupsReplaced
    from atlas.exchange.rest import Rest
    from atlas.rules import Rules
    from atlas.strat.setup import Setup

Status = Literal["waiting", "triggered", "invalidated"]


class Continuity(msgspec.Struct, frozen=True):
    """The reading of one side now; `score` is like 3/4, `unknown` frames do not agree."""

    score: str
    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    unknown: tuple[str, ...]


class Found(msgspec.Struct, frozen=True):
    """One side of one setup of the last closed bar, as of `as_of`; the order of the fields is that of the JSON.

    `price` is the last trade's, `distance` how far it is from the trigger, `distance_percent` in percent of the price.
    `status` says whether the trigger was taken, or the setup killed, since its bar closed.
    """

    id: str
    symbol: str
    timeframe: str
    setup: str
    side: str
    family: str
    setup_time: datetime
    valid_from: datetime
    valid_until: datetime
    trigger: Decimal
    stop: Decimal
    target: Decimal
    measured: bool
    price: Decimal
    distance: Decimal
    distance_percent: Decimal
    continuity: Continuity
    status: Status
    as_of: datetime


@click.command()
@shared
@click.option("--products", metavar="IDS", help="Instead of the settings' exchange.products; commas between them.")
@click.option("--timeframes", metavar="LIST", help="Instead of the settings' strat.timeframes, e.g. 15m,1h,4h,1d.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; Decimals as strings, times ISO 8601 UTC.")
def scan(choice: Choice, products: str | None, timeframes: str | None, as_json: bool) -> None:
    """Show the setups of the last closed bars of live products, nearest to their trigger first. Needs no database."""
    overrides: dict[str, Any] = {}
    if products is not None:
        overrides["exchange"] = {"products": listed(products)}
    if timeframes is not None:
        overrides["strat"] = {"timeframes": listed(timeframes)}
    chosen = choice.with_overrides(overrides)
    symbols, rules = tuple(dict.fromkeys(chosen.settings.exchange.products)), chosen.settings.rules()
    with closing(chosen.rest()) as rest:
        rest.products(symbols)  # An unknown one is said before the candles of the others are loaded.
        rows = [row for symbol in symbols for row in setups_now(load(rest, symbol, rules), rules)]
    rows.sort(key=lambda row: (row.distance_percent, row.id))
    if as_json:
        print_json(rows)
    elif rows:
        _print(rows)
    else:
        click.echo(f"no setups on {' '.join(rules.strat.timeframes)} of {', '.join(symbols)}")


def load(rest: "Rest", symbol: str, rules: "Rules") -> "History":
    """Return the candles the daemon's history actor would load. Raises ExchangeError, UnknownProduct, DataError."""
    from actors.history import closed_wanted, frame_bars, requests
    from actors.messages import History
    from actors.scanner import frames_needed

    wanted = closed_wanted(frames_needed(rules.strat))
    as_of = rest.time()  # Before the candles: every trade up to it is then in them.
    fetched: dict[str, list[Any]] = {}
    for granularity, first, last in requests(wanted, as_of):
        fetched.setdefault(granularity, []).extend(rest.candles(symbol, granularity, first, last))
    frames = tuple(frame_bars(timeframe, closed, fetched, as_of) for timeframe, closed in wanted.items())
    return History(symbol, as_of, frames, "scan")


def setups_now(history: "History", rules: "Rules") -> Iterator[Found]:
    """Yield every setup alive at the history's time: what a scanner and an entry monitor starting there make of it."""
    from actors.entry_monitor import EntryMonitor
    from actors.messages import SetupsReplaced, Snapshot
    from actors.runtime.behaviour import Send
    from actors.scanner import Scanner

    scanner = Scanner(history.symbol, rules.strat)
    monitor = EntryMonitor(rules.fingerprint(), __version__)
    effects = [
        *scanner.receive(history.as_of, history),
        *scanner.receive(history.as_of, Snapshot(history.symbol, history.as_of, None)),
    ]
    for effect in effects:
        match effect:
            case Send(to="entry_monitor", message=SetupsReplaced() as replaced) if scanner.state.last is not None:
                list(monitor.receive(history.as_of, replaced))
                waiting = monitor.state.waiting[replaced.symbol][replaced.timeframe]
                status: dict[str, Status] = dict.fromkeys(monitor.state.measuring, "triggered")
                status |= dict.fromkeys((one.setup.id for one in waiting), "waiting")
                for setup in replaced.setups:
                    if setup.valid_from <= history.as_of < setup.valid_until:
                        state: Status = status.get(setup.id, "invalidated")
                        yield _found(setup, replaced, scanner.state.last, history.as_of, state)


def _found(setup: "Setup", replaced: "SetupsReplaced", price: Decimal, as_of: datetime, status: Status) -> Found:
    from atlas.money.rounding import ratio

    reading = replaced.continuity[setup.side]
    distance = abs(setup.trigger - price)
    return Found(
        id=setup.id,
        symbol=setup.symbol,
        timeframe=setup.timeframe,
        setup=setup.name,
        side=setup.side,
        family=setup.family,
        setup_time=setup.setup_time,
        valid_from=setup.valid_from,
        valid_until=setup.valid_until,
        trigger=setup.trigger,
        stop=setup.stop,
        target=setup.target,
        measured=setup.measured,
        price=price,
        distance=distance,
        distance_percent=ratio(distance / price * 100),
        continuity=Continuity(reading.score, reading.agree, reading.disagree, reading.unknown),
        status=status,
        as_of=as_of,
    )


def _print(rows: list[Found]) -> None:
    print_table(
        ("product", "tf", "setup", "side", "trigger", "away %", "price", "stop", "target", "continuity", "until", ""),
        [
            (
                row.symbol,
                row.timeframe,
                row.setup,
                row.side,
                number(row.trigger),
                f"{row.distance_percent:.3f}",
                number(row.price),
                number(row.stop),
                number(row.target) + (" measured" if row.measured else ""),
                row.continuity.score,
                clock(row.valid_until),
                row.status,
            )
            for row in rows
        ],
        right=(4, 5, 6, 7, 8),
    )
