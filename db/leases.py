"""Leases: which of several daemons on one database may enter which product.

Each daemon (a shard: an account of its own) holds an advisory lock per product on one living connection, and renews a
row per product through it. The lock alone would pass to another as soon as the connection dies, while the daemon that
lost it may act for STOP_AFTER more: so a product is taken over only once its row is older than that. Ages are measured
by the database's clock alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
from sqlalchemy import URL, ColumnElement, Connection, and_, create_engine, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from db.engine import CONNECT_ARGS, normal, reported
from db.models import ClaimRow, LeaseRow
from db.silence import give_up_silence

STOP_AFTER = timedelta(seconds=10)
"""Without a renewal for so long a shard enters nothing more (architecture.md "Past one machine")."""
TAKE_AFTER = timedelta(seconds=12)
"""So old a row must be before another shard takes the product: STOP_AFTER and a margin."""
STAND_IN_AFTER = timedelta(seconds=60)
"""So long a product that was given up in order, or never held, waits for a shard that prefers it."""
PATIENCE = 4.0
"""Seconds the server may say nothing: less than half of STOP_AFTER, so that there is time for another try."""

_lock = text("SELECT pg_try_advisory_lock(:number)")
_unlock = text("SELECT pg_advisory_unlock(:number)")


class Waits(msgspec.Struct, frozen=True):
    """How long a product waits for another holder; see the module's constants."""

    take: timedelta = TAKE_AFTER
    stand_in: timedelta = STAND_IN_AFTER


class Leases:
    """The leases of one shard; used by one thread. `renew` again and again, `release` at the end."""

    def __init__(
        self,
        url: str | URL,
        group: str,
        account: str,
        products: Sequence[str],
        prefers: Sequence[str] = (),
        waits: Waits | None = None,
    ) -> None:
        """`prefers` are the products taken at once, all if it is empty; the others only where nobody else is there."""
        self.group, self.account = group, account
        self._url = normal(url)
        self._products = tuple(products)
        self._prefers = frozenset(prefers or products)
        self._waits = waits or Waits()
        # No pool: the locks live as long as their one connection.
        self._engine = create_engine(
            self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=CONNECT_ARGS
        )
        give_up_silence(self._engine, PATIENCE)
        self._connection: Connection | None = None
        self._held: set[str] = set()
        self._leaving: set[str] = set()

    def renew(self) -> tuple[str, ...]:
        """Renew what is held, take what is free, and return the products this shard may enter, in order.

        What another shard prefers is left out in one call and given back in the next, so that whoever enters by the
        answer has stopped before. Raises DatabaseError; what was held is then still held until STOP_AFTER.
        """
        with reported(self._url):
            try:
                connection = self._living()
                self._give(connection, self._leaving)
                wanted = self._renewed(connection)
                self._leaving = {symbol for symbol in wanted if symbol not in self._prefers}
                for symbol in self._products:
                    if symbol not in self._held and self._take(connection, symbol):
                        self._held.add(symbol)
            except DBAPIError:
                self._drop()
                raise
        return tuple(symbol for symbol in self._products if symbol in self._held - self._leaving)

    def entered(self, symbols: Sequence[str], now: datetime) -> dict[str, datetime]:
        """Return the setups of these products that any shard has entered → the end of their entry bar, if not yet past.

        Raises DatabaseError.
        """
        query = select(ClaimRow.setup, ClaimRow.until).where(
            ClaimRow.group == self.group, ClaimRow.symbol.in_(symbols), ClaimRow.until > now
        )
        with reported(self._url):
            return {row.setup: row.until for row in self._living().execute(query)}

    def release(self) -> None:
        """Give everything up. A database that is away is no error: the locks go with their connection."""
        try:
            if self._connection is not None:
                self._give(self._connection, set(self._held))
        except DBAPIError:
            # The rows are then not marked free: another shard waits TAKE_AFTER instead of taking what it prefers now.
            pass
        self._drop()
        self._engine.dispose()

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _living(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _drop(self) -> None:
        """The locks are gone with the connection; the rows still say who held them."""
        connection, self._connection = self._connection, None
        self._held, self._leaving = set(), set()
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _renewed(self, connection: Connection) -> set[str]:
        """Renew what is held; return what of it another shard wants back."""
        if not self._held:
            return set()
        renewed = (
            update(LeaseRow)
            .where(LeaseRow.group == self.group, LeaseRow.symbol.in_(self._held), LeaseRow.account == self.account)
            .values(renewed_at=func.clock_timestamp())
            .returning(LeaseRow.symbol, LeaseRow.wanted_by)
        )
        rows = connection.execute(renewed).all()
        self._held = {row.symbol for row in rows}
        return {row.symbol for row in rows if row.wanted_by is not None}

    def _take(self, connection: Connection, symbol: str) -> bool:
        preferred = symbol in self._prefers
        if not connection.execute(_lock, {"number": lock_number(self.group, symbol)}).scalar_one():
            if preferred:
                self._want(connection, symbol)
            return False
        seen = insert(LeaseRow).values(
            group=self.group, symbol=symbol, fence=0, renewed_at=func.clock_timestamp(), account=None, wanted_by=None
        )
        connection.execute(seen.on_conflict_do_nothing())
        taken = (
            update(LeaseRow)
            .where(LeaseRow.group == self.group, LeaseRow.symbol == symbol, self._free(preferred))
            .values(
                account=self.account, fence=LeaseRow.fence + 1, renewed_at=func.clock_timestamp(), wanted_by=None
            )
        )
        if connection.execute(taken).rowcount == 1:
            return True
        if preferred:
            self._want(connection, symbol)
        # Else who lost its connection for a moment could not come back.
        connection.execute(_unlock, {"number": lock_number(self.group, symbol)})
        return False

    def _free(self, preferred: bool) -> ColumnElement[bool]:
        """Ours of before; or its holder has been silent for long enough; or nobody's for long enough."""
        since = func.clock_timestamp() - LeaseRow.renewed_at
        nobody = LeaseRow.account.is_(None)
        return or_(
            LeaseRow.account == self.account,
            and_(nobody.is_(False), since > self._waits.take),
            nobody if preferred else and_(nobody, since > self._waits.stand_in),
        )

    def _want(self, connection: Connection, symbol: str) -> None:
        wanted = update(LeaseRow).where(
            LeaseRow.group == self.group,
            LeaseRow.symbol == symbol,
            LeaseRow.account != self.account,
            LeaseRow.wanted_by.is_distinct_from(self.account),
        )
        connection.execute(wanted.values(wanted_by=self.account))

    def _give(self, connection: Connection, symbols: set[str]) -> None:
        if not symbols:
            return
        given = update(LeaseRow).where(
            LeaseRow.group == self.group, LeaseRow.symbol.in_(symbols), LeaseRow.account == self.account
        )
        connection.execute(given.values(account=None, wanted_by=None, renewed_at=func.clock_timestamp()))
        for symbol in sorted(symbols):
            connection.execute(_unlock, {"number": lock_number(self.group, symbol)})
        self._held -= symbols


def lock_number(group: str, symbol: str) -> int:
    """Return the advisory lock's 64-bit number for a product of a group."""
    return int.from_bytes(sha256(f"atlas lease {group} {symbol}".encode()).digest()[:8], "big", signed=True)
