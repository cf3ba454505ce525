"""Every number and choice that decides a trade, with the defaults of strat.md and trading.md.

`atlas.config` reads them from atlas.toml and the environment; the domain and the behaviours take them from here. Their
hash is stored with every trigger and trade.
"""

from decimal import Decimal
from hashlib import sha256

import msgspec

from atlas.strat.setup import FAMILIES, TRADED_BY_DEFAULT

CONTINUITY_FRAMES: dict[str, tuple[tuple[str, ...], int]] = {
    "15m": (("1d", "4h", "1h", "15m"), 3),
    "1h": (("1M", "1w", "1d", "1h"), 3),
    "4h": (("1w", "1d", "4h", "1h"), 2),
    "1d": (("1M", "1w", "1d"), 2),
    "1w": (("1M", "1w"), 1),
}
"""Detection timeframe → (frames considered, how many must agree), strat.md 4."""


class StratRules(msgspec.Struct, frozen=True):
    """The choices strat.md leaves open.

    `stop` structure | setup_bar. `outside_target` (of `3-?`) nearer | risk | percent. `failed` (what makes a 2 a
    failed one) color | reclaim. `continuity_mode` open | type. `inside` (which 1s give setups) any | strict: one alone,
    strictly inside a typed 2 or 3. Families among `detected` are shown, of these those among `families` traded.
    """

    timeframes: tuple[str, ...] = ("1h", "4h", "1d", "1w")
    families: tuple[str, ...] = TRADED_BY_DEFAULT
    detected: tuple[str, ...] = FAMILIES
    stop: str = "structure"
    outside_target: str = "nearer"
    failed: str = "color"
    inside: str = "any"
    continuity_mode: str = "open"
    continuity: dict[str, tuple[tuple[str, ...], int]] = msgspec.field(default_factory=lambda: dict(CONTINUITY_FRAMES))
    close_grace_seconds: float = 2.0
    """A bar closes at its first later trade, else when market time is this far past it (architecture.md, Time)."""


class GateRules(msgspec.Struct, frozen=True):
    """Thresholds of the gates of strat.md 5. `off` names gates that are switched off."""

    off: tuple[str, ...] = ()
    min_magnitude: Decimal = Decimal("0.005")
    min_reward_risk: Decimal = Decimal("0.5")
    min_reward_risk_by_family: dict[str, Decimal] = msgspec.field(default_factory=dict)
    max_fee_share: Decimal = Decimal("0.20")
    max_divergence: Decimal = Decimal("0.02")
    max_price_age_seconds: float = 60.0
    """How old the executed product's last trade may be for a ratio to its signal product; older: `divergence`."""


class SizingRules(msgspec.Struct, frozen=True):
    """Sizing and limits, trading.md "Sizing". `mode` risk | leverage | units. Shares are fractions, 0.02 = 2 %.

    Mode `units` buys `units` of the underlying whatever the risk, whole contracts or nothing. The position policy
    `flat_at_close` wants no position of the product from the close of the setup bar on.

    `max_total_risk` counts in either mode: a full-size position of mode leverage loses about 6 % of equity to a stop
    1.5 % away already, at 4.1×, so at the default most entries of that mode end as `total_risk`: raise it with it.
    """

    mode: str = "risk"
    risk_share: Decimal = Decimal("0.02")
    units: Decimal = Decimal(1)
    position_policy: str = "one_per_product"
    max_open_positions: int = 5
    max_total_risk: Decimal = Decimal("0.06")
    daily_loss: Decimal = Decimal("0.05")
    long_only_spot: bool = True


