"""Runs in virtual time on a real Postgres: one crash at a random message of a random actor changes no row."""

import tempfile
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from sqlalchemy import Engine

from actors.past_market import Past, PastMarket
from actors.roles import Decider
from atlas.market.products import built_in
from atlas.market.trade_file import read_trades
from atlas.rules import AccountRules, ExitRules, GateRules, Rules, SizingRules, StratRules
from tests.fakes.discord_server import DiscordServer
from tests.faults.tables import contents, empty
from tests.soak.market import HISTORY, NAMES, START, written
from tests.soak.one_thread import ALERTER, Crash, Ran, play

D = Decimal
RULES = Rules(
    strat=StratRules(timeframes=("15m", "1h", "4h", "1d")),
    gates=GateRules(off=("magnitude", "fees", "reward_risk", "continuity")),
    sizing=SizingRules(
        position_policy="one_per_timeframe", max_open_positions=20, max_total_risk=D(1), daily_loss=D("0.2"),
        risk_share=D("0.005"),
    ),
    exits=ExitRules(scale_out=D("0.5"), break_even=D("0.5"), trail_after=D("0.7"), trail_distance=D("0.5"), max_bars=3),
    account=AccountRules(starting_equity=D(200_000)),
)  # fmt: skip
"""Every optional exit on, sizes of the equity: what one crash lost would show in everything after it."""
DECIDER = Decider(RULES, NAMES, "1")
OF_DELIVERY = ("attempts", "sent_at", "message_id", "last_progress")
"""When and in which attempt a notice went out is no part of what must be the same."""

Tables = dict[str, list[tuple[str, ...]]]


class Outcome(msgspec.Struct, frozen=True):
    """One run: where it crashed, what it traded, and the first row of each table that differs, in words."""

    crash: Crash
    triggers: int
    trades: int
    ledger: int
    outbox: int
    differences: tuple[str, ...]


def market(seed: int, length: timedelta, history: timedelta = HISTORY) -> tuple[Any, ...]:
    """Return the inputs of a core that plays the seeded market."""
    with tempfile.TemporaryDirectory() as place:
        files = {name: read_trades(path) for name, path in written(Path(place), seed, length, history).items()}
        played = [Past(built_in(name, tick=file.tick), file) for name, file in files.items()]
        return tuple(PastMarket(DECIDER, played, START, START + length).inputs())


class Equivalence:
    """The market, undisturbed, and run after run compared with it. The database is this object's own."""

    def __init__(self, engine: Engine, place: Path, inputs: tuple[Any, ...], *, alerts: bool = True) -> None:
        """Play it undisturbed, once without an alerter and, with `alerts`, once more with one."""
        self._engine, self._place, self._inputs, self._number = engine, place, inputs, 0
        self.undisturbed, self._wanted = self._played(None, False)
        if alerts:
            self._with_alerter, self._delivered = self._played(None, True)

    @property
    def actors(self) -> list[str]:
        """Every actor that can crash here: scanners, entry monitor, risk monitor, broker, journal, alerter."""
        return sorted(self._with_alerter.handled)

    def drawn(self, chance: Random) -> Crash:
        """Draw a crash: an actor, and one of its messages; every other time a kind of message first, then one of it."""
        name = chance.choice(self.actors)
        kinds = (self._with_alerter if name == ALERTER else self.undisturbed).handled[name]
        number = chance.randint(1, len(kinds))
        if chance.random() < 0.5:
            kind = chance.choice(sorted(set(kinds)))
            number = chance.choice([at for at, each in enumerate(kinds, 1) if each == kind])
        return Crash(name, number, "before" if chance.random() < 0.5 else "after")

    def run(self, crash: Crash) -> Outcome:
        """Play it with that crash and compare. Raises AssertionError if the crash did not come."""
        alerter = crash.actor == ALERTER
        ran, stored = self._played(crash, alerter)
        assert ran.crashes == crash.times, f"{crash} came {ran.crashes} times"
        wanted = self._delivered if alerter else self._wanted
        differences = tuple(_first(name, wanted[name], stored[name]) for name in wanted if wanted[name] != stored[name])
        if ran.buried:
            differences += (f"{ran.buried} dead letters",)
        return Outcome(
            crash, len(stored["triggers"]), len(stored["positions"]), len(stored["ledger"]), len(stored["outbox"]),
            differences,
        )  # fmt: skip

    def _played(self, crash: Crash | None, alerter: bool) -> tuple[Ran, Tables]:
        empty(self._engine)
        self._number += 1
        spool = self._place / f"{self._number}.spool"
        if not alerter:
            ran = play(DECIDER, self._inputs, self._engine, spool, crash=crash)
            return ran, contents(self._engine, OF_DELIVERY)
        with DiscordServer() as discord:
            ran = play(
                DECIDER, self._inputs, self._engine, spool, crash=crash, webhook=discord.url,
                delivered=lambda: self._all_delivered(),
            )  # fmt: skip
            told = Counter(message["embeds"][0]["footer"]["text"] for message in discord.messages)
        again = [footer for footer, times in told.items() if times > 1]
        assert not again, f"told twice: {again}"
        stored = contents(self._engine, OF_DELIVERY)
        stored["told"] = sorted((footer,) for footer in told)
        return ran, stored

    def _all_delivered(self) -> bool:
        with self._engine.connect() as connection:
            left = connection.exec_driver_sql("SELECT count(*) FROM outbox WHERE status = 'pending'").scalar_one()
        return int(left) == 0


def _first(table: str, wanted: list[tuple[str, ...]], stored: list[tuple[str, ...]]) -> str:
    """Say in words where two tables differ first."""
    for place, row in enumerate(wanted):
        if place >= len(stored):
            return f"{table}: {len(wanted)} rows, not {len(stored)}; missing {row}"
        if row != stored[place]:
            return f"{table}, row {place}: {row}, not {stored[place]}"
    return f"{table}: {len(wanted)} rows, not {len(stored)}; too much {stored[len(wanted)]}"
