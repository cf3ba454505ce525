"""A scan decides as the daemon does: the same candles, the same setups, the same use of a trigger already taken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.history import HistoryActor, closed_wanted
from actors.messages import FrameBars, History
from actors.runtime.behaviour import Send
from actors.scanner import frames_needed
from atlas.cli.scan import Continuity, Found, load, setups_now
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.exchange.rest import Rest
from atlas.market.bar import Bar
from atlas.market.timeframes import period
from atlas.rules import Rules, StratRules
from atlas.strat.context import Context
from tests.cli.command import Commands
from tests.cli.conftest import PRODUCTS
from tests.exchange.local.scene import START

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
RULES = Rules(strat=StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), 1)}))
HOUR = timedelta(hours=1)


def bar(hours_ago: int, high: str, low: str, close: str, timeframe: str = "1h") -> Bar:
    """A bar that opened in the middle of its range, so many hours (or days) before noon's."""
    length = HOUR if timeframe == "1h" else timedelta(days=1)
    opened = (NOON if timeframe == "1h" else NOON.replace(hour=0)) - hours_ago * length
    middle = (Decimal(high) + Decimal(low)) / 2
    return Bar(timeframe, opened, opened + length, middle, Decimal(high), Decimal(low), Decimal(close), Decimal(5))


def history(forming: Bar | None, as_of: datetime = NOON + HOUR / 2) -> History:
    """Hours 2U then 1, so that `2U-1-?` waits at 108 and 104 from noon on; the day opened at 100."""
    closed = (bar(3, "105", "100", "104"), bar(2, "110", "102", "108"), bar(1, "108", "104", "106"))
    # One market: every timeframe has the same last price.
    day = bar(0, "112", "88", str((forming or closed[-1]).close), "1d")
    return History(
        "X", as_of, (FrameBars("1h", closed, forming), FrameBars("1d", (bar(1, "99", "90", "95", "1d"),), day))
    )


def found(forming: Bar | None, as_of: datetime = NOON + HOUR / 2) -> dict[str, Found]:
    """Return the setups by side."""
    return {row.side: row for row in setups_now(history(forming, as_of), RULES)}


def test_both_sides_of_an_inside_bar_wait_at_their_levels() -> None:
    sides = found(bar(0, "107", "105", "106.5"))
    assert {side: row.status for side, row in sides.items()} == {"long": "waiting", "short": "waiting"}
    long, short = sides["long"], sides["short"]
    assert (long.setup, long.family, long.setup_time) == ("2U-1-?", "2-1", NOON - HOUR)
    assert (long.valid_from, long.valid_until) == (NOON, NOON + HOUR)
    assert [long.trigger, long.stop, long.target] == [108, 102, 110]
    assert [short.trigger, short.stop, short.target] == [104, 110, 102]


def test_distance_is_from_the_last_price_to_the_trigger() -> None:
    sides = found(bar(0, "107", "105", "106.4"))
    assert (sides["long"].price, sides["long"].distance) == (Decimal("106.4"), Decimal("1.6"))
    assert (sides["short"].price, sides["short"].distance) == (Decimal("106.4"), Decimal("2.4"))
    assert abs(sides["long"].distance_percent - Decimal("1.6") / Decimal("106.4") * 100) < Decimal("1e-9")


def test_without_a_trade_in_the_period_the_last_close_is_the_price() -> None:
    assert found(None)["long"].price == 106


def test_continuity_is_measured_now_for_each_side() -> None:
    sides = found(bar(0, "107", "105", "106.5"))  # above the day's open, 100, and the hour's, 106
    assert (sides["long"].continuity.score, sides["long"].continuity.agree) == ("2/2", ("1d", "1h"))
    assert (sides["short"].continuity.score, sides["short"].continuity.disagree) == ("0/2", ("1d", "1h"))


@pytest.mark.parametrize(
    ("forming", "long", "short"),
    [
        (bar(0, "108", "104", "106"), "waiting", "waiting"),
        (bar(0, "108.5", "105", "106"), "triggered", "invalidated"),
        (bar(0, "107", "103.5", "106"), "invalidated", "triggered"),
    ],
)
def test_trigger_taken_since_the_close_uses_the_setup_up(forming: Bar, long: str, short: str) -> None:
    assert {side: row.status for side, row in found(forming).items()} == {"long": long, "short": short}


def test_setup_whose_entry_bar_is_over_is_not_listed() -> None:
    assert found(None, NOON + HOUR - timedelta(seconds=1))
    assert found(None, NOON + HOUR) == {}


@pytest.fixture(scope="module")
def standing() -> Iterator[LocalExchange]:
    """Return an exchange whose market stands still, so that two looks at it see the same."""
    options = ExchangeOptions(ws_port=0, rest_port=0, hold=True, rest_limit=500, rest_burst=500)
    with LocalExchange(SyntheticMarket(listed(PRODUCTS), START * 10**9, seed=5), options) as exchange:
        yield exchange


