"""`atlas exchange serve`: the local exchange as a process of its own."""

import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from atlas.cli.options import instant
from atlas.errors import UsageError
from atlas.exchange.local import (
    DEFAULT_PRODUCTS,
    PRODUCTS,
    ExchangeOptions,
    Faults,
    LocalExchange,
    SyntheticMarket,
    default_rate,
    listed,
    read_faults,
    read_market,
)
from atlas.exchange.local.instants import from_datetime
from atlas.exchange.local.market import Market
from atlas.market.candle_file import symbol_of

EXIT_AFTER_END = 2.0
"""Wall seconds the clients have to read the last frames with `--exit-at-end`."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.group()
def exchange() -> None:
    """A local exchange that speaks Coinbase Advanced Trade on loopback."""


@exchange.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Play this CSV file of 1m candles or trades, gzipped or not. Repeat for more products.",
)
@click.option(
    "--product",
    multiple=True,
    metavar="ID",
    help="The product each --data is played as, in order; without --data the products of the synthetic market.",
)
@click.option(
    "--from", "from_", metavar="TIME", help="Play from this UTC date or ISO time on; what lies before is history."
)
@click.option("--to", metavar="TIME", help="Play up to this UTC date or ISO time, exclusive.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Exchange seconds per wall second.")
@click.option("--round-to-tick", is_flag=True, help="Round the file's prices to the product's own tick.")
@click.option("--high-first", is_flag=True, help="Walk every candle open, high, low, close.")
@click.option("--start", metavar="TIME", help="Where the synthetic market starts; default: this minute.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the synthetic market and of the book's sizes.")
@click.option(
    "--rate",
    type=float,
    metavar="N",
    help="Synthetic trades per exchange second and product; default 1, fewer in compressed time.",
)
@click.option("--free-run", is_flag=True, help="Do not wait for slow clients; drop them, as Coinbase does.")
@click.option("--hold", is_flag=True, help="Stand still whenever nobody is subscribed.")
@click.option("--exit-at-end", is_flag=True, help="End the process two seconds after the files' end.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--ws-port", type=int, default=8765, show_default=True, help="0 takes any free port.")
@click.option("--rest-port", type=int, default=8766, show_default=True, help="0 takes any free port.")
@click.option("--rest-limit", type=float, default=10.0, show_default=True, help="REST requests a second and address.")
@click.option("--client-id", is_flag=True, help="Put an empty client_id into every frame, as older captures have it.")
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Go wrong as this fault script says: [[fault]] with at, kind and parameters, see docs/faults.md.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the two URLs as one JSON object.")
def serve(
    data: tuple[Path, ...],
    product: tuple[str, ...],
    from_: str | None,
    to: str | None,
    speed: float,
    round_to_tick: bool,
    high_first: bool,
    start: str | None,
    seed: int,
    rate: float | None,
    free_run: bool,
    hold: bool,
    exit_at_end: bool,
    host: str,
    ws_port: int,
    rest_port: int,
    rest_limit: float,
    client_id: bool,
    faults: Path | None,
    as_json: bool,
) -> None:
    """Play a market on two ports: a websocket and REST. Ends with Ctrl-C.

    Without --data a seeded synthetic market; with it files, which wait until every played product is subscribed on
    market_trades.
    """
    options = ExchangeOptions(
        host=host, ws_port=ws_port, rest_port=rest_port, speed=speed, free_run=free_run, hold=hold,
        rest_limit=rest_limit, client_id=client_id,
    ).checked()  # fmt: skip
    if data:
        _refuse("--data", {"--start": start is not None, "--rate": rate is not None})
        market: Market = read_market(
            [*zip(data, listed(_played_ids(data, product)), strict=True)], _instant("--from", from_),
            _instant("--to", to), round_to_tick=round_to_tick, always_high_first=high_first, seed=seed,
        )  # fmt: skip
    else:
        _refuse(
            "a synthetic market",
            {
                "--from": from_ is not None, "--to": to is not None, "--round-to-tick": round_to_tick,
                "--high-first": high_first, "--exit-at-end": exit_at_end,
            },
        )  # fmt: skip
        products = listed(tuple(dict.fromkeys(product)) or DEFAULT_PRODUCTS)
        began = _instant("--start", start)
        market = SyntheticMarket(
            products, from_datetime(datetime.now(UTC)) if began is None else began, seed=seed,
            rate=default_rate(speed, len(products)) if rate is None else rate,
        )  # fmt: skip
    schedule = Faults() if faults is None else read_faults(faults, market.products)
    _serve(LocalExchange(market, options, schedule), as_json=as_json, exit_at_end=exit_at_end)


def _serve(local: LocalExchange, *, as_json: bool, exit_at_end: bool) -> None:
    """Run until a signal comes, or until the market's end if asked to."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        with local:
            urls = {"ws": local.ws_url, "rest": local.rest_url}
            click.echo(json.dumps(urls) if as_json else f"local exchange: {local.ws_url} and {local.rest_url}")
            while not stopped.wait(0.1):
                if local.failed or (exit_at_end and local.finished.is_set()):
                    stopped.wait(0 if local.failed else EXIT_AFTER_END)
                    break
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _played_ids(data: tuple[Path, ...], product: tuple[str, ...]) -> tuple[str, ...]:
    """Return a product per file; one file alone may tell its product by its name."""
    if not product and len(data) == 1 and symbol_of(data[0]) in PRODUCTS:
        return (symbol_of(data[0]),)
    if len(data) != len(product):
        raise UsageError(f"{len(data)} --data but {len(product)} --product; give one --product per --data, in order")
    if len(set(product)) != len(product):
        raise UsageError(f"--product {', '.join(product)} names one twice; give each file a product of its own")
    return product


def _refuse(where: str, given: dict[str, bool]) -> None:
    wrong = [option for option, was_given in given.items() if was_given]
    if wrong:
        raise UsageError(f"{', '.join(wrong)} means nothing with {where}; leave it out")


def _instant(option: str, text: str | None) -> int | None:
    """Return nanoseconds of a UTC date or an ISO time."""
    time = instant(option, text)
    return None if time is None else from_datetime(time)
