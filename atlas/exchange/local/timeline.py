"""The order of everything the exchange sends, on its own time axis. No socket, no machine clock.

Each step goes to the next instant at which something happens and returns what is published there:

* a trade: its ticker (and level2 change) at once, stamped with its own time. Further matches before the batch is cut
  are a cascade: their tickers follow the batch;
* the trades of up to 250 ms in one batch, cut on multiples of 250 ms, and before every heartbeat;
* heartbeats on whole multiples of their period, counted from the market's start;
* the forming 5-minute candle at the next whole second after a trade, and once more when the next candle opens;
* `ticker_batch` on whole multiples of 5 s where something traded.

**No frame is stamped later than a trade still to be sent**: a batch is stamped within the microsecond before its cut,
which is at or after its newest trade; anything sent while a batch is pending is stamped no later than its oldest trade.
"""

from msgspec.structs import replace

from atlas.exchange.local import frames
from atlas.exchange.local.instants import NS, US
from atlas.exchange.local.market import Market, MarketTrade
from atlas.exchange.local.products import ListedProduct
from atlas.exchange.local.publications import Heartbeat, ProductPublication, Publication, TradesPublication
from atlas.exchange.local.tape import Tape

BATCH = 250_000_000
CANDLE_SECONDS = 300
TICKER_BATCH = 5 * NS
LAST_HEARTBEAT = 5 * NS
"""After a played market's end a last heartbeat is stamped, so that its last bars close by market time."""
FIRST_COUNTER = 1000


def heartbeat_period(speed: float) -> int:
    """Return the exchange's nanoseconds from one heartbeat to the next: about two a wall second, 1 s at speed 1."""
    return max(1, int(speed / 2 + 0.5)) * NS