def test_candles_are_those_the_daemons_history_loads(standing: LocalExchange) -> None:
    rules = Rules()

    def connect() -> Rest:
        return Rest(standing.rest_url, rate=100)

    actor = HistoryActor(PRODUCTS[:1], closed_wanted(frames_needed(rules.strat)), connect, jitter=lambda: 0.5)
    waiting: list[Any] = list(actor.start(NOON))
    loaded: History | None = None
    while loaded is None:
        match waiting.pop(0):
            case Send(message=History() as found_by_actor):
                loaded = found_by_actor
            case Send(to="history", message=step):
                waiting += actor.receive(NOON, step)
    actor.stop()
    rest = connect()
    scanned = load(rest, PRODUCTS[0], rules)
    rest.close()
    assert scanned.frames == loaded.frames
    assert scanned.as_of == loaded.as_of
    assert all(frame.closed for frame in scanned.frames)


def test_nearest_comes_first_and_the_table_names_product_side_and_continuity(
    standing: LocalExchange, commands: Commands
) -> None:
    rest, rules = Rest(standing.rest_url, rate=100), Rules()
    rows = [row for product in PRODUCTS for row in setups_now(load(rest, product, rules), rules)]
    rest.close()
    assert len({row.symbol for row in rows}) == 2
    ended = commands("scan", "--set", f"exchange.rest_url={standing.rest_url}")
    assert ended.code == 0, ended.err
    shown = [line.split()[:4] for line in ended.out.splitlines()[1:]]
    nearest = sorted(rows, key=lambda row: (row.distance_percent, row.id))
    assert shown == [[row.symbol, row.timeframe, row.setup, row.side] for row in nearest]


def test_options_choose_products_and_timeframes(standing: LocalExchange, commands: Commands) -> None:
    only = ("--products", PRODUCTS[1], "--timeframes", "4h,1d", "--json")
    ended = commands("scan", *only, "--set", f"exchange.rest_url={standing.rest_url}")
    assert ended.code == 0, ended.err
    assert {row["symbol"] for row in ended.json} == {PRODUCTS[1]}
    assert {row["timeframe"] for row in ended.json} <= {"4h", "1d"}
    assert tuple(ended.json[0]) == Found.__struct_fields__


# ── labels, full continuity ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_labels_of_the_setup_bar_are_listed_with_their_names() -> None:
    """The setup bar, 104 to 108, is inside the one before it; the day's 112 and 88 are no hours."""
    long = found(bar(0, "107", "105", "106.5"))["long"]
    assert long.context.mother_high == 110
    assert "inside-mother" in long.labels
    assert long.context.ladder == ()


def test_independent_opens_and_full_continuity_are_of_now() -> None:
    rules = Rules(strat=StratRules(timeframes=("1h",), continuity={"1h": (("1d", "1h"), 1)}))
    closed = (bar(3, "105", "100", "104"), bar(2, "110", "102", "108"), bar(1, "108", "104", "106"))
    for last, side in (("107.5", "long"), ("106.5", None)):
        hour = Bar("1h", NOON, NOON + HOUR, Decimal("107"), Decimal("107.9"), Decimal("106"), Decimal(last), Decimal(5))
        days = {name: Bar(name, *period(name, NOON), Decimal(100), Decimal(112), Decimal(88), Decimal(last), Decimal(9))
                for name in ("1d", "1w", "1M")}  # fmt: skip
        frames = (FrameBars("1h", closed, hour), *(FrameBars(name, (), one) for name, one in days.items()))
        rows = list(setups_now(History("X", NOON + HOUR / 2, frames), rules))
        assert {row.continuity.full for row in rows} == {side}
        assert {row.continuity.opens for row in rows} == {2}


def test_only_setups_with_all_the_labels_asked_for_are_listed(standing: LocalExchange, commands: Commands) -> None:
    at = ("--set", f"exchange.rest_url={standing.rest_url}", "--timeframes", "15m,1h,4h,1d", "--json")
    every = commands("scan", *at).json
    names = sorted({name for row in every for name in row["labels"]})
    assert names
    for asked in ([names[0]], names[:2]):
        some = commands("scan", "--label", ",".join(asked), *at).json
        assert some == [row for row in every if set(asked) <= set(row["labels"])]


def test_a_label_there_is_not_is_refused_before_anything_is_asked(commands: Commands) -> None:
    ended = commands("scan", "--label", "hamer", "--set", "exchange.rest_url=http://127.0.0.1:9")
    assert ended.code == 2
    assert "hamer: there is no such label; use some of in-force, failed-2, hammer" in ended.err


def test_the_help_names_every_key_of_the_json(commands: Commands) -> None:
    said = commands("scan", "--help").out.replace("\n", " ").split("JSON keys:")[1]
    keys = {word.strip("{}.") for word in said.split("Options:")[0].split()}
    assert keys == {*Found.__struct_fields__, *Continuity.__struct_fields__, *Context.__struct_fields__}
