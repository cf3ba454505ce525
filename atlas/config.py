"""The settings: atlas.toml, then systemd credentials, then the environment (`ATLAS_…`, nested with `__`).

The rules of trading (`atlas.rules`) are sections of their own with the same names, so a default stands in one place.
Unknown keys and wrong values are errors that name the key, the value and what would be right.
"""

import copy
import difflib
import logging
import math
import os
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from atlas.config_environment import from_environment
from atlas.config_sections import (
    ChannelSettings,
    CoinbaseSettings,
    DatabaseSettings,
    DiscordSettings,
    ExchangeSettings,
    FeedSettings,
    LogSettings,
    RecorderSettings,
    ShardSettings,
    UpkeepSettings,
    WebSettings,
)
from atlas.errors import ConfigurationError, CredentialError
from atlas.quiet import quiet_hours
from atlas.rules import (
    AccountRules,
    AlertRules,
    ExitRules,
    FeeRules,
    FillRules,
    GateRules,
    MarginRules,
    Rules,
    SizingRules,
    StratRules,
)
from atlas.rules_check import check

_log = logging.getLogger(__name__)

MOST_BOOKS = 30
"""Products whose order book the exchange gives on one connection, since 2026-08-26 (coinbase.md 0.7)."""
PLACES = ("atlas.toml", "~/.config/atlas/atlas.toml", "/etc/atlas/atlas.toml")
"""Where a configuration file is looked for when none is named; the first there is."""


