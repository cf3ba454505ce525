"""Leases: which of several daemons may enter a product, and what becomes of it when one is gone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text

from atlas.errors import DatabaseError, SetupTaken
from db.leases import Leases, Waits
from db.lock import AccountLock
from db.models import ClaimRow, EventRow, LeaseRow, PositionRow
from db.spool import Spool
from db.store import Store
from db.writer import Writer
from tests.db import story
from tests.db.conftest import HOLDER
from tests.db.story import Trade
from tests.db.test_writer import batches

PRODUCTS = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
BIP, ETP = PRODUCTS
NEVER = Waits(timedelta(days=1), timedelta(days=1))
AT_ONCE = Waits(timedelta(0), timedelta(0))


class Shards:
    """Makes the shards of a test, and lets go of them at its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[Leases] = []

    def __call__(self, account: str, prefers: tuple[str, ...] = (), waits: Waits = NEVER) -> Leases:
        made = Leases(self.url, "main", account, PRODUCTS, prefers, waits)
        self.made.append(made)
        return made


@pytest.fixture
def shard(database_url: str) -> Iterator[Shards]:
    shards = Shards(database_url)
    yield shards
    for made in shards.made:
        made.release()


def end_lease_connections(engine: Engine) -> None:
    """End every session of this database that holds an advisory lock."""
    ended = text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        connection.execute(ended)


