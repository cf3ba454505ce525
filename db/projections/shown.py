"""What is for display only: the newest quotes, current periods and past bars. Latest wins; no event is behind them."""

import msgspec
from sqlalchemy.dialects.postgresql import insert

from actors.messages import Forming, FrameNow, PastBars, Quote
from db.models import FormingRow, PastBarsRow, QuoteRow
from db.projections.row import Row, columns, replaced

_quote = insert(QuoteRow)
_quote = _quote.on_conflict_do_update(
    index_elements=["symbol"], set_=replaced(_quote), where=QuoteRow.at <= _quote.excluded.at
)
_forming = insert(FormingRow)
_forming = _forming.on_conflict_do_update(
    index_elements=["symbol", "timeframe"], set_=replaced(_forming), where=FormingRow.at <= _forming.excluded.at
)
_past = insert(PastBarsRow)
_past = _past.on_conflict_do_update(
    index_elements=["symbol", "timeframe"], set_=replaced(_past), where=PastBarsRow.as_of <= _past.excluded.as_of
)
_PRICES = ("open", "high", "low", "close", "volume")


def quoted(quote: Quote) -> Row:
    """The last price, bid and ask."""
    return Row(_quote, msgspec.structs.asdict(quote), (f"quote {quote.symbol}",))


def forming(told: Forming) -> list[Row]:
    """How the current periods stand, one row each."""
    return [_frame(told, frame) for frame in told.frames]


def past(told: PastBars) -> list[Row]:
    """The closed bars of each timeframe."""
    return [
        Row(
            _past,
            {
                "symbol": told.symbol,
                "timeframe": frame.timeframe,
                "as_of": told.as_of,
                "bars": _encoder.encode(frame.closed).decode(),
            },
            (f"past {told.symbol} {frame.timeframe}",),
        )
        for frame in told.frames
    ]


def _frame(told: Forming, frame: FrameNow) -> Row:
    prices = dict.fromkeys(_PRICES) if frame.bar is None else columns(frame.bar, *_PRICES)
    fields = columns(frame, "timeframe", "open_time", "close_time", "prior_high", "prior_low", "known")
    row = {"symbol": told.symbol, "at": told.at, "mode": told.mode, **fields, **prices}
    return Row(_forming, row, (f"forming {told.symbol} {frame.timeframe}",))


_encoder = msgspec.json.Encoder(decimal_format="string", order="deterministic")
