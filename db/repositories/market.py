"""The cache of the exchange's product listing."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from atlas.market.product import Product
from db.models import ProductRow
from db.projections.row import replaced

_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_decoder = msgspec.json.Decoder(Product)
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

    Raises msgspec.ValidationError if a row was written by a version with other fields: fetch the listing anew.
    """
    query = select(ProductRow.id, ProductRow.payload, ProductRow.fetched_at).order_by(ProductRow.id)
    return {id_: (_decoder.decode(payload), at) for id_, payload, at in connection.execute(query)}
