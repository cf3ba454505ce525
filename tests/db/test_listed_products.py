"""What the database keeps of products and their sessions, and what a restart makes of a listing that changed."""

from decimal import Decimal as D

from msgspec.structs import replace
from sqlalchemy import Engine, select, text

from actors.messages import BarClosed, PositionOpened
from actors.system_states import beginning
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.money.book import SignalSource
from db.batch import batch_of
from db.engine import session
from db.models import CandleRow, PositionRow
from db.repositories import market
from db.writer import Writer
from tests.db.story import HOUR, START, SYMBOL, Trade, bar, position, setup

BIP = built_in("BIP-20DEC30-CDE")
SIGNAL = SignalSource(
    symbol="BTC-USD", price=D("43123.46"), ratio=D("1.00123456789"), trigger=D("43123.45"), stop=D("42900.00"),
    target=D("43800"), invalidation=D("42900.00"), translated_trigger=D("43180"),
)  # fmt: skip


def test_a_candle_that_overlaps_a_break_is_marked(engine: Engine, writer: Writer) -> None:
    marked: BarClosed = replace(bar(START + HOUR), in_break=True)
    writer.write([batch_of([bar(), marked], input=1, at=START)])
    with engine.connect() as connection:
        marks = select(CandleRow.close_time, CandleRow.in_break).order_by(CandleRow.close_time)
        assert [tuple(row) for row in connection.execute(marks)] == [(START, False), (START + HOUR, True)]


def test_a_position_names_the_product_its_signal_is_from(engine: Engine, writer: Writer) -> None:
    own, other = position(setup(1)), replace(position(setup(2)), signal=SIGNAL)
    writer.write([batch_of([PositionOpened(own), PositionOpened(other)], input=1, at=START)])
    with engine.connect() as connection:
        columns = select(PositionRow.id, PositionRow.signal_product, PositionRow.signal_ratio)
        found = {row.id: (row.signal_product, row.signal_ratio) for row in connection.execute(columns)}
    assert found == {own.id: (None, None), other.id: ("BTC-USD", D("1.00123456789"))}


def test_a_restart_goes_on_with_the_contract_a_position_was_entered_with(engine: Engine, writer: Writer) -> None:
    trade = Trade()
    writer.write([batch_of(b.events, input=b.number, at=b.at) for b in trade.until_open])
    listed: Product = replace(BIP, id=SYMBOL, contract_size=D("0.1"), tick=D(1))
    with session(engine) as connection:
        states = beginning(connection, "paper", (listed,), START + HOUR).states
    assert states.risk.products[SYMBOL] == listed
    assert states.broker.products[SYMBOL] == replace(listed, contract_size=D("0.01"))  # Its tick is not known.
    assert set(states.broker.holdings) == {trade.opened.id}


def test_a_cached_product_of_another_version_is_left_out(engine: Engine) -> None:
    with session(engine) as connection:
        market.save_products(connection, [BIP, replace(BIP, id="OTHER")], START)
        connection.execute(text("""UPDATE products SET payload = '{"id": "OTHER"}' WHERE id = 'OTHER'"""))
        assert market.products(connection) == {BIP.id: (BIP, START)}
