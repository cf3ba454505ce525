"""The sections of atlas.toml that decide no trade; those that do are `atlas.rules`. `atlas.config` reads them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

COINBASE_WS = "wss://advanced-trade-ws.coinbase.com"
COINBASE_REST = "https://api.coinbase.com"


class Section(BaseModel):
    """A section of atlas.toml; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class ExchangeSettings(Section):
    """Where the exchange is and which products are traded.

    `signal_products` is product → the one its signals are taken from, e.g. `"BIP-20DEC30-CDE" = "BTC-USD"`; others are
    traded by signals of their own. `listing_days` is how old a cached listing a start without the exchange's REST may
    use, `expiry_days` how long before its end a product's expiry is announced, once a day.
    """

    ws_url: str = COINBASE_WS
    rest_url: str = COINBASE_REST
    products: tuple[str, ...] = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
    signal_products: dict[str, str] = {}
    listing_days: float = 7.0
    expiry_days: int = 14
    rest_per_second: float = 5.0
    rest_timeout_seconds: float = 10.0

    @property
    def watched(self) -> tuple[str, ...]:
        """Every product whose trades and candles are needed: those traded, then those that only give signals."""
        return tuple(dict.fromkeys((*self.products, *self.signal_products.values())))


class FeedSettings(Section):
    """How the feed decides that it is dead, and whose clock counts.

    `clock` wall: drift against this machine is measured and gates entries; venue: compressed time, it is not.
    """

    clock: Literal["wall", "venue"] = "wall"
    silence_seconds: float = 5.0
    heartbeat_seconds: float = 15.0
    max_drift_seconds: float = 5.0


class DatabaseSettings(Section):
    """`url` empty: embedded Postgres in `directory` (empty: its default place). `name` is the database there.

    `wait_seconds` is how long a start waits for a server that cannot be reached and is not ours to start; then it ends
    with 69. `service`: a service of the machine runs the embedded server (deploy/systemd); nobody else starts it, but
    `atlas db start`, which that service calls.
    """

    url: SecretStr = SecretStr("")
    name: str = ""
    directory: str = ""
    wait_seconds: float = Field(default=60.0, ge=0, le=3600)
    service: bool = False


class DiscordSettings(Section):
    """The webhook, and what is told when; critical alerts are told always and at once.

    `off` are kinds that are not told; `on` names those that are told only if asked for: setup, rejected. In the hours
    of `quiet` (22:00-07:00, in account.timezone) nothing is told before they end. With `together` more waiting, alerts
    share a message; with `burst` they are a list in one (0: never). All of it is so for the other channels, too.
    """

    webhook_url: SecretStr = SecretStr("")
    off: tuple[str, ...] = ()
    on: tuple[Literal["setup", "rejected"], ...] = ()
    quiet: str = ""
    together: int = Field(default=5, ge=1, le=1000)
    burst: int = Field(default=30, ge=0, le=100_000)


class ChannelSettings(Section):
    """Other channels than Discord: URLs of the library apprise (extra `channels`), between spaces or lines."""

    urls: SecretStr = SecretStr("")


class WebSettings(Section):
    """The panel: where it listens, on loopback unless a password is set, and who may ask for it.

    `names` are the host names it answers to beside localhost. `proxy`: one proxy in front carries it by https and says
    who asks. `keys` is the file of password and tokens (empty: panel.json beside the database's directory).
    """

    host: str = "127.0.0.1"
    port: int = 8080
    names: tuple[str, ...] = ()
    proxy: bool = False
    keys: str = ""


class RecorderSettings(Section):
    """Where the inputs of the core are recorded (empty: beside the embedded data) and for how long."""

    directory: str = ""
    days: int = 14


class UpkeepSettings(Section):
    """What ATLAS does about itself.

    `disk_percent`: entries are halted while so much of a disk it writes to is in use, until it is a percent less.
    `health_days`: for how long the last state of an actor that is no more is kept. `audit`: each night at `audit_hour`
    (UTC) the day before is replayed from its recording in a process of its own, and a difference is an alert.
    `ping_url`: asked every `ping_seconds` while every actor gets on, by whoever is to miss it (empty: nobody).
    """

    disk_percent: float = 95.0
    health_days: int = 30
    audit: bool = True
    audit_hour: int = 3
    ping_url: SecretStr = SecretStr("")
    ping_seconds: float = 60.0


class ShardSettings(Section):
    """Several daemons that share their products on one database, each an account of its own (docs/operations.md).

    `group` names them all (empty: this daemon shares with nobody). `prefer` are the products this one takes at once
    (empty: all); the others of exchange.products it enters only while nobody else does.
    """

    group: str = ""
    prefer: tuple[str, ...] = ()


class LogSettings(Section):
    """What `atlas run` writes to stderr: lines to read, or json: one object a line, with actor, trade and setup."""

    form: Literal["lines", "json"] = "lines"


class CoinbaseSettings(Section):
    """API key and secret; market data needs neither."""

    api_key: SecretStr = SecretStr("")
    api_secret: SecretStr = SecretStr("")
