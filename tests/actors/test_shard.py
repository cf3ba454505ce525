"""A shard enters the products it holds the lease of, and nothing that another shard has entered."""

from datetime import timedelta

from actors.messages import Leased, PositionClosed, PositionOpened, Rejected
from actors.system_shard import Shard
from tests.actors.positions import closed, entered, gates
from tests.actors.scene import BIP, Scene, at, rules_with


def triggered_with(*leased: Leased) -> Scene:
    scene = Scene(rules=rules_with())
    for message in leased:
        scene.run(message)
    scene.trade(61000, at(1))
    scene.trade(61600, at(5))
    return scene


def test_without_the_lease_a_trigger_is_rejected_and_says_so() -> None:
    scene = triggered_with(Leased(()))
    assert gates(scene) == ["halted"]
    assert scene.one(Rejected).value == f"lease: {BIP} is another shard's, or nobody's yet"


def test_with_the_lease_it_is_entered() -> None:
    assert len(triggered_with(Leased(()), Leased((BIP,))).events(PositionOpened)) == 1


def test_a_setup_rejected_without_the_lease_is_not_entered_with_it() -> None:
    scene = triggered_with(Leased(()))
    scene.run(Leased((BIP,)))
    scene.trade(61700, at(6))
    assert scene.events(PositionOpened) == []


def test_a_setup_that_another_shard_has_entered_is_not_entered_again() -> None:
    name = triggered_with().one(PositionOpened).position.id
    scene = triggered_with(Leased(()), Leased((BIP,), {name: at(60)}))
    assert gates(scene) == ["already_triggered"]


def test_a_lost_lease_keeps_no_exit_from_happening() -> None:
    scene = entered(rules=rules_with())
    scene.run(Leased(()))
    scene.trade(58000, at(7))
    assert closed(scene).exit_reason == "stop"
    assert len(scene.events(PositionClosed)) == 1


class FakeLeases:
    """Leases that are granted or fail as the test says."""

    def __init__(self) -> None:
        self.granted: tuple[str, ...] | Exception = (BIP,)

    def renew(self) -> tuple[str, ...]:
        if isinstance(self.granted, Exception):
            raise self.granted
        return self.granted

    def entered(self, symbols, now):
        return {f"{symbol}:entered": now + timedelta(hours=1) for symbol in symbols}


class Watched:
    """A shard on a clock of the test's own, and what it told the core."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[Leased] = []
        self.leases = FakeLeases()
        self.shard = Shard(self.leases, self, lambda: self.now)  # type: ignore[arg-type]  # stands in for both

    def send(self, sender: str, to: str, message: Leased) -> None:
        assert to == "risk_monitor"
        self.told.append(message)


def test_the_core_is_told_of_changes_only_and_of_what_others_have_entered() -> None:
    watched = Watched()
    for _ in range(3):
        watched.shard.renew()
    assert [message.products for message in watched.told] == [(BIP,)]
    assert list(watched.told[0].entered) == [f"{BIP}:entered"]


def test_ten_seconds_after_the_last_renewal_began_nothing_is_entered_any_more() -> None:
    watched = Watched()
    watched.shard.renew()
    watched.now += 10
    watched.shard.look()
    assert len(watched.told) == 1
    watched.now += 0.1
    watched.shard.look()
    watched.shard.look()
    assert [message.products for message in watched.told] == [(BIP,), ()]


def test_a_renewal_after_that_gives_it_back() -> None:
    watched = Watched()
    watched.shard.renew()
    watched.now += 11
    watched.shard.look()
    watched.shard.renew()
    assert [message.products for message in watched.told] == [(BIP,), (), (BIP,)]
