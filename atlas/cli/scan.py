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
from atlas.errors import UsageError
from atlas.strat.context import Context
from atlas.strat.label_names import LABELS, label_names
from atlas.strat.setup import Side

if TYPE_CHECKING:
    from actors.messages import History, SetupsReplaced
    from atlas.config_sections import ExchangeSettings
    from atlas.exchange.rest import Rest
    from atlas.rules import Rules
    from atlas.strat.setup import Setup

Status = Literal["waiting", "triggered", "invalidated"]


class Continuity(msgspec.Struct, frozen=True):
    """The reading of one side now; `score` is like 3/4, `unknown` frames do not agree.

    `opens` is how many of the frames' opens are independent, `full` the side 1M 1w 1d 1h are all on, null if they are
    not (or full continuity is not watched).
    """

    score: str
    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    unknown: tuple[str, ...]
    opens: int | None
    full: Side | None


class Found(msgspec.Struct, frozen=True):
    """One side of one setup of the last closed bar, as of `as_of`; the order of the fields is that of the JSON.

    `price` is the last trade's, `distance` how far it is from the trigger, `distance_percent` in percent of the price.
    `status` says whether the trigger was taken, or the setup killed, since its bar closed. `labels` are the names of
    the context labels of the setup bar that hold, `context` all of them.
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
    labels: tuple[str, ...]
    context: Context


@click.command()
@shared
@click.option("--products", metavar="IDS", help="Instead of the settings' exchange.products; commas between them.")
@click.option("--timeframes", metavar="LIST", help="Instead of the settings' strat.timeframes, e.g. 15m,1h,4h,1d.")
@click.option("--label", "labels", metavar="NAMES", help=f"Only setups with all of these: {', '.join(LABELS)}.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; Decimals as strings, times ISO 8601 UTC.")
def scan(choice: Choice, products: str | None, timeframes: str | None, labels: str | None, as_json: bool) -> None:
    """Show the setups of the last closed bars of live products, nearest to their trigger first. Needs no database.

    JSON keys: id symbol timeframe setup side family setup_time valid_from valid_until trigger stop target measured
    price distance distance_percent continuity {score agree disagree unknown opens full} status as_of labels context
    {color in_force failed_two shape machine_gun lower_highs higher_lows mother_time mother_high mother_low fifty
    first_side ladder}.
    """
    wanted = _labels(labels)
    overrides: dict[str, Any] = {}
    if timeframes is not None:
        overrides["strat"] = {"timeframes": listed(timeframes)}
    chosen = choice.with_overrides(overrides)
    symbols, rules = _symbols(chosen.settings.exchange, products), chosen.settings.rules()
    with closing(chosen.rest()) as rest:
        rest.products(symbols)  # An unknown one is said before the candles of the others are loaded.
        found = [row for symbol in symbols for row in setups_now(load(rest, symbol, rules), rules)]
    rows = [row for row in found if wanted <= set(row.labels)]
    rows.sort(key=lambda row: (row.distance_percent, row.id))
    if as_json:
        print_json(rows)
    elif rows:
        _print(rows)
    else:
        such = f" labelled {', '.join(sorted(wanted))}" if wanted else ""
        click.echo(f"no setups{such} on {' '.join(rules.strat.timeframes)} of {', '.join(symbols)}")


def _symbols(exchange: "ExchangeSettings", products: str | None) -> tuple[str, ...]:
    """Return the products to scan: those named, else those the settings' products have their signals from."""
    if products is None:
        return tuple(dict.fromkeys(exchange.signal_products.get(name, name) for name in exchange.products))
    named = tuple(dict.fromkeys(listed(products)))
    if not named:
        raise UsageError(f"--products {products!r} names none: write ids with commas between them, e.g. BTC-USD")
    return named


def load(rest: "Rest", symbol: str, rules: "Rules") -> "History":
    """Return the candles the daemon's history actor would load. Raises ExchangeError, UnknownProduct, DataError."""
    from actors.history import closed_wanted, frame_bars, requests
    from actors.messages import History
    from actors.scanner import frames_needed

    wanted = closed_wanted(frames_needed(rules.strat, full=rules.alerts.full_continuity))
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

    scanner = Scanner(history.symbol, rules.strat, alerts=rules.alerts)
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
                        full = scanner.state.full.side if scanner.state.full is not None else None
                        yield _found(setup, replaced, scanner.state.last, history.as_of, state, full)


def _labels(text: str | None) -> set[str]:
    """Return the labels asked for. Raises UsageError for one there is not."""
    names = listed(text or "")
    for name in names:
        if name not in LABELS:
            raise UsageError(f"--label {name}: there is no such label; use some of {', '.join(LABELS)}")
    return set(names)


def _found(
    setup: "Setup",
    replaced: "SetupsReplaced",
    price: Decimal,
    as_of: datetime,
    status: Status,
    full: Side | None,
) -> Found:
    from atlas.money.rounding import ratio

    reading, context = replaced.continuity[setup.side], replaced.contexts[setup.side]
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
        continuity=Continuity(reading.score, reading.agree, reading.disagree, reading.unknown, reading.opens, full),
        status=status,
        as_of=as_of,
        labels=label_names(context),
        context=context,
    )


def _continuity(reading: Continuity) -> str:
    """`3/4, 2 opens, full long`."""
    opens = "" if reading.opens is None else f", {reading.opens} open{'s' * (reading.opens != 1)}"
    return reading.score + opens + (f", full {reading.full}" if reading.full else "")


def _print(rows: list[Found]) -> None:
    print_table(
        ("product", "tf", "setup", "side", "trigger", "away %", "price", "stop", "target", "continuity", "until", "",
         "labels"),
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
                _continuity(row.continuity),
                clock(row.valid_until),
                row.status,
                " ".join(row.labels),
            )
            for row in rows
        ],
        right=(4, 5, 6, 7, 8),
    )
