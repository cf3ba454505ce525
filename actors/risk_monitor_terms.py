"""What the risk monitor writes down so that all it decides can be recomputed from the events alone (`atlas audit`)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

import msgspec

from actors.messages import Judged, TermsSet
from atlas.market.product import Product
from atlas.money.entry import EntryContext, Verdict
from atlas.rules import Rules


def terms_set(rules: Rules, products: Iterable[Product], at: datetime, *, started: bool = False) -> TermsSet:
    """Return the terms from here on, products by id."""
    listed, deciding = tuple(sorted(products, key=lambda product: product.id)), rules.deciding
    digest = sha256(msgspec.json.encode((deciding, listed), order="deterministic")).hexdigest()[:12]
    return TermsSet(at, deciding, listed, rules.fingerprint(), digest, started)


def judged(context: EntryContext, verdict: Verdict, last: Mapping[str, Decimal]) -> Judged:
    """Return what the gates looked at and measured; `last` are the last prices by product."""
    held = sorted({position.symbol for position in context.positions})
    return Judged(
        setup_id=context.setup.id,
        at=context.at,
        product=context.product.id,
        reference=context.reference,
        bid=context.bid,
        ask=context.ask,
        marks={symbol: last[symbol] for symbol in held if symbol in last},
        equity=context.equity,
        available=context.available,
        base=context.day_start_equity,
        ratio=context.ratio,
        checks=verdict.checks,
        size=verdict.size,
        lease=context.lease,
    )