def wait_age(engine: Engine, age: timedelta) -> None:
    """Make every lease look as if it had last been renewed so long ago."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE leases SET renewed_at = renewed_at - :age"), {"age": age})


def fences(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(LeaseRow.fence).order_by(LeaseRow.symbol)).scalars())


def test_each_takes_what_it_prefers(shard: Shards) -> None:
    one, two = shard("one", (BIP,)), shard("two", (ETP,))
    assert (one.renew(), two.renew()) == ((BIP,), (ETP,))
    assert (one.renew(), two.renew()) == ((BIP,), (ETP,))


def test_without_a_preference_the_first_has_all_and_the_second_none(shard: Shards) -> None:
    assert shard("one").renew() == PRODUCTS
    assert shard("two").renew() == ()


def test_groups_do_not_know_of_one_another(database_url: str, shard: Shards) -> None:
    shard("one").renew()
    other = Leases(database_url, "another", "two", PRODUCTS)
    shard.made.append(other)
    assert other.renew() == PRODUCTS


def test_a_dead_shards_products_are_taken_over_only_once_it_has_surely_stopped(shard: Shards, engine: Engine) -> None:
    one = shard("one", (BIP,))
    two = shard("two", (ETP,), Waits(stand_in=timedelta(days=1)))
    assert (one.renew(), two.renew()) == ((BIP,), (ETP,))
    one._drop()  # as kill -9 does: the locks are free, the row still says who held them
    assert two.renew() == (ETP,)
    wait_age(engine, timedelta(seconds=11))
    assert two.renew() == (ETP,)
    wait_age(engine, timedelta(seconds=13))
    assert two.renew() == PRODUCTS


def test_a_takeover_raises_the_fence(shard: Shards, engine: Engine) -> None:
    shard("one").renew()
    assert fences(engine) == [1, 1]
    shard.made[0]._drop()
    assert shard("two", waits=AT_ONCE).renew() == PRODUCTS
    assert fences(engine) == [2, 2]


def test_who_loses_the_connection_for_a_moment_comes_back(shard: Shards, engine: Engine) -> None:
    one, two = shard("one"), shard("two", waits=Waits())
    one.renew()
    end_lease_connections(engine)
    with pytest.raises(DatabaseError):
        one.renew()
    assert two.renew() == ()
    assert one.renew() == PRODUCTS


def test_who_was_overtaken_while_away_gets_nothing_back(shard: Shards, engine: Engine) -> None:
    one, two = shard("one"), shard("two", waits=AT_ONCE)
    one.renew()
    end_lease_connections(engine)
    assert two.renew() == PRODUCTS
    with pytest.raises(DatabaseError):
        one.renew()
    assert one.renew() == ()


def test_a_stand_in_gives_back_what_another_prefers_and_stops_entering_first(shard: Shards, engine: Engine) -> None:
    one = shard("one", (ETP,), Waits())
    assert one.renew() == (ETP,)
    wait_age(engine, timedelta(seconds=61))
    assert one.renew() == PRODUCTS
    two = shard("two", (BIP,))
    assert two.renew() == ()
    assert one.renew() == (ETP,), "not entered any more, but not given back either"
    assert two.renew() == ()
    assert one.renew() == (ETP,)
    assert two.renew() == (BIP,)


def test_what_was_given_up_in_order_waits_for_who_prefers_it(shard: Shards, engine: Engine) -> None:
    one, two = shard("one", (BIP,)), shard("two", (ETP,), Waits())
    one.renew()
    two.renew()
    one.release()
    assert two.renew() == (ETP,)
    assert shard("one again", (BIP,)).renew() == (BIP,)
    shard.made[-1].release()
    wait_age(engine, timedelta(seconds=61))
    assert two.renew() == PRODUCTS


# ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rival(engine: Engine, database_url: str) -> Iterator[Writer]:
    """A writer of another account of the group."""
    held = AccountLock(database_url, "rival", HOLDER)
    yield Writer(engine, "rival", held.acquire(), "main")
    held.release()


def test_a_setup_is_entered_by_one_shard_of_a_group(engine: Engine, lock: AccountLock, rival: Writer) -> None:
    rival.write(batches(Trade()))
    ours = Writer(engine, "paper", lock.fence, "main")
    with pytest.raises(SetupTaken, match="has been entered by account 'rival' of group 'main'"):
        ours.write(batches(Trade()))
    with engine.connect() as connection:
        assert connection.execute(select(EventRow.id).where(EventRow.account == "paper")).first() is None
        assert set(connection.execute(select(PositionRow.account)).scalars()) == {"rival"}


def test_accounts_without_a_group_do_not_mind(engine: Engine, writer: Writer, rival: Writer) -> None:
    rival.write(batches(Trade()))
    assert writer.write(batches(Trade())).events > 0


def test_the_same_entry_again_is_our_own(engine: Engine, lock: AccountLock) -> None:
    ours = Writer(engine, "paper", lock.fence, "main")
    ours.write(batches(Trade()))
    assert ours.write(batches(Trade())).events == 0
    with engine.connect() as connection:
        assert connection.execute(select(ClaimRow.account)).scalars().all() == ["paper"]


def test_spooled_events_of_a_setup_that_was_taken_are_set_aside(
    engine: Engine, lock: AccountLock, rival: Writer, tmp_path
) -> None:
    told = batches(Trade())
    rival.write(told)
    store = Store(
        Writer(engine, "paper", lock.fence, "main"), Spool(tmp_path / "s"), sync=lambda _: None, renew=lock.renew
    )
    store.spool(told[:-1])
    store.spool(told[-1:])
    store.recover()
    assert store.spool_empty
    (aside,) = store.taken_aside()
    assert "has been entered by account 'rival'" in aside
    assert str(tmp_path / "s") in aside
    assert store.taken_aside() == ()
    assert (tmp_path / f"s.refused-{lock.fence}").stat().st_size > 0
    with engine.connect() as connection:
        assert connection.execute(select(EventRow.id).where(EventRow.account == "paper")).first() is None
    store.close()


def test_a_shard_learns_which_setups_the_others_have_entered(shard: Shards, rival: Writer) -> None:
    position = story.position(Trade().setup)
    rival.write(batches(Trade()))
    one = shard("one")
    assert one.entered((position.symbol,), position.entry_time) == {position.id: position.entry_bar_end}
    assert one.entered((position.symbol,), datetime(2100, 1, 1, tzinfo=UTC)) == {}
    assert one.entered(("OTHER",), position.entry_time) == {}