class ExitRules(msgspec.Struct, frozen=True):
    """The optional exits of strat.md 6, all off by default; R is |entry fill − first stop|.

    `scale_out` is the share of the contracts closed at 1 R (0 = off, whole contracts). `break_even` is after how many
    R the stop goes to the entry (0 = off). The stop trails the best price by `trail_distance` R (0 = off) once that
    has gone `trail_after` R. `max_bars` is how many bars of its timeframe a position is held at most, the entry bar
    being the first (0 = off). `invalidated` False: an entry bar that becomes a 3 is no reason to leave.
    `not_within_seconds`: no exit before the next whole multiple of so many seconds after the entry (0 = off).
    """

    scale_out: Decimal = Decimal(0)
    break_even: Decimal = Decimal(0)
    trail_after: Decimal = Decimal(1)
    trail_distance: Decimal = Decimal(0)
    max_bars: int = 0
    invalidated: bool = True
    not_within_seconds: int = 0


class FeeRules(msgspec.Struct, frozen=True):
    """Fees per side and slippage, trading.md "Account". Rates are fractions of notional, flat is USD a contract."""

    taker: Decimal = Decimal("0.0007")
    maker: Decimal = Decimal("0.00065")
    flat: Decimal = Decimal("0.15")
    spot_taker: Decimal = Decimal("0.012")
    spot_maker: Decimal = Decimal("0.006")
    spot_flat: Decimal = Decimal(0)
    liquidation: Decimal = Decimal("0.0010")
    slippage: Decimal = Decimal("0.0005")


class FillRules(msgspec.Struct, frozen=True):
    """How orders fill. `model` spread | depth: half the spread, or a walk through the order book.

    `latency_ms` is how long an order takes to the market, in market time. `levels` is how many levels of a side the
    broker is told. `touch`: a trade at a trigger takes it, one at a target reaches it, and a resting limit order gets
    the price of the trade that reached it, as most tools of research have it.
    """

    model: str = "spread"
    latency_ms: int = 0
    levels: int = 20
    touch: bool = False


class MarginRules(msgspec.Struct, frozen=True):
    """Maintenance margin, leverage window and funding fall-back, trading.md."""

    window: str = "overnight"
    maintenance: Decimal = Decimal("0.05")
    maintenance_by_underlying: dict[str, Decimal] = msgspec.field(
        default_factory=lambda: {"SOL": Decimal("0.067")},
    )
    default_funding_yearly: Decimal = Decimal("0.10")


class AccountRules(msgspec.Struct, frozen=True):
    """The paper account. `timezone` is where a trading day begins at midnight."""

    name: str = "paper"
    starting_equity: Decimal = Decimal(10000)
    timezone: str = "UTC"


class AlertRules(msgspec.Struct, frozen=True):
    """What is watched for alerts only; it decides no trade.

    `full_continuity`: full timeframe continuity and its flips (needs 1M 1w 1d 1h of every product). The owner is told
    of a side once it has held for `full_continuity_hold_seconds` of market time. `stale_price_seconds`: a product held
    may go so long without a trade in open session, in market time, before the owner is told.
    """

    full_continuity: bool = True
    full_continuity_hold_seconds: float = 60.0
    stale_price_seconds: float = 900.0


class Rules(msgspec.Struct, frozen=True):
    """All of them. `mode` is signals | paper. `signal_products` is executed product → the one it is signalled by."""

    mode: str = "paper"
    signal_products: dict[str, str] = msgspec.field(default_factory=dict)
    strat: StratRules = StratRules()
    gates: GateRules = GateRules()
    sizing: SizingRules = SizingRules()
    exits: ExitRules = ExitRules()
    fills: FillRules = FillRules()
    fees: FeeRules = FeeRules()
    margin: MarginRules = MarginRules()
    account: AccountRules = AccountRules()
    alerts: AlertRules = AlertRules()

    @property
    def deciding(self) -> "Rules":
        """These rules without the account's name and what is only told, which decide nothing."""
        account = msgspec.structs.replace(self.account, name="")
        return msgspec.structs.replace(self, account=account, alerts=AlertRules())

    def fingerprint(self) -> str:
        """Return the first 12 hex digits of the SHA-256 of what decides, sorted: the same rules, the same text."""
        return sha256(msgspec.json.encode(self.deciding, order="sorted")).hexdigest()[:12]
