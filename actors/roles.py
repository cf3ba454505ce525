"""The actors of the core: which behaviours there are, what each begins with, and what happens when one crashes.

Used by the live system, by replay and by `atlas scan`: the same roles wherever the core runs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.entry_monitor import EntryMonitor, EntryState
from actors.paper_broker import BrokerState, PaperBroker
from actors.risk_monitor import RiskMonitor, RiskState
from actors.route import BROKER, ENTRY, RISK, SCANNER
from actors.runtime.behaviour import Behaviour, Role
from actors.runtime.policy import Policy
from actors.runtime.retention import DESCRIBED
from actors.scanner import Scanner
from actors.scanner_frames import Remembered, ScannerState
from actors.scanner_shown import ShownScanner
from atlas.errors import DataError
from atlas.market.funding_file import FundingFile
from atlas.rules import Rules

SCANNER_POLICY = Policy(limit=3, window=300, action="retire")
ENTRY_POLICY = Policy(limit=3, window=60, action="halt")
MONEY_POLICY = Policy(limit=5, window=60, action="exit", poison_exits=True)
"""What happens on crashes: architecture.md, Crashes."""
SCANNER_TAIL, MONEY_TAIL, ENTRY_TAIL = 256, 1024, 8192
"""How many messages each remembers before it encodes its state anew. With 100 products that takes 0.1 ms of a scanner,
0.4 ms of broker or risk monitor, and 5 ms of the entry monitor, whose state holds every setup of every product: all
that a trade waits for it, shared out, is to be some 2 µs. A crash plays the messages again, some 10 µs each."""


class Decider(msgspec.Struct, frozen=True):
    """What decisions depend on besides the inputs; stored beside a recording so that it can be played again."""

    rules: Rules
    symbols: tuple[str, ...]
    version: str


def described(directory: Path) -> Decider:
    """Return what the decisions of a recording depend on. Raises DataError where that is missing or damaged."""
    path = directory / DESCRIBED
    try:
        return msgspec.json.decode(path.read_bytes(), type=Decider)
    except FileNotFoundError:
        raise DataError(f"{path} is missing: it says under which settings the inputs were recorded") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}): without the settings the inputs cannot be played") from None


class CoreStates(msgspec.Struct):
    """What the behaviours begin with; scanners begin with what is `remembered`, their bars come from history."""

    broker: BrokerState = msgspec.field(default_factory=BrokerState)
    risk: RiskState = msgspec.field(default_factory=RiskState)
    entry: EntryState = msgspec.field(default_factory=EntryState)
    remembered: dict[str, Remembered] = {}


def core_roles(
    decider: Decider,
    states: CoreStates | None = None,
    *,
    confirms: bool = True,
    records: bool = True,
    shows: bool = False,
    rates: Mapping[str, FundingFile] | None = None,
) -> list[Role[Any]]:
    """Return the core's roles in the order they start: broker, risk monitor, entry monitor, scanners.

    `confirms`: closed bars are held against the exchange's own candles, which a file does not have; nor can a kill lose
    what a replay of one has seen of an open position. `records` False: what is recorded and decides nothing is
    left out. `shows`: scanners tell the display how the current periods stand. `rates` are past funding rates, by
    product.
    """
    states = states or CoreStates()
    rules, version = decider.rules, decider.version
    fingerprint = rules.fingerprint()

    def broker(state: BrokerState) -> Behaviour[BrokerState]:
        return PaperBroker(rules, state, rates)

    def risk(state: RiskState) -> Behaviour[RiskState]:
        return RiskMonitor(rules, state, tells_extremes=confirms, records=records)

    def entry(state: EntryState) -> Behaviour[EntryState]:
        return EntryMonitor(fingerprint, version, state, touch=rules.fills.touch)

    return [
        Role(name=BROKER, make=broker, state=states.broker, policy=MONEY_POLICY, tail=MONEY_TAIL),
        Role(name=RISK, make=risk, state=states.risk, policy=MONEY_POLICY, tail=MONEY_TAIL),
        Role(name=ENTRY, make=entry, state=states.entry, policy=ENTRY_POLICY, tail=ENTRY_TAIL),
        *_scanners(rules, decider.symbols, states.remembered, confirms=confirms, records=records, shows=shows),
    ]


def _scanners(
    rules: Rules,
    symbols: Iterable[str],
    remembered: Mapping[str, Remembered],
    *,
    confirms: bool,
    records: bool,
    shows: bool,
) -> list[Role[Any]]:
    kind = ShownScanner if shows else Scanner

    def role(symbol: str) -> Role[ScannerState]:
        signals = symbol not in rules.signal_products

        def make(state: ScannerState) -> Behaviour[ScannerState]:
            return kind(
                symbol, rules.strat, state, signals=signals, alerts=rules.alerts, confirms=confirms, records=records
            )

        known = remembered.get(symbol)
        first = Scanner(symbol, rules.strat, signals=signals, alerts=rules.alerts, remembered=known).state
        return Role(name=SCANNER + symbol, make=make, state=first, policy=SCANNER_POLICY, tail=SCANNER_TAIL)

    return [role(symbol) for symbol in symbols]
