"""The environment as a layer of the settings: `ATLAS_SECTION__KEY`.

What reads it brings asyncio and TLS with it, a sixth of all a command imports that plays the past: it is imported only
where something is set there.
"""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

PREFIX = "ATLAS_"


def from_environment(settings: type[BaseModel], other: Collection[str]) -> dict[str, Any]:
    """Return what `ATLAS_SECTION__KEY` variables give; a list is words between commas, as with `--set`, or JSON.

    `other` are names that begin like one and are none.
    """
    if not any(name.upper().startswith(PREFIX) and name not in other for name in os.environ):
        return {}
    from pydantic_settings import EnvSettingsSource

    class Environment(EnvSettingsSource):
        def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
            """Return JSON decoded, a list's plain words split, and anything else as it is: validation then names it."""
            try:
                return super().decode_complex_value(field_name, field, value)
            except (ValueError, RecursionError):
                if get_origin(field.annotation) is tuple:
                    return [word.strip() for word in value.split(",") if word.strip()]
                return value

    # It asks no more of its settings than any model has.
    model = cast("type[BaseSettings]", settings)
    found: dict[str, Any] = Environment(model, env_prefix=PREFIX, env_nested_delimiter="__")()
    return found
