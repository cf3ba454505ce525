"""What is stored for display only: the newest counts, and no event is behind it."""

from datetime import timedelta

import msgspec
from msgspec.structs import replace
from sqlalchemy import Engine, func, select

from actors.messages import Forming, FrameBars, FrameNow, PastBars
from atlas.market.bar import Bar
from db.models import EventRow, FormingRow, PastBarsRow
from db.writer import Extras, Writer
from tests.db.story import HOUR, START, SYMBOL, D, bar

EMPTY = FrameNow("1h", START, START + HOUR, None, D(110), D(90), known=True)
BEGUN = replace(EMPTY, bar=bar(START + HOUR).bar)


def test_the_newest_telling_of_a_period_counts(engine: Engine, writer: Writer) -> None:
    later = START + timedelta(seconds=5)
    writer.write([], Extras(forming=(Forming(SYMBOL, later, "open", (BEGUN, replace(EMPTY, timeframe="4h"))),)))
    writer.write([], Extras(forming=(Forming(SYMBOL, START, "open", (EMPTY,)),)))
    with engine.connect() as connection:
        found = {row.timeframe: row for row in connection.execute(select(FormingRow.__table__))}
        assert connection.execute(select(func.count()).select_from(EventRow)).scalar_one() == 0
    hour, four = found["1h"], found["4h"]
    told = BEGUN.bar
    assert told is not None
    assert (hour.at, hour.open, hour.high, hour.low, hour.close) == (later, told.open, told.high, told.low, told.close)
    assert (hour.prior_high, hour.prior_low, hour.mode, hour.known) == (D(110), D(90), "open", True)
    assert (four.open, four.close, four.volume) == (None, None, None)


def test_past_bars_are_those_of_the_newest_answer_to_the_last_digit(engine: Engine, writer: Writer) -> None:
    newer, older = (bar(START).bar, bar(START + HOUR).bar), (bar(START).bar,)
    for as_of, closed in ((START + HOUR, newer), (START, older)):
        writer.write([], Extras(past=(PastBars(SYMBOL, as_of, (FrameBars("1h", closed, None),)),)))
    with engine.connect() as connection:
        (row,) = connection.execute(select(PastBarsRow.__table__.c.as_of, PastBarsRow.bars)).all()
    assert row.as_of == START + HOUR
    assert msgspec.json.decode(row.bars, type=tuple[Bar, ...]) == newer
