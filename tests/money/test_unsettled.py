"""What candles that come late may still settle."""

from datetime import UTC, datetime, timedelta

from atlas.money.unsettled import Unsettled

X, Y = "BIP-20DEC30-CDE", "ETP-20DEC30-CDE"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_without_a_live_trade_every_candle_concerns_what_was_held() -> None:
    unsettled = Unsettled(["a"])
    assert not unsettled.late(X)
    assert unsettled.concerns("a", X, at(86400))
    assert not unsettled.concerns("b", X, at(0))


def test_candles_concern_it_up_to_the_end_of_the_minute_of_the_first_live_trade() -> None:
    unsettled = Unsettled(["a"])
    unsettled.hear(X, at(130))
    unsettled.hear(X, at(600))
    assert unsettled.late(X)
    assert unsettled.concerns("a", X, at(179.999999))
    assert not unsettled.concerns("a", X, at(180))


def test_another_products_trades_end_nothing() -> None:
    unsettled = Unsettled(["a"])
    unsettled.hear(Y, at(0))
    assert not unsettled.late(X)
    assert unsettled.concerns("a", X, at(600))


def test_what_a_live_trade_has_changed_is_left_out() -> None:
    unsettled = Unsettled(["a", "b"])
    unsettled.touch("a")
    unsettled.touch("a")
    assert not unsettled.concerns("a", X, at(0))
    assert unsettled.concerns("b", X, at(0))
