"""Numbers, times and payloads come back as they went in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import StatementError

from actors.messages import Alert, encode
from db.batch import batch_of
from db.models import EventRow, PositionRow, QuoteRow
from db.writer import Writer
from tests.db.story import START, Trade, bar

AT = datetime(2026, 3, 8, 7, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "price",
    ["43123.45000001", "0.1", "1.500", "1E+5", "99999999999999999999.000000000000000000001", "-0.00000001", "0E-8"],
)
def test_decimal_comes_back_exact(engine: Engine, price: str) -> None:
    with engine.begin() as connection:
        connection.execute(insert(QuoteRow), {"symbol": "X", "at": AT, "price": Decimal(price)})
        found = connection.execute(select(QuoteRow.price)).scalar_one()
    assert isinstance(found, Decimal)
    assert found == Decimal(price)
    assert format(found, "f") == format(Decimal(price), "f")


@pytest.mark.parametrize("wrong", [1.5, Decimal("NaN"), Decimal("Infinity"), "12"])
def test_what_is_no_exact_number_is_refused(engine: Engine, wrong: object) -> None:
    with engine.connect() as connection, pytest.raises(StatementError):
        connection.execute(insert(QuoteRow), {"symbol": "X", "at": AT, "price": wrong})


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("America/New_York"), timezone(timedelta(hours=5, minutes=45))])
def test_time_comes_back_as_the_same_instant_in_utc(engine: Engine, zone: timezone | ZoneInfo) -> None:
    with engine.begin() as connection:
        connection.execute(insert(QuoteRow), {"symbol": "X", "at": AT.astimezone(zone), "price": Decimal(1)})
        connection.execute(text("SET timezone TO 'America/Chicago'"))
        found = connection.execute(select(QuoteRow.at)).scalar_one()
    assert found == AT
    assert found.tzinfo is UTC


def test_time_without_a_zone_is_refused(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(StatementError, match="no time zone"):
        connection.execute(insert(QuoteRow), {"symbol": "X", "at": AT.replace(tzinfo=None), "price": Decimal(1)})


def test_event_payload_is_identical_to_the_byte(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in trade.batches])
    with engine.connect() as connection:
        found = list(connection.execute(select(EventRow.id, EventRow.payload).order_by(EventRow.seq)))
    assert [(id_, payload.encode()) for id_, payload in found] == [(event.key, encode(event)) for event in trade.events]


def test_position_payload_keeps_every_digit(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write([batch_of(batch.events, input=batch.number, at=batch.at) for batch in trade.until_open])
    with engine.connect() as connection:
        payload = connection.execute(select(PositionRow.payload)).scalar_one()
    assert '"stop":"42895"' in payload
    assert '"margin":"315.73170732"' in payload


def test_text_outside_ascii_survives(engine: Engine, writer: Writer) -> None:
    alert = Alert("note", "ü→ 'quoted' \\ \"x\"", START, "Größe 3 × 0,01 ₿ \u2028 \U0001f4c8")
    writer.write([batch_of([bar(), alert], input=1, at=START)])
    with engine.connect() as connection:
        payload = connection.execute(select(EventRow.payload).where(EventRow.kind == "Alert")).scalar_one()
    assert payload.encode() == encode(alert)
