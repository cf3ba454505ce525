"""The listing as history reads it again and again: what changes is told, and one product's trouble is its own."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.history import HistoryActor, HistoryState, ListProducts
from actors.history_listing import GONE
from actors.messages import Alert, ProductsListed
from actors.runtime.behaviour import AfterWall, Effect, Send
from atlas.exchange.rest import Rest
from atlas.market.product import Product
from tests.exchange.test_rest_listing import FUTURE, SPOT, changed
from tests.fakes.rest_server import Reply, Request, RestServer, of_json

XYP, XYZ = "XYP-20DEC30-CDE", "XYZ-USD"
NOON = datetime(2030, 12, 1, 12, tzinfo=UTC)
NOT_FOUND = Reply(404, json.dumps({"error": "NOT_FOUND", "message": "Product not supported"}).encode())


class Venue:
    """An exchange whose clock and listing the test sets."""

    def __init__(self) -> None:
        self.now = NOON
        self.listed: dict[str, dict[str, Any] | Reply] = {XYP: FUTURE, XYZ: SPOT}

    def answer(self, request: Request) -> Reply:
        """Answer a request."""
        if request.path.endswith("/time"):
            return of_json({"iso": f"{self.now:%Y-%m-%dT%H:%M:%SZ}"})
        if request.path.endswith("/candles"):
            return of_json({"candles": []})
        found = self.listed[request.path.rpartition("/")[2]]
        return found if isinstance(found, Reply) else of_json(found)


class Reader:
    """A history actor, whose steps are carried out at once; `told` is what it sent, `next` its next reading."""

    def __init__(self, url: str, state: HistoryState | None, **more: Any) -> None:
        def connect() -> Rest:
            return Rest(url, rate=500.0, wait=lambda seconds: None)

        self.actor = HistoryActor((XYP, XYZ), {}, connect, jitter=lambda: 1.0, state=state, **more)
        self.told: list[Any] = []
        self.next: AfterWall | None = None
        self.carry(self.actor.start(NOON))

    def carry(self, effects: Iterator[Effect]) -> None:
        """Carry effects out until nothing is left to do at once."""
        waiting = list(effects)
        while waiting:
            match waiting.pop(0):
                case Send(to="history", message=message):
                    waiting.extend(self.actor.receive(NOON, message))
                case Send(message=message):
                    self.told.append(message)
                case AfterWall(message=ListProducts()) as timer:
                    self.next = timer

    def again(self) -> None:
        """Let the time of the next reading come; forget what was told."""
        assert self.next is not None
        self.told.clear()
        self.carry(self.actor.receive(NOON, self.next.message))

    @property
    def products(self) -> dict[str, Product]:
        """The products last listed."""
        return {product.id: product for product in self.of(ProductsListed)[-1].products}

    def of(self, kind: type) -> list[Any]:
        """What was told of one kind."""
        return [message for message in self.told if isinstance(message, kind)]

    @property
    def alerts(self) -> list[tuple[str, str, bool]]:
        """Kind, name and whether it is critical, of every alert."""
        return [(alert.kind, alert.name, alert.critical) for alert in self.of(Alert)]


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def reader(venue: Venue) -> Iterator[Callable[..., Reader]]:
    """Return what starts a reader of the venue."""
    made: list[Reader] = []
    with RestServer(venue.answer) as server:

        def start(state: HistoryState | None = None, **more: Any) -> Reader:
            made.append(Reader(server.url, state, **{"expiry_days": 0, **more}))
            return made[-1]

        yield start
        for each in made:
            each.actor.stop()


def test_every_reading_is_handed_on_with_the_exchanges_time(venue: Venue, reader: Callable[..., Reader]) -> None:
    made = reader()
    assert {product.as_of for product in made.products.values()} == {NOON}
    venue.now += timedelta(minutes=58)
    venue.listed[XYP] = changed(FUTURE, "future_product_details.funding_rate", "0.00002")
    made.again()
    assert {product.as_of for product in made.products.values()} == {NOON + timedelta(minutes=58)}
    assert made.products[XYP].funding_rate == Decimal("0.00002")
    assert made.alerts == []


def test_a_change_is_told_once(venue: Venue, reader: Callable[..., Reader]) -> None:
    made = reader()
    venue.now += timedelta(minutes=58)
    venue.listed[XYP] = changed(FUTURE, "price_increment", "1")
    made.again()
    assert made.alerts == [("listing", f"{XYP}:20301201T125800:0", True)]
    assert "lists the tick 1, it was 0.5" in made.of(Alert)[0].text
    made.again()
    assert made.alerts == []


def test_what_changed_while_atlas_was_down_is_told_at_the_start(venue: Venue, reader: Callable[..., Reader]) -> None:
    before = reader().products
    venue.listed[XYP] = changed(FUTURE, "future_product_details.contract_size", "0.2")
    made = reader(HistoryState(known=before))
    assert ["lists the contract size 0.2, it was 0.1" in alert.text for alert in made.of(Alert)] == [True]


@pytest.mark.parametrize("answer", [NOT_FOUND, changed(FUTURE, "future_product_details.contract_size", "")])
def test_a_product_no_longer_listed_is_suspended_and_keeps_the_others_from_nothing(
    venue: Venue, reader: Callable[..., Reader], answer: Any
) -> None:
    made = reader()
    venue.listed[XYP] = answer
    made.again()
    assert list(made.products) == [XYZ, XYP]
    assert (made.products[XYP].suspended, made.products[XYP].contract_size) == (GONE, Decimal("0.1"))
    assert made.products[XYZ].suspended == ""
    assert {alert.critical for alert in made.of(Alert)} == {True}
    assert any(XYP in alert.text and "exchange.products" in alert.text for alert in made.of(Alert))
    assert made.next == AfterWall(60.0, ListProducts())
    made.again()
    assert made.alerts == [("listing", f"{XYP}:refused:20301201", True)]  # The same name: the journal has it already.
    venue.listed[XYP] = FUTURE
    made.again()
    assert made.products[XYP].suspended == ""
    assert [alert.text for alert in made.of(Alert)] == [f"{XYP}: trading goes on again"]


def test_a_product_never_listed_is_left_out_and_told(venue: Venue, reader: Callable[..., Reader]) -> None:
    venue.listed[XYP] = NOT_FOUND
    made = reader()
    assert list(made.products) == [XYZ]
    assert made.alerts == [("listing", f"{XYP}:refused:20301201", True)]


def test_an_expiry_is_told_once_a_day_by_its_name(venue: Venue, reader: Callable[..., Reader]) -> None:
    made = reader(expiry_days=30)
    assert made.alerts == [("expiry", f"{XYP}:20301201", False)]
    assert "expires in 19 days" in made.of(Alert)[0].text
    made.again()
    assert made.alerts == [("expiry", f"{XYP}:20301201", False)]
    venue.now += timedelta(days=1)
    made.again()
    assert made.alerts == [("expiry", f"{XYP}:20301202", False)]


def test_what_is_known_survives_a_crash(venue: Venue, reader: Callable[..., Reader]) -> None:
    made = reader()
    state = msgspec.json.decode(msgspec.json.encode(made.actor.state), type=HistoryState)
    venue.listed[XYZ] = changed(SPOT, "price_increment", "0.1")
    assert ["lists the tick 0.1" in alert.text for alert in reader(state).of(Alert)] == [True]