def _section(rules: type[msgspec.Struct]) -> Any:
    """Return a pydantic model with the fields, types and defaults of a struct of rules; unknown keys are errors."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(rules):
        if field.default is not msgspec.NODEFAULT:
            fields[field.name] = (field.type, Field(default=field.default))
        else:
            fields[field.name] = (field.type, Field(default_factory=cast(Any, field.default_factory)))
    return create_model(rules.__name__, __config__=ConfigDict(extra="forbid", defer_build=True), **fields)


RULES: dict[str, type[msgspec.Struct]] = {
    "strat": StratRules,
    "gates": GateRules,
    "sizing": SizingRules,
    "exits": ExitRules,
    "fills": FillRules,
    "fees": FeeRules,
    "margin": MarginRules,
    "account": AccountRules,
    "alerts": AlertRules,
}
HONOURED = {
    "COINBASE_API_KEY": ("coinbase", "api_key"),
    "COINBASE_API_SECRET": ("coinbase", "api_secret"),
    "DISCORD_WEBHOOK_URL": ("discord", "webhook_url"),
    "ATLAS_PING_URL": ("upkeep", "ping_url"),
    "ATLAS_CHANNEL_URLS": ("channels", "urls"),
    "DATABASE_URL": ("database", "url"),
    "ATLAS_DATABASE_URL": ("database", "url"),
}
"""Names honoured beside ATLAS_…, as environment variables and as systemd credentials; a later row wins."""
RENAMED: dict[tuple[str, str], tuple[str, str]] = {}
"""Section and key of before → those of today. The old ones still work for two releases, and are warned of."""
_NO_SETTINGS = (
    "ATLAS_CONFIG", "ATLAS_DATA_DIR", "ATLAS_DATABASE_URL", "ATLAS_PING_URL", "ATLAS_CHANNEL_URLS", "ATLAS_SHARED",
)  # fmt: skip
"""Names of ours that are not section and key."""
_TYPO = 0.75
"""How like a setting another ATLAS_… name must be to count as a slip of the pen; others may belong to anything."""


class Settings(BaseModel):
    """Everything that can be set. `load` reads it; `rules()` gives the part that decides trades."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    mode: Literal["signals", "paper"] = "paper"
    exchange: ExchangeSettings = Field(default_factory=ExchangeSettings)
    feed: FeedSettings = Field(default_factory=FeedSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    discord: DiscordSettings = Field(default_factory=DiscordSettings)
    channels: ChannelSettings = Field(default_factory=ChannelSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    recorder: RecorderSettings = Field(default_factory=RecorderSettings)
    upkeep: UpkeepSettings = Field(default_factory=UpkeepSettings)
    logs: LogSettings = Field(default_factory=LogSettings)
    coinbase: CoinbaseSettings = Field(default_factory=CoinbaseSettings)
    shard: ShardSettings = Field(default_factory=ShardSettings)

    def rules(self) -> Rules:
        """Return the rules of trading these settings hold, checked against one another."""
        sections: dict[str, Any] = {name: struct(**dict(getattr(self, name))) for name, struct in RULES.items()}
        rules = Rules(mode=self.mode, signal_products=dict(self.exchange.signal_products), **sections)
        check(rules)
        return rules


_SECTIONS: dict[str, Any] = {name: _section(struct) for name, struct in RULES.items()}
_FIELDS: dict[str, Any] = {name: (section, Field(default_factory=section)) for name, section in _SECTIONS.items()}
_Settings = create_model("Settings", __base__=Settings, **_FIELDS)


def load(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings; `overrides` (from the command line) win over all. Raises ConfigurationError, CredentialError.

    Without `path`: ATLAS_CONFIG, ./atlas.toml, ~/.config/atlas/atlas.toml, /etc/atlas/atlas.toml, the first there is.
    """
    file = location(path)
    _check_environment()
    environment = _honoured()
    merge(environment, from_environment(_Settings, _NO_SETTINGS))
    layers = (
        ("the settings" if file is None else str(file), {} if file is None else _read(file)),
        ("the environment", environment),
        ("the command line", overrides or {}),
    )
    tree = _bare()
    for where, layer in layers:
        _rename(where, layer)
        try:
            merge(tree, copy.deepcopy(layer))
        except RecursionError:
            raise ConfigurationError(f"{where}: nested too deeply; a setting is section.key = value") from None
    try:
        settings = _Settings(**tree)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, layers)) from None
    key, secret = settings.coinbase.api_key.get_secret_value(), settings.coinbase.api_secret.get_secret_value()
    if bool(key) != bool(secret):
        have, lack = ("COINBASE_API_KEY", "COINBASE_API_SECRET") if key else ("COINBASE_API_SECRET", "COINBASE_API_KEY")
        raise CredentialError(f"{have} is set but {lack} is not: set both, or neither (market data needs no key)")
    _check_outside(settings)
    settings.rules()
    return settings


def _rename(where: str, layer: dict[str, Any]) -> None:
    """Move what has another name today, with a warning. Raises ConfigurationError where both names are set."""
    for (section, key), (new_section, new_key) in RENAMED.items():
        old = layer.get(section)
        if not isinstance(old, dict) or key not in old:
            continue
        moved = old.pop(key)
        if not old:
            del layer[section]
        today = layer.setdefault(new_section, {})
        if new_key in today:
            raise ConfigurationError(
                f"{where}: `{section}.{key}` is called `{new_section}.{new_key}` today, and both are set: take the "
                "first out"
            )
        today[new_key] = moved
        _log.warning(
            "%s: `%s.%s` is called `%s.%s` today: rename it, the old name will not be known for ever",
            where, section, key, new_section, new_key,
        )  # fmt: skip


def location(path: Path | None = None) -> Path | None:
    """Return the configuration file `load` reads, None if there is none. Raises ConfigurationError."""
    in_environment = os.environ.get("ATLAS_CONFIG")
    named = path or (Path(in_environment) if in_environment else None)
    if named is not None:
        if not named.expanduser().is_file():
            found = "is a directory" if named.expanduser().is_dir() else "does not exist"
            remedy = "leave --config out" if path else "unset ATLAS_CONFIG"
            raise ConfigurationError(f"the configuration file {named} {found}: name one that is there, or {remedy}")
        return named.expanduser()
    places = (Path(place).expanduser() for place in PLACES)
    return next((place for place in places if place.is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # Not only of TOML: also bytes, and numbers of 4300 digits.
        raise ConfigurationError(f"{file} is not valid TOML: {error}; mend that line") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}; mend its permissions") from None


def _honoured() -> dict[str, Any]:
    """Return what the plain names give, from systemd's credentials directory and then from the environment."""
    tree: dict[str, Any] = {}
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    for name, (section, field) in HONOURED.items():
        file = Path(credentials, name) if credentials else None
        value = os.environ.get(name) or (_credential(file) if file and file.is_file() else "")
        if value:
            merge(tree, {section: {field: value}})
    return tree


def _credential(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise CredentialError(f"the credential {file} is no text: {error.reason}; write it anew in UTF-8") from None
    except OSError as error:
        raise CredentialError(f"the credential {file} cannot be read: {error.strerror}; mend its permissions") from None


def _check_environment() -> None:
    """Refuse ATLAS_SECTION__KEY of a section that does not exist, and what looks like a setting misspelt.

    A typo must not pass silently; but other ATLAS_… names may be a container's or a test's, and are let alone.
    """
    sections = {name: getattr(field.annotation, "model_fields", {}) for name, field in _Settings.model_fields.items()}
    right = {f"{section}_{key}": f"{section}__{key}" for section, keys in sections.items() for key in keys}
    right |= {name: name for name in sections}
    for variable in sorted(os.environ):
        name = variable.removeprefix("ATLAS_").lower()
        if not variable.startswith("ATLAS_") or variable in _NO_SETTINGS or name in sections:
            continue
        section = name.split("__")[0]
        if "__" not in name:
            for near in difflib.get_close_matches(name, right, n=1, cutoff=_TYPO):
                meant = f"ATLAS_{right[near].upper()}"
                raise ConfigurationError(f"environment variable {variable} is not a setting; did you mean {meant}?")
        elif section not in sections:
            said = f"environment variable {variable}: no section `{section}`"
            raise ConfigurationError(f"{said}{_meant(section, list(sections))}")


def default_settings() -> Settings:
    """Return the settings where nothing is set: neither file nor environment is read."""
    return _Settings(**_bare())


def _bare() -> dict[str, Any]:
    """Return every section with nothing set: so one model is built with all of them in it, and none by itself."""
    return {name: {} for name, field in _Settings.model_fields.items() if field.default_factory is not None}


def merge(tree: dict[str, Any], layer: dict[str, Any]) -> None:
    """Lay a tree over another, key by key; what is not a tree replaces what was there."""
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            merge(tree[key], value)
        else:
            tree[key] = value


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(sorted(known))}"


def _one_line(error: ValidationError, layers: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Say the first fault in one line: where it was set, the key, the value, and what would be right."""
    fault = error.errors()[0]
    names = [str(part) for part in fault["loc"]]
    key = ".".join(names)
    where = next((where for where, layer in reversed(layers) if _sets(layer, names)), layers[0][0])
    section = _Settings.model_fields.get(names[0])
    model: Any = section.annotation if section is not None and hasattr(section.annotation, "model_fields") else None
    if fault["type"] == "extra_forbidden":
        known = list((model if model is not None and len(names) > 1 else _Settings).model_fields)
        return f"{where}: `{key}` is not a setting{_meant(names[-1], known)}"
    if model is not None and len(names) == 1:
        keys = ", ".join(f"{key}.{name}" for name in model.model_fields)
        return f"{where}: `{key}` is a section and takes no value of its own: set one of {keys}"
    value = "(hidden)" if tuple(names) in HONOURED.values() else repr(fault["input"])
    return f"{where}: `{key}` = {value} is wrong: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _sets(layer: Any, names: list[str]) -> bool:
    """Whether a layer of settings holds the key, or a value in its place."""
    for name in names:
        if not isinstance(layer, dict):
            break
        if name not in layer:
            return False
        layer = layer[name]
    return True


def _check_outside(settings: Settings) -> None:
    """Refuse what would let ATLAS run and do nothing. Raises ConfigurationError."""
    exchange, feed, upkeep = settings.exchange, settings.feed, settings.upkeep
    if urlsplit(exchange.ws_url).scheme not in ("ws", "wss") or not urlsplit(exchange.ws_url).netloc:
        raise ConfigurationError(f"`exchange.ws_url` = {exchange.ws_url!r} is wrong: wss://host, or ws://host:port")
    if not exchange.products or "" in exchange.products:
        raise ConfigurationError(
            f"`exchange.products` = {list(exchange.products)} is wrong: name at least one, e.g. BIP-20DEC30-CDE"
        )
    _check_signal_products(exchange)
    quiet_hours(settings.discord.quiet, settings.rules().account.timezone)
    _check_shard(settings.shard, exchange)
    if settings.rules().fills.model == "depth" and len(exchange.products) > MOST_BOOKS:
        raise ConfigurationError(
            f"`fills.model` = 'depth' is wrong for {len(exchange.products)} products: the exchange gives order books "
            f"of {MOST_BOOKS} at most; trade fewer, or set it to spread"
        )
    for key, value in (
        ("exchange.listing_days", exchange.listing_days),
        ("exchange.rest_per_second", exchange.rest_per_second),
        ("exchange.rest_timeout_seconds", exchange.rest_timeout_seconds),
        ("feed.silence_seconds", feed.silence_seconds),
        ("feed.heartbeat_seconds", feed.heartbeat_seconds),
        ("feed.max_drift_seconds", feed.max_drift_seconds),
        ("upkeep.ping_seconds", upkeep.ping_seconds),
    ):
        if not 0 < value < math.inf:
            raise ConfigurationError(f"`{key}` = {value} is wrong: a number above 0")
    if not 0 <= settings.web.port <= 65_535:
        raise ConfigurationError(f"`web.port` = {settings.web.port} is wrong: 1 to 65535, or 0 for any free one")
    if not 0 < upkeep.disk_percent <= 100:
        raise ConfigurationError(f"`upkeep.disk_percent` = {upkeep.disk_percent} is wrong: above 0, and 100 at most")
    if not 0 <= upkeep.audit_hour <= 23:
        raise ConfigurationError(f"`upkeep.audit_hour` = {upkeep.audit_hour} is wrong: an hour UTC, 0 to 23")
    for days_of, days in (("upkeep.health_days", upkeep.health_days), ("recorder.days", settings.recorder.days)):
        if days < 1:
            raise ConfigurationError(f"`{days_of}` = {days} is wrong: 1 or more")
    ping = upkeep.ping_url.get_secret_value()
    if ping and (urlsplit(ping).scheme not in ("http", "https") or not urlsplit(ping).hostname):
        raise ConfigurationError("`upkeep.ping_url` = (hidden) is wrong: https://host/…, or nothing")
    if exchange.expiry_days < 0:
        raise ConfigurationError(f"`exchange.expiry_days` = {exchange.expiry_days} is wrong: 0 or more")


def _check_shard(shard: ShardSettings, exchange: ExchangeSettings) -> None:
    """Refuse a preference that nothing follows from. Raises ConfigurationError."""
    if shard.prefer and not shard.group:
        raise ConfigurationError(
            f"`shard.prefer` = {list(shard.prefer)} is wrong without `shard.group`: name the group the shards share"
        )
    if strange := [product for product in shard.prefer if product not in exchange.products]:
        raise ConfigurationError(
            f"`shard.prefer`: {', '.join(strange)} is not among exchange.products {list(exchange.products)}: list "
            "all the products of the group there"
        )


def _check_signal_products(exchange: ExchangeSettings) -> None:
    """Refuse pairs by which one setup would be two trades, or none. Raises ConfigurationError."""
    traded: dict[str, str] = {}
    for product, signal in exchange.signal_products.items():
        said = f"`exchange.signal_products`: {product} = {signal!r} is wrong: "
        if product not in exchange.products:
            raise ConfigurationError(f"{said}{product} is not among exchange.products {list(exchange.products)}")
        if not signal or signal == product:
            raise ConfigurationError(f"{said}name another product, or leave the line out")
        if signal in exchange.products:
            raise ConfigurationError(f"{said}{signal} is traded itself: take it out of exchange.products")
        if signal in traded:
            raise ConfigurationError(f"{said}{traded[signal]} has its signals from there, and a setup is traded once")
        traded[signal] = product
