"""Which past is played by which rules: the arguments `atlas replay --data` and `atlas backtest` have in common."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from atlas.cli.options import Choice, instant, listed
from atlas.errors import UsageError
from atlas.presets import EXITS_FROM, PRESETS

if TYPE_CHECKING:
    from atlas.market.funding_file import FundingFile
    from atlas.market.past import PastFile
    from atlas.market.path import PathRules
    from atlas.market.product import Product
    from atlas.presets import Preset
    from atlas.rules import Rules

Command = TypeVar("Command", bound=Callable[..., Any])

ACCOUNT = "replay"
"""What the account of a replay or backtest is called unless the settings say otherwise."""
OF_FILES = (
    click.option("--data", multiple=True, type=click.Path(path_type=Path), help="A file of candles or trades to play."),
    click.option("--product", multiple=True, metavar="ID", help="The product of each --data, in the same order."),
    click.option("--timeframes", metavar="LIST", help="Detection timeframes, e.g. 15m,1h,4h,1d."),
    click.option("--from", "from_", metavar="TIME", help="Play from this UTC date or ISO time on."),
    click.option("--to", metavar="TIME", help="Play until before this UTC date or ISO time."),
    click.option("--tick", metavar="PRICE", help="The price increment, for products whose own is only in a listing."),
    click.option(
        "--funding", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
        help="Past funding rates (time,rate): one file for each --data, in the same order.",
    ),
    click.option("--high-first", is_flag=True, help="Walk every candle open, high, low, close."),
    click.option("--trust-path", is_flag=True, help="Take that path for what happened: no trade is ambiguous."),
    click.option("--preset", type=click.Choice(tuple(PRESETS)), help="Settings and path of a strategy known by name."),
    click.option(
        "--exits-from", type=click.Choice(EXITS_FROM), default=EXITS_FROM[0], show_default=True,
        help="With --preset: leave at once, or from the candle after the entry's on.",
    ),
)  # fmt: skip


def of_files(command: Command) -> Command:
    """Add the options that say which files of the past are played, and how."""
    for option in reversed(OF_FILES):
        command = option(command)
    return command


class PastOptions(msgspec.Struct, frozen=True):
    """What was asked for: files and products in the same order, and the stretch of time, UTC."""

    data: tuple[Path, ...]
    product: tuple[str, ...] = ()
    timeframes: str | None = None
    tick: str | None = None
    funding: tuple[Path, ...] = ()
    from_: str | None = None
    to: str | None = None
    high_first: bool = False
    trust_path: bool = False
    preset: str | None = None
    exits_from: str = EXITS_FROM[0]


class Asked(msgspec.Struct, frozen=True):
    """The files as products, in order, the instants between which they are played (None: all of it), and the rules."""

    products: tuple["Product", ...]
    files: tuple["PastFile", ...]
    funding: tuple["FundingFile | None", ...]
    start: datetime | None
    end: datetime | None
    path: "PathRules"
    rules: "Rules"

    @property
    def names(self) -> tuple[str, ...]:
        """The products' ids."""
        return tuple(product.id for product in self.products)


def asked(choice: Choice, options: PastOptions) -> Asked:
    """Read the files and the settings. Raises UsageError, DataError, UnknownProduct, ConfigurationError."""
    from atlas.data.past_file import read_past
    from atlas.market.funding_file import read_funding

    names = _names(options)
    if options.funding and len(options.funding) != len(options.data):
        raise UsageError(
            f"{len(options.data)} files and {len(options.funding)} of funding: give one --funding for each --data, in "
            "order, or none"
        )
    files = tuple(read_past(path, lambda: choice.candles) for path in options.data)
    rules, path = deciding(choice, options, names, files)
    return Asked(
        products=tuple(_product(name, file, options.tick) for name, file in zip(names, files, strict=True)),
        files=files,
        funding=tuple(map(read_funding, options.funding)) or (None,) * len(files),
        start=instant("--from", options.from_),
        end=instant("--to", options.to),
        path=path,
        rules=rules,
    )


def deciding(
    choice: Choice, options: PastOptions, names: Sequence[str], files: "Sequence[PastFile]"
) -> "tuple[Rules, PathRules]":
    """Return the rules and the path of candles. Raises UsageError, ConfigurationError."""
    from atlas.config import merge
    from atlas.market.candle_file import CandleFile
    from atlas.market.path import PathRules
    from atlas.presets import preset

    named: Preset | None = None
    tree: dict[str, Any] = {}
    if options.preset is not None:
        interval = max((file.interval for file in files if isinstance(file, CandleFile)), default=60)
        named = preset(options.preset, options.exits_from, interval)
        merge(tree, named.settings)
    elif options.exits_from != EXITS_FROM[0]:
        raise UsageError("--exits-from belongs to --preset; without one there is the setting exits.not_within_seconds")
    merge(tree, {"exchange": {"products": list(names)}})
    if options.timeframes:
        merge(tree, {"strat": {"timeframes": listed(options.timeframes)}})
    rules = choice.with_overrides(tree).settings.rules()
    if rules.account.name == "paper":
        rules = msgspec.structs.replace(rules, account=msgspec.structs.replace(rules.account, name=ACCOUNT))
    return rules, named.path if named is not None else PathRules(options.high_first, options.trust_path)


def _names(options: PastOptions) -> tuple[str, ...]:
    """The products' ids; a preset has one of its own for a single file."""
    names = options.product
    if not names and options.preset is not None and len(options.data) == 1:
        names = (PRESETS[options.preset].product,)
    if len(options.data) != len(names):
        raise UsageError(
            f"{len(options.data)} files and {len(names)} products: give one --product for each --data, in order"
        )
    twice = [name for name, often in Counter(names).items() if often > 1]
    if twice:
        raise UsageError(f"--product {twice[0]} is given twice: each product has one file")
    return names


def _product(product_id: str, file: "PastFile", tick: str | None) -> "Product":
    """Return the product on the tick given, else on the file's where the product's own is known."""
    from atlas.market.products import KNOWN, built_in

    known = KNOWN.get(product_id)
    step = Decimal(tick) if tick else file.tick if known is not None and known.tick is not None else None
    return built_in(product_id, tick=step)
