"""The settings: atlas.toml, then systemd credentials, then the environment (`ATLAS_…`, nested with `__`).

The rules of trading (`atlas.rules`) are sections of their own with the same names, so a default stands in one place.
Unknown keys and wrong values are errors that name the key, the value and what would be right.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from atlas.errors import ConfigurationError, CredentialError
from atlas.market.timeframes import require
from atlas.risk import SWITCHABLE
from atlas.rules import AccountRules, FeeRules, GateRules, MarginRules, Rules, SizingRules, StratRules
from atlas.strat.continuity import validate
from atlas.strat.setup import FAMILIES

POSITION_POLICIES = ("one_per_product", "one_per_timeframe", "unlimited")
"""The policies the risk monitor carries out; `flip` is judged by atlas.risk but not carried out yet."""
COINBASE_WS = "wss://advanced-trade-ws.coinbase.com"
COINBASE_REST = "https://api.coinbase.com"


def _section(rules: type[msgspec.Struct]) -> Any:
    """Return a pydantic model with the fields, types and defaults of a struct of rules; unknown keys are errors."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(rules):
        if field.default is not msgspec.NODEFAULT:
            fields[field.name] = (field.type, Field(default=field.default))
        else:
            fields[field.name] = (field.type, Field(default_factory=cast(Any, field.default_factory)))
    return create_model(rules.__name__, __config__=ConfigDict(extra="forbid"), **fields)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExchangeSettings(_Section):
    """Where the exchange is and which products are watched."""

    ws_url: str = COINBASE_WS
    rest_url: str = COINBASE_REST
    products: tuple[str, ...] = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
    rest_per_second: float = 5.0
    rest_timeout_seconds: float = 10.0


class FeedSettings(_Section):
    """How the feed decides that it is dead, and whose clock counts.

    `clock` wall: drift against this machine is measured and gates entries; venue: compressed time, it is not.
    """

    clock: Literal["wall", "venue"] = "wall"
    silence_seconds: float = 5.0
    heartbeat_seconds: float = 15.0
    max_drift_seconds: float = 5.0


class DatabaseSettings(_Section):
    """`url` empty: embedded Postgres in `directory` (empty: its default place). `name` is the database there."""

    url: SecretStr = SecretStr("")
    name: str = ""
    directory: str = ""


class DiscordSettings(_Section):
    """The webhook, and which events are told: see docs; critical ones always are."""

    webhook_url: SecretStr = SecretStr("")
    off: tuple[str, ...] = ()


class WebSettings(_Section):
    """The panel's address; loopback unless a password is set."""

    host: str = "127.0.0.1"
    port: int = 8080


class RecorderSettings(_Section):
    """Where the inputs of the core are recorded (empty: beside the embedded data) and for how long."""

    directory: str = ""
    days: int = 14


class CoinbaseSettings(_Section):
    """API key and secret; market data needs neither."""

    api_key: SecretStr = SecretStr("")
    api_secret: SecretStr = SecretStr("")


_RULES: dict[str, type[msgspec.Struct]] = {
    "strat": StratRules,
    "gates": GateRules,
    "sizing": SizingRules,
    "fees": FeeRules,
    "margin": MarginRules,
    "account": AccountRules,
}
_SECRETS = {
    "COINBASE_API_KEY": ("coinbase", "api_key"),
    "COINBASE_API_SECRET": ("coinbase", "api_secret"),
    "DISCORD_WEBHOOK_URL": ("discord", "webhook_url"),
    "DATABASE_URL": ("database", "url"),
    "ATLAS_DATABASE_URL": ("database", "url"),
}
"""Names honoured beside ATLAS_…, as environment variables and as systemd credentials; a later row wins."""


class Settings(BaseSettings):
    """Everything that can be set. `load` reads it; `rules()` gives the part that decides trades."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_", env_nested_delimiter="__", extra="forbid")

    mode: Literal["signals", "paper"] = "paper"
    exchange: ExchangeSettings = ExchangeSettings()
    feed: FeedSettings = FeedSettings()
    database: DatabaseSettings = DatabaseSettings()
    discord: DiscordSettings = DiscordSettings()
    web: WebSettings = WebSettings()
    recorder: RecorderSettings = RecorderSettings()
    coinbase: CoinbaseSettings = CoinbaseSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load` merges the sources itself, so that the command line can win over the environment."""
        return (init_settings,)

    def rules(self) -> Rules:
        """Return the rules of trading these settings hold, checked against one another."""
        sections: dict[str, Any] = {name: struct(**getattr(self, name).model_dump()) for name, struct in _RULES.items()}
        rules = Rules(mode=self.mode, **sections)
        _check(rules)
        return rules


_SECTIONS: dict[str, Any] = {name: _section(struct) for name, struct in _RULES.items()}
_FIELDS: dict[str, Any] = {name: (section, Field(default_factory=section)) for name, section in _SECTIONS.items()}
_Settings = create_model("Settings", __base__=Settings, **_FIELDS)


