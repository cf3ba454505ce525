"""What the exchange told of products: the cache of their listing, and their bars of before ATLAS was there."""

import logging
from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from atlas.market.bar import Bar
from atlas.market.product import Product
from db.models import PastBarsRow, ProductRow
from db.projections.row import replaced

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_decoder = msgspec.json.Decoder(Product)
_bars = msgspec.json.Decoder(tuple[Bar, ...])
_upsert = insert(ProductRow)
_upsert = _upsert.on_conflict_do_update(index_elements=["id"], set_=replaced(_upsert))


def save_products(connection: Connection, products: Iterable[Product], fetched_at: datetime) -> None:
    """Keep the products as listed at `fetched_at`; others stay."""
    rows = [
        {"id": product.id, "payload": _encoder.encode(product).decode(), "fetched_at": fetched_at}
        for product in products
    ]
    if rows:
        connection.execute(_upsert, rows)


def products(connection: Connection) -> dict[str, tuple[Product, datetime]]:
    """Return every cached product, by id, with the time it was fetched.

    A row that another version wrote with other fields is left out: it is a cache, and the listing is read anew.
    """
    query = select(ProductRow.id, ProductRow.payload, ProductRow.fetched_at).order_by(ProductRow.id)
    found = {}
    for id_, payload, at in connection.execute(query):
        try:
            found[id_] = (_decoder.decode(payload), at)
        except msgspec.ValidationError as error:
            _log.warning("the cached listing of %s is not of this version: %s", id_, error)
    return found


def past_bars(connection: Connection, symbol: str, timeframe: str) -> tuple[Bar, ...]:
    """Return the closed bars REST told of last, oldest first; none where it told of none."""
    query = select(PastBarsRow.bars).where(PastBarsRow.symbol == symbol, PastBarsRow.timeframe == timeframe)
    told = connection.execute(query).scalar_one_or_none()
    return () if told is None else _bars.decode(told)