def jitter(instant: int) -> int:
    """Return 0 … 999 ns that depend on nothing but the instant: what stamps vary by."""
    return (instant // US * 2_654_435_761 >> 8) % US


class Timeline:
    """The market's clock, and what it publishes as it moves."""

    def __init__(self, market: Market, *, heartbeat_every: int = NS) -> None:
        """`heartbeat_every` is in nanoseconds of exchange time, a whole number of seconds."""
        self.market = market
        self.tapes = {name: Tape(market, product) for name, product in market.products.items()}
        self.now = market.start
        self.finished = False
        self.trades_sent = 0
        self._trades = market.trades()
        self._next: MarketTrade | None = next(self._trades, None)
        self._pending: list[tuple[MarketTrade, ListedProduct]] = []
        self._cut_at: int | None = None
        self._held: dict[str, None] = {}
        self._candles: dict[str, None] = {}
        self._candles_at: int | None = None
        self._batched: dict[str, None] = {}
        self._batch_at: int | None = None
        self._unprinted: dict[str, int] = {}
        self._heartbeat_every = heartbeat_every
        self._heartbeat_at = market.start + heartbeat_every
        self._counter = FIRST_COUNTER

    def next_instant(self) -> int | None:
        """Return when the next step happens; None once the market has ended."""
        if self.finished:
            return None
        times = [self._heartbeat_at]
        if self._next is not None:
            times.append(self._next.time)
        times += [at for at in (self._cut_at, self._candles_at, self._batch_at) if at is not None]
        end = self.market.end
        return min(times) if end is None else min(*times, end + LAST_HEARTBEAT)

    def stamp(self) -> int:
        """Return the stamp of a frame sent between two steps (a snapshot, an acknowledgement)."""
        if self._pending:
            return min(self.now, self._pending[0][0].time)
        latest = self.now + jitter(self.now)
        return min(latest, max(self.now, self._next.time)) if self._next is not None else latest

    def idle_heartbeat(self) -> Heartbeat:
        """Return a heartbeat for while the clock stands still."""
        self._counter += 1
        return Heartbeat(self.now if self.finished else self.stamp(), self._counter)

    def printed(self, product_id: str, most: int) -> list[MarketTrade]:
        """Return a product's latest trades, oldest first, without those whose batch is still to be sent."""
        pending = sum(trade.product_id == product_id for trade, _ in self._pending)
        found = self.tapes[product_id].recent(most + pending)
        return found[: len(found) - pending][-most:]

    def step(self) -> list[Publication]:
        """Move the clock to the next instant and return what is published there, in order."""
        now = self.next_instant()
        if now is None:
            return []
        self.now = now
        published: list[Publication] = []
        if self._cut_at == now:
            published += self._cut(now - US + jitter(now))
        if self._next is not None and self._next.time == now:
            published += self._match(now)
        if self._candles_at == now:
            published += [self._candle(name, now) for name in self._candles]
            self._candles, self._candles_at = {}, None
        if self._batch_at == now:
            published += [self._ticker_batch(name, now) for name in self._batched]
            self._batched, self._batch_at = {}, None
        ends = self.market.end is not None and now == self.market.end + LAST_HEARTBEAT
        if self._heartbeat_at == now or ends:
            published += self._cut(now if ends else now + jitter(now))
            published += self._heartbeat(now if ends else now + jitter(now))
            self.finished = ends
        return published

    def _match(self, now: int) -> list[Publication]:
        """Take in the trades of this instant."""
        published: list[Publication] = []
        cascade = bool(self._pending)
        matched: dict[str, None] = {}
        while self._next is not None and self._next.time == now:
            trade = self._next
            self._next = next(self._trades, None)
            tape = self.tapes[trade.product_id]
            if tape.halt:
                self._unprinted[trade.product_id] = self._unprinted.get(trade.product_id, 0) + 1
                continue
            if self._unprinted:  # what was never printed has no id: those after it follow without a hole
                trade = replace(trade, trade_id=trade.trade_id - self._unprinted.get(trade.product_id, 0))
            if self._opens_candle(tape, now):
                published.append(self._candle(trade.product_id, self._no_later(now)))
            tape.record(trade)
            self._pending.append((trade, tape.product))
            matched[trade.product_id] = None
        if not matched:
            return published
        if self._cut_at is None:
            self._cut_at = (now // BATCH + 1) * BATCH
        if self._candles_at is None:
            self._candles_at = (now // NS + 1) * NS
        if self._batch_at is None:
            self._batch_at = (now // TICKER_BATCH + 1) * TICKER_BATCH
        self._candles.update(matched)
        self._batched.update(matched)
        if cascade:
            self._held.update(matched)
            return published
        return published + [entry for name in matched for entry in self._quote(name, now, now)]

    def _cut(self, stamp: int) -> list[Publication]:
        """Send the pending batch, then the quotes of its cascade."""
        if not self._pending:
            return []
        published: list[Publication] = [TradesPublication(stamp, self._pending)]
        self.trades_sent += len(self._pending)
        event_time = self._pending[-1][0].time
        published += [entry for name in self._held for entry in self._quote(name, stamp, event_time)]
        self._pending, self._held, self._cut_at = [], {}, None
        return published

    def _quote(self, name: str, stamp: int, event_time: int) -> list[Publication]:
        """Publish a product's book and ticker, the book first."""
        tape = self.tapes[name]
        published: list[Publication] = []
        book = tape.kept_book
        if book is not None:
            changes = book.take_changes()
            if changes:
                published.append(
                    ProductPublication(
                        "level2", stamp, name, lambda: frames.level2("update", tape.product, changes, event_time)
                    )
                )
        published.append(self._ticker(name, stamp))
        return published

    def _heartbeat(self, stamp: int) -> list[Publication]:
        self._heartbeat_at = self.now + self._heartbeat_every
        self._counter += 1
        quiet = [name for name, tape in self.tapes.items() if not tape.quoted(self.now) and tape.halt != "delisted"]
        # In the break the exchange keeps sending tickers, with empty quotes (coinbase.md 0, fact 12).
        return [Heartbeat(stamp, self._counter), *(self._ticker(name, stamp) for name in quiet)]

    def _ticker(self, name: str, stamp: int) -> Publication:
        tape, now = self.tapes[name], self.now
        return ProductPublication("ticker", stamp, name, lambda: frames.ticker("update", tape, now))

    def _ticker_batch(self, name: str, stamp: int) -> Publication:
        tape, now = self.tapes[name], self.now
        return ProductPublication("ticker_batch", stamp, name, lambda: frames.ticker_batch("update", [tape], now))

    def _candle(self, name: str, stamp: int) -> Publication:
        tape = self.tapes[name]
        start = tape.last.time // NS // CANDLE_SECONDS * CANDLE_SECONDS

        def write() -> str:
            return frames.candles("update", tape.product, tape.history.candles(CANDLE_SECONDS, start, start))

        return ProductPublication("candles", stamp, name, write)

    def _opens_candle(self, tape: Tape, now: int) -> bool:
        """Tell whether a trade now opens a candle while the one before still has changes to show."""
        length = CANDLE_SECONDS * NS
        return tape.product.product_id in self._candles and tape.last.time // length < now // length

    def _no_later(self, instant: int) -> int:
        return min(instant, self._pending[0][0].time) if self._pending else instant