def load(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings; `overrides` (from the command line) win over all. Raises ConfigurationError, CredentialError.

    Without `path`: ATLAS_CONFIG, ./atlas.toml, ~/.config/atlas/atlas.toml, /etc/atlas/atlas.toml, the first there is.
    """
    where, tree = _file(path)
    _check_environment()
    for layer in (_honoured(), EnvSettingsSource(_Settings)(), overrides or {}):
        merge(tree, layer)
    try:
        settings = _Settings(**tree)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, where)) from None
    key, secret = settings.coinbase.api_key.get_secret_value(), settings.coinbase.api_secret.get_secret_value()
    if bool(key) != bool(secret):
        have, lack = ("COINBASE_API_KEY", "COINBASE_API_SECRET") if key else ("COINBASE_API_SECRET", "COINBASE_API_KEY")
        raise CredentialError(f"{have} is set but {lack} is not: set both, or neither (market data needs no key)")
    settings.rules()
    return settings


def _file(path: Path | None) -> tuple[str, dict[str, Any]]:
    """Return the name and the content of the first configuration file there is, or an empty one."""
    named = path or (Path(os.environ["ATLAS_CONFIG"]) if os.environ.get("ATLAS_CONFIG") else None)
    if named is not None and not named.is_file():
        raise ConfigurationError(f"configuration file {named} does not exist: create it, or leave the option out")
    places = (
        [named] if named else [Path("atlas.toml"), Path("~/.config/atlas/atlas.toml"), Path("/etc/atlas/atlas.toml")]
    )
    for place in (place.expanduser() for place in places):
        if place.is_file():
            try:
                return str(place), tomllib.loads(place.read_text(encoding="utf-8"), parse_float=Decimal)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{place} is not valid TOML: {error}") from None
    return "the settings", {}


def _honoured() -> dict[str, Any]:
    """Return what the plain names give, from systemd's credentials directory and then from the environment."""
    tree: dict[str, Any] = {}
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    for name, (section, field) in _SECRETS.items():
        file = Path(credentials, name) if credentials else None
        value = os.environ.get(name) or (file.read_text(encoding="utf-8").strip() if file and file.is_file() else "")
        if value:
            merge(tree, {section: {field: value}})
    return tree


def _check_environment() -> None:
    """Refuse ATLAS_SECTION__FIELD variables of a section that does not exist: a typo must not pass silently."""
    sections = list(_Settings.model_fields)
    for name in sorted(os.environ):
        section = name.removeprefix("ATLAS_").split("__")[0].lower()
        if name.startswith("ATLAS_") and "__" in name and section not in sections:
            raise ConfigurationError(f"environment variable {name}: no section `{section}`{_meant(section, sections)}")


def plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as a tree, without the secrets."""
    return cast("dict[str, Any]", _shown(settings.model_dump()))


def defaults() -> dict[str, Any]:
    """Return the default of every setting as a tree."""
    return plain(_Settings())


def as_toml(settings: Settings) -> str:
    """Return the settings that differ from the defaults as a configuration file, without the secrets."""
    lines: list[str] = []
    usual, chosen = defaults(), plain(settings)
    for key, value in chosen.items():
        if not isinstance(value, dict) and value != usual[key]:
            lines.append(f"{key} = {_toml(value)}")
    for section, values in chosen.items():
        if isinstance(values, dict):
            other = [f"{key} = {_toml(value)}" for key, value in values.items() if value != usual[section][key]]
            lines += ["", f"[{section}]", *other] if other else []
    return "\n".join(lines).strip() + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(key)} = {_toml(item)}' for key, item in value.items())} }}"
    return str(value) if isinstance(value, int | float | Decimal) else f'"{value}"'


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if not isinstance(item, SecretStr)}
    return value


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


def _one_line(error: ValidationError, where: str) -> str:
    """Say the first fault in one line: the key, the value, and what would be right."""
    fault = error.errors()[0]
    names = [str(part) for part in fault["loc"]]
    key = ".".join(names)
    if fault["type"] == "extra_forbidden":
        section = _Settings.model_fields.get(names[0])
        model = section.annotation if section is not None and len(names) > 1 else _Settings
        known = list(cast(Any, model).model_fields)
        return f"{where}: `{key}` is not a setting{_meant(names[-1], known)}"
    return f"{where}: `{key}` = {fault['input']!r} is wrong: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _check(rules: Rules) -> None:
    """Refuse values that fit their type and still make no sense. Raises ConfigurationError."""
    for timeframe in rules.strat.timeframes:
        require(timeframe)
    validate(rules.strat)
    _among("strat.families", rules.strat.families, FAMILIES)
    _among("strat.stop", (rules.strat.stop,), ("structure", "setup_bar"))
    _among("strat.outside_target", (rules.strat.outside_target,), ("nearer", "risk", "percent"))
    _among("strat.continuity_mode", (rules.strat.continuity_mode,), ("open", "type"))
    _among("gates.off", rules.gates.off, SWITCHABLE)
    _among("sizing.mode", (rules.sizing.mode,), ("risk", "leverage"))
    _among("sizing.position_policy", (rules.sizing.position_policy,), POSITION_POLICIES)
    _among("margin.window", (rules.margin.window,), ("overnight", "guide_2026_07", "long_window"))
    for key, share in (
        ("sizing.risk_share", rules.sizing.risk_share),
        ("sizing.max_total_risk", rules.sizing.max_total_risk),
        ("sizing.daily_loss", rules.sizing.daily_loss),
        ("margin.maintenance", rules.margin.maintenance),
    ):
        if not 0 < share < 1:
            raise ConfigurationError(f"`{key}` = {share} is wrong: a share between 0 and 1, e.g. 0.02 for 2 %")
    if rules.account.starting_equity <= 0:
        raise ConfigurationError(f"`account.starting_equity` = {rules.account.starting_equity} is wrong: more than 0")


def _among(key: str, values: Iterable[str], allowed: Sequence[str]) -> None:
    for value in values:
        if value not in allowed:
            raise ConfigurationError(f"`{key}` = {value!r} is wrong: one of {', '.join(allowed)}")
