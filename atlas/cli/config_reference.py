"""The reference of every setting, made of the settings themselves: `atlas config reference`, docs/configuration.md."""

import ast
import inspect
import textwrap
from typing import Any, get_args, get_origin

from atlas.cli.settings_text import defaults, toml
from atlas.config import HONOURED, RULES, Settings

_HEAD = """# Configuration

Every setting, with its default. Made by `atlas config reference`; a test holds it against the settings.

ATLAS reads the first of `./atlas.toml`, `~/.config/atlas/atlas.toml` and `/etc/atlas/atlas.toml`, or the file that
`--config` or `ATLAS_CONFIG` names; then systemd's credentials; then the environment: `ATLAS_` and the names in
capitals, section and key joined by two underscores (`ATLAS_SIZING__MAX_OPEN_POSITIONS=3`; a list is words between
commas). Later wins, and the command line wins over all. `atlas config show` tells what is in force, `--changed` what
differs from here. An unknown key or a wrong value is an error (exit code 78) that names it and what would be right.
"""
_SECRET = "(secret)"


def reference() -> str:
    """Return docs/configuration.md."""
    parts = [_HEAD, "## Top level\n", _table("", Settings, ["mode"])]
    usual = defaults()
    for section, values in usual.items():
        if not isinstance(values, dict):
            continue
        source = RULES.get(section) or _model(section)
        parts += [f"## [{section}]\n", _told(source.__doc__), _table(section, source, _fields(source))]
    parts += ["## Other names\n", "Honoured beside `ATLAS_…`, in the environment and as systemd credentials:\n"]
    parts.append("\n".join(f"* `{name}`: `{section}.{key}`" for name, (section, key) in HONOURED.items()))
    return "\n".join(parts) + "\n"


def _told(doc: str | None) -> str:
    """Return a docstring as paragraphs."""
    return inspect.cleandoc(doc or "") + "\n"


def _table(section: str, source: Any, fields: list[str]) -> str:
    usual, notes = defaults(), _notes(source)
    lines = ["| key | default | values |", "|---|---|---|"]
    for field in fields:
        values = usual[section] if section else usual
        default = f"`{toml(values[field])}`" if field in values else _SECRET
        kind = _kind(_annotation(source, field))
        lines.append(f"| `{field}` | {default} | {kind}{'. ' + notes[field] if field in notes else ''} |")
    return "\n".join(line.replace("``", "` `") for line in lines) + "\n"


def _model(section: str) -> Any:
    return Settings.model_fields[section].annotation


def _fields(source: Any) -> list[str]:
    return list(getattr(source, "model_fields", None) or source.__struct_fields__)


def _annotation(source: Any, field: str) -> Any:
    if hasattr(source, "model_fields"):
        return source.model_fields[field].annotation
    return source.__annotations__[field]


def _kind(annotation: Any) -> str:
    """Return a type as who writes a configuration reads it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        name = getattr(annotation, "__name__", str(annotation))
        return {"str": "text", "bool": "true, false", "int": "whole number", "float": "number", "Decimal": "number",
                "SecretStr": "text, never shown"}.get(name, name)  # fmt: skip
    if origin is tuple:
        return f"list of {_kind(inner[0])}" if len(inner) == 2 and inner[1] is ... else "list"
    if origin is dict:
        return f"table of {_kind(inner[1])}" if inner[1] is not Any else "table"
    return " or ".join(f"`{value}`" if isinstance(value, str) else "none" if value is type(None) else _kind(value)
                       for value in inner)  # fmt: skip


def _notes(source: Any) -> dict[str, str]:
    """Return what stands below a field in the source, on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(source))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        told = below.value if isinstance(below, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(told, ast.Constant):
            found[field.target.id] = " ".join(str(told.value).split()).replace("|", "\\|")
    return found
