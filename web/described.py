"""Structs of the domain as sections: the same fields, with values as sections have them, and the type that says so."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints

import msgspec

from web.values import iso, text


@cache
def described(struct: type[msgspec.Struct], name: str = "") -> type:
    """Return the TypedDict of what `as_section` makes of such a struct, called `name` or as the struct is."""
    hints = get_type_hints(struct)
    fields = {field: _typed(hints[field]) for field in struct.__struct_fields__}
    made = TypedDict(name or struct.__name__, fields)  # type: ignore[misc]  # known only when the panel starts
    made.__doc__ = struct.__doc__
    return made


def as_section(value: Any) -> Any:
    """Return a struct, and all that is in it, as JSON values: Decimals exact as text, times ISO 8601 UTC."""
    match value:
        case msgspec.Struct():
            return {name: as_section(getattr(value, name)) for name in value.__struct_fields__}
        case Decimal():
            return text(value)
        case datetime():
            return iso(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): as_section(each) for key, each in value.items()}
        case list() | tuple():
            return [as_section(each) for each in value]
    return value


def _typed(hint: Any) -> Any:
    """Return the type of a field's JSON value. Raises TypeError for one that no section has."""
    if hint in (Decimal, datetime, date):
        return str
    if hint in (str, int, bool, NoneType):
        return hint
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return hint
    if origin in (Union, UnionType):
        return Union[tuple(_typed(part) for part in parts)]  # noqa: UP007  made of parts known at run time only
    if origin in (list, tuple):
        return list[_typed(parts[0])]  # type: ignore[misc]  # as above
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return described(hint)
    raise TypeError(f"a section has no value of type {hint!r}: teach web.described about it")
