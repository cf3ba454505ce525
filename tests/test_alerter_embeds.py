"""What the owner reads, from the very payloads the journal writes, and that Discord takes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.alerter_embeds import GREEN, GREY, ORANGE, RED, compose, cut, length
from actors.alerter_message import listed, several
from actors.alerter_outbox import Notice
from atlas.money.book import Position, SignalSource
from atlas.strat.setup import ContinuityReading
from db.notices import entry_notice, exit_notice
from tests.fakes.discord_limits import embed_fault

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
READING = ContinuityReading("long", "open", ("1M", "1w", "1d", "1h"), ("1w", "1d", "1h"), ("1M",), (), 3)
LONG = Position(
    id="BIP-20DEC30-CDE:1h:20260701T1000:2U-1-?:long", symbol="BIP-20DEC30-CDE", timeframe="1h", setup="2U-1-2U",
    family="2-1", side="long", contract_size=Decimal("0.01"), contracts=Decimal(10), entry_contracts=Decimal(10),
    entry_price=Decimal("60012.3456"), entry_reference=Decimal(60010), entry_time=NOW - timedelta(minutes=95),
    stop=Decimal(59400), first_stop=Decimal(59400), target=Decimal(61200), invalidation=Decimal(59400),
    entry_bar_end=NOW, leverage=Decimal("4.1"), tier="overnight", margin=Decimal("1463.72"),
    liquidation=Decimal("47763.3"), worst=Decimal(59900), best=Decimal(61200), fees=Decimal("5.70"), detection=READING,
    at_trigger=READING, setup_time=NOW - timedelta(hours=3), risk_at_entry=Decimal("72.61"),
)  # fmt: skip


def notice(kind: str, payload: dict[str, Any], **changes: Any) -> Notice:
    return msgspec.structs.replace(Notice(1, f"{kind}:x", kind, False, payload, NOW), **changes)


def closed(**changes: Any) -> Position:
    ended = {"contracts": Decimal(0), "exit_time": NOW, "exit_price": Decimal(61200), "exit_reason": "target"}
    return msgspec.structs.replace(LONG, **{**ended, "gross": Decimal("118.77"), "fees": Decimal("11.40"), **changes})


def fields(embed: dict[str, Any]) -> dict[str, str]:
    return {field["name"]: field["value"] for field in embed["fields"]}


def test_an_entry_by_another_products_signal_says_whose_and_shows_the_trigger_translated() -> None:
    source = SignalSource(
        symbol="BTC-USD", price=Decimal(59960), ratio=Decimal("1.000834"), trigger=Decimal("59958.5"),
        stop=Decimal(59350), target=Decimal(61149), invalidation=Decimal(59350), translated_trigger=Decimal(60010),
    )  # fmt: skip
    position = msgspec.structs.replace(LONG, signal=source)
    embed = compose(notice("entry", {**entry_notice(position), "trigger": "59958.5"}), "paper")
    assert fields(embed)["Trigger → entry"] == "60,010 → 60,012.35"
    assert fields(embed)["Signal"] == "BTC-USD 59,958.5 × 1.0008"


@pytest.mark.parametrize("kind", ["listing", "expiry"])
def test_news_of_a_listing_is_a_warning(kind: str) -> None:
    embed = compose(notice(kind, {"at": NOW.isoformat(), "text": "BIP expires tomorrow"}), "paper")
    assert (embed["color"], embed["description"]) == (ORANGE, "BIP expires tomorrow")


def test_an_entry_says_what_a_strat_trader_reads() -> None:
    embed = compose(notice("entry", {**entry_notice(LONG), "trigger": "60010"}), "paper")
    assert embed["title"] == "Entry: BIP-20DEC30-CDE LONG · 2U-1-2U 1h"
    assert embed["color"] == GREEN
    assert embed["footer"]["text"] == "ATLAS paper · entry:x"
    assert embed["timestamp"] == "2026-07-01T10:25:00+00:00"
    assert fields(embed) == {
        "Trigger → entry": "60,010 → 60,012.35",
        "Stop": "59,400",
        "Target": "61,200",
        "Magnitude": "1.98 %",
        "R:R": "1.94",
        "Continuity": "3/4: 1w 1d 1h, not 1M",
        "Leverage": "4.1× overnight",
        "Size": "10 contracts ($6,001.23)",
        "Risk": "$72.61",
        "Liquidation": "47,763.3",
    }


def test_lesson_101_an_exit_says_pattern_timeframe_reason_duration_prices_and_the_net_the_account_booked() -> None:
    embed = compose(notice("exit", exit_notice(closed(funding=Decimal("0.25")))), "paper")
    assert embed["title"] == "Exit: BIP-20DEC30-CDE LONG · 2U-1-2U 1h"
    assert embed["color"] == GREEN
    assert fields(embed) == {
        "Net P&L": "+$107.12",
        "Percent": "+1.78 %",
        "R": "+1.75",
        "Entry → exit": "60,012.35 → 61,200",
        "Reason": "target",
        "Held": "1 h 35 min",
        "Costs": "fees $11.40, funding $0.25",
        "Size": "10 contracts ($6,001.23)",
        "Continuity": "3/4: 1w 1d 1h, not 1M",
    }


def test_lesson_102_the_percentage_of_a_short_is_its_net_over_what_was_sold() -> None:
    short = closed(
        side="short", entry_price=Decimal(50000), exit_price=Decimal(40000), gross=Decimal(1000), fees=Decimal(10)
    )
    told = fields(compose(notice("exit", exit_notice(short)), "paper"))
    assert (told["Net P&L"], told["Percent"]) == ("+$990.00", "+19.80 %")


@pytest.mark.parametrize("kind", ["entry", "exit", "halt", "full_continuity"])
def test_lesson_111_the_time_of_an_alert_says_that_it_is_utc(kind: str) -> None:
    payload = {"entry": entry_notice(LONG), "exit": exit_notice(closed())}.get(kind, {"text": "x"})
    at = datetime.fromisoformat(compose(notice(kind, payload), "paper")["timestamp"])
    assert at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("gross", "color"), [("118.77", GREEN), ("11.40", GREY), ("-61.23", RED)])
def test_an_exit_is_colored_by_its_net(gross: str, color: int) -> None:
    assert compose(notice("exit", exit_notice(closed(gross=Decimal(gross)))), "paper")["color"] == color


def test_a_short_is_red_and_says_so() -> None:
    short = msgspec.structs.replace(LONG, side="short", stop=Decimal(60600), target=Decimal(58800))
    embed = compose(notice("entry", entry_notice(short)), "paper")
    assert embed["color"] == RED
    assert "SHORT" in embed["title"]
    assert fields(embed)["Trigger → entry"] == "60,012.35", "without a trigger the entry stands alone"


@pytest.mark.parametrize(
    ("kind", "critical", "color"), [("feed_down", False, ORANGE), ("feed_up", False, GREEN), ("halt", True, RED)]
)
def test_an_alert_shows_its_text_in_its_color(kind: str, critical: bool, color: int) -> None:
    embed = compose(notice(kind, {"text": "silence for 30 s", "name": "7"}, critical=critical), "paper")
    assert (embed["description"], embed["color"]) == ("silence for 30 s", color)
    assert embed["title"] == kind.replace("_", " ").capitalize()


def test_a_doubtful_delivery_says_that_it_may_be_a_repeat() -> None:
    embed = compose(notice("entry", entry_notice(LONG), doubtful=True), "paper")
    assert embed["footer"]["text"] == "ATLAS paper · entry:x · possibly repeated"


def test_a_payload_that_cannot_be_formatted_is_sent_as_it_is() -> None:
    embed = compose(notice("entry", {"entry": "no number", "symbol": "BTC-USD"}), "paper")
    assert embed["title"] == "entry (unformatted)"
    assert "BTC-USD" in embed["description"]


def test_a_text_is_cut_between_characters_and_says_so() -> None:
    assert cut("😀" * 10, 5) == "😀😀…"
    assert cut("12345", 5) == "12345"
    assert length("😀") == 2


TEXT = st.builds(lambda text, times: text * times, st.text(max_size=40), st.sampled_from((1, 30, 200)))


def worded(kind: str, text: str, name: str) -> Notice:
    """A notice every word of which is arbitrary."""
    payload = {
        "text": text,
        "symbol": name,
        "setup": text,
        "reason": text,
        "continuity": {"score": name, "agree": [text]},
        "frames": [text],
        "since": name,
        "first_day": text,
        "last_day": name,
        "trades": 1,
        "wins": text,
        "losses": name,
        "net": "1",
        "fees": "1",
        "funding": "0",
        "open": text,
        "triggers": text,
        "rejections": {text: name},
    }
    return notice(kind, payload, key=name)


KINDS = st.sampled_from(["entry", "exit", "halt", "full_continuity", "daily_digest", "weekly_digest", "x" * 300])


@settings(max_examples=60, deadline=None)
@given(KINDS, TEXT, TEXT)
def test_whatever_is_written_discord_takes_it(kind: str, text: str, name: str) -> None:
    assert embed_fault({"embeds": [compose(worded(kind, text, name), "paper")]}) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(worded, KINDS, TEXT, TEXT), min_size=1, max_size=12))
def test_whatever_is_told_together_discord_takes_it(notices: list[Notice]) -> None:
    shared = several(notices, "paper")
    assert embed_fault(shared.body) is None
    assert shared.notices == tuple(notices[: len(shared.embeds)])
    assert embed_fault(listed(notices, "paper").body) is None


def test_an_exit_says_that_it_was_settled_later_and_what_is_doubtful_about_it() -> None:
    settled = closed(exit_reason="stop", filled_while_down=True, ambiguous=True)
    shown = fields(compose(notice("exit", exit_notice(settled)), "paper"))
    assert shown["Reason"] == "stop, while ATLAS was down, ambiguous: stop and target in one candle"
