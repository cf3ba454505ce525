"""The settings as a tree and as a configuration file, without the secrets."""

from decimal import Decimal
from typing import Any, cast

from atlas.config import Settings, default_settings


def plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as a tree, without the secrets."""
    return cast("dict[str, Any]", _shown(settings.model_dump()))


def defaults() -> dict[str, Any]:
    """Return the default of every setting as a tree."""
    return plain(default_settings())


def as_toml(settings: Settings) -> str:
    """Return the settings that differ from the defaults as a configuration file, without the secrets."""
    lines: list[str] = []
    usual, chosen = defaults(), plain(settings)
    for key, value in chosen.items():
        if not isinstance(value, dict) and value != usual[key]:
            lines.append(f"{key} = {toml(value)}")
    for section, values in chosen.items():
        if isinstance(values, dict):
            other = [f"{key} = {toml(value)}" for key, value in values.items() if value != usual[section][key]]
            lines += ["", f"[{section}]", *other] if other else []
    return "\n".join(lines).strip() + "\n"


def toml(value: Any) -> str:
    """Return a value as a configuration file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml(item) for item in value)}]"
    if value == {}:
        return "{}"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())} }}"
    return str(value) if isinstance(value, int | float | Decimal) else _quoted(value)


def _quoted(value: Any) -> str:
    """Return a TOML basic string; paths may hold quotes and backslashes."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if not hasattr(item, "get_secret_value")}
    return value
