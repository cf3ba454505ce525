"""The part of `atlas doctor` that asks the exchange: REST and websocket, clock, products against the built-in table."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from atlas.cli.findings import Finding, fault, ok, refused, warning
from atlas.cli.output import number
from atlas.errors import AtlasError, ExchangeError, UnknownProduct
from atlas.market.products import KNOWN, expiry_of

if TYPE_CHECKING:
    from atlas.config import Settings
    from atlas.exchange.rest import Rest
    from atlas.market.product import Product

HALF_A_STEP = Decimal("0.05")
"""The built-in table has leverage at one decimal, 4.1 for a rate of 0.2456: what rounds to it agrees with it."""


def examine_exchange(settings: "Settings", connect: Callable[[], "Rest"]) -> Iterator[Finding]:
    """Yield what REST, the clocks, the websocket and the listing of the configured products say."""
    try:
        rest = connect()
    except AtlasError as error:
        yield refused("exchange", error)
        return
    with closing(rest):
        try:
            before = datetime.now(UTC)
            theirs = rest.time()
            after = datetime.now(UTC)
        except AtlasError as error:
            yield refused("exchange", error)
            return
        yield ok("exchange", f"{settings.exchange.rest_url} answers within {(after - before).total_seconds():.2f} s")
        yield _clock(settings, before, theirs, after)
        yield _websocket(settings.exchange.ws_url, settings.exchange.rest_timeout_seconds)
        listed: dict[str, Product] = {}
        for product_id in settings.exchange.watched:
            try:
                listed[product_id] = product = rest.product(product_id)
            except AtlasError as error:
                yield refused(f"product {product_id}", error)
            else:
                yield compare(product)
                yield from _expiry(product, theirs, settings.exchange.expiry_days)
        yield from _signal_products(settings.exchange.signal_products, listed)


def _clock(settings: "Settings", before: datetime, theirs: datetime, after: datetime) -> Finding:
    """Judge the drift: theirs, in whole seconds, was read at some instant between our before and after."""
    if settings.feed.clock == "venue":
        return ok("clock", "not compared: feed.clock = venue follows the exchange's own time")
    limit = settings.feed.max_drift_seconds
    least, most = (theirs - after).total_seconds(), (theirs - before).total_seconds() + 1
    drift = 0.0 if least <= 0 <= most else min(least, most, key=abs)
    if abs(drift) > limit:
        return fault(
            "clock",
            f"the exchange is {drift:+.1f} s from this machine, feed.max_drift_seconds allows {limit:g}, so entries "
            "are halted: set the clock (timedatectl set-ntp true)",
        )
    if abs(drift) > limit / 2:
        return warning(
            "clock", f"the exchange is {drift:+.1f} s from this machine, {limit:g} s halt entries: check timedatectl"
        )
    return ok("clock", f"within {abs(drift) + 1:.0f} s of the exchange's, {limit:g} s are allowed")


def _websocket(url: str, timeout: float) -> Finding:
    import certifi
    import websocket

    try:
        socket = websocket.create_connection(
            url, timeout=timeout, suppress_origin=True, sslopt={"ca_certs": certifi.where()}
        )
    except (websocket.WebSocketException, OSError, ValueError) as error:
        said = str(error) or type(error).__name__
        text = f"could not connect to {url}: {said}; check the network and exchange.ws_url"
        return fault("feed", " ".join(text.split()), ExchangeError.exit_code)
    socket.close(timeout=1)
    return ok("feed", f"{url} takes websocket connections")


def compare(product: "Product") -> Finding:
    """Compare a product as the exchange lists it with the built-in table (trading.md, Products).

    The listing is what ATLAS trades by; a table out of date only misleads backtests and replays without a listing.
    """
    check = f"product {product.id}"
    said = f"tick {number(product.tick)}, contract {number(product.contract_size)} {product.underlying}"
    if product.suspended:
        return warning(check, f"{said}; trading is suspended ({product.suspended}): no entries, no exits meanwhile")
    if not product.session_open:
        return warning(check, f"{said}; its session is closed, so no entries until it opens")
    known = KNOWN.get(product.id)
    if known is None:
        return ok(check, f"{said}; not in the built-in table, so only known while the exchange lists it")
    differing = [
        f"{name} {number(listed)} (table: {number(expected)})"
        for name, listed, expected, agrees in _compared(product)
        if not agrees
    ]
    if known.kind == "future" and product.expiry != expiry_of(product.id):
        differing.append(f"expiry {product.expiry:%Y-%m-%d %H:%M} UTC (its id: {expiry_of(product.id):%Y-%m-%d %H:%M})")
    if differing:
        return warning(
            check,
            f"the listing has {', '.join(differing)}: it is what ATLAS trades by; bring atlas/market/products.py up to "
            "date for backtests without a listing",
        )
    assumed = ", a tick the local exchange has made up" if product.tick_assumed else ""
    return ok(check, f"{said}{assumed}; as in the built-in table")


def _expiry(product: "Product", now: datetime, days: int) -> Iterator[Finding]:
    """Yield a warning where the product expires soon, an error where it has."""
    from atlas.market.listing_changes import expiry_warning

    check = f"expiry of {product.id}"
    if product.expiry is not None and now >= product.expiry:
        text = f"it expired at {product.expiry:%Y-%m-%d %H:%M} UTC: put the one that follows it into exchange.products"
        yield fault(check, text, UnknownProduct.exit_code)
    elif (soon := expiry_warning(product, now, days)) is not None:
        yield warning(check, soon)


def _signal_products(pairs: Mapping[str, str], listed: Mapping[str, "Product"]) -> Iterator[Finding]:
    """Yield whether the two products of each pair belong together (lesson 53)."""
    from atlas.market.signal_pairs import verify

    for executed, signal in pairs.items():
        check = f"signals of {executed}"
        try:
            verify({executed: signal}, listed)
        except AtlasError as error:
            yield refused(check, error)
        else:
            both = listed[signal].underlying
            yield ok(check, f"from {signal}, also of {both}; entries and exits are at the prices of {executed}")


def _compared(product: "Product") -> Iterator[tuple[str, Decimal, Decimal, bool]]:
    """Yield what is compared, as listed, as in the table, and whether the two agree."""
    known = KNOWN[product.id]
    yield "contract size", product.contract_size, known.contract_size, product.contract_size == known.contract_size
    if known.tick is not None:
        yield "tick", product.tick, known.tick, product.tick == known.tick
    if product.margin is None:
        return
    for name, rate, leverage in (
        ("intraday leverage", product.margin.intraday_long, known.intraday),
        ("intraday leverage of shorts", product.margin.intraday_short, known.intraday),
        ("overnight leverage", product.margin.overnight_long, known.overnight_long),
        ("overnight leverage of shorts", product.margin.overnight_short, known.overnight_short),
    ):
        listed = _leverage(rate)
        yield name, listed, leverage, abs(listed - leverage) <= HALF_A_STEP


def _leverage(rate: Decimal) -> Decimal:
    from atlas.money.rounding import ratio

    return ratio(1 / rate)
