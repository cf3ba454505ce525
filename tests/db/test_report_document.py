"""docs/report.md names every key of the JSON, in order and with its type, and no other."""

import re
import types
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest

from atlas.audit.difference import Difference
from atlas.backtest.result import FunnelRow, Trade
from atlas.cli.report import GROUPS
from atlas.performance import DayEquity, Performance
from db.audit import Audit
from db.period import Period
from db.report import Ledger, LedgerEntry, Report
from db.results import Summary

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "`atlas report --json`": Report,
    "`atlas report --ledger --json`": Ledger,
    "`atlas audit --json`": Audit,
    **{
        each.__name__: each
        for each in (Period, Summary, Trade, FunnelRow, Performance, DayEquity, LedgerEntry, Difference)
    },
}
WORDS: dict[Any, str] = {
    str: "text", int: "count", Decimal: "decimal", datetime: "time", date: "day", dict[str, int]: "counts",
    dict[str, Decimal]: "decimals", dict[str, dict[str, Performance]]: "sections of Performance",
}  # fmt: skip


def word(annotation: Any) -> str:
    """The type as the document says it."""
    if annotation in WORDS:
        return WORDS[annotation]
    arguments = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        (kind,) = (one for one in arguments if one is not type(None))
        return f"{word(kind)} or null"
    if get_origin(annotation) is list:
        return f"list of {word(arguments[0])}"
    return str(annotation.__name__)


def described(section: str) -> list[tuple[str, str]]:
    """Key and type of each row of a section's table."""
    _, found, after = DOCUMENT.partition(f"# {section}\n")
    assert found, section
    table = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, flags=re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_document_names_every_key_with_its_type_in_order(section: str) -> None:
    fields = msgspec.structs.fields(SECTIONS[section])
    assert described(section) == [(field.name, word(field.type)) for field in fields]


def test_every_struct_that_is_printed_has_a_section() -> None:
    printed: set[str] = set()
    for struct in SECTIONS.values():
        for field in msgspec.structs.fields(struct):
            printed |= set(re.findall(r"[A-Z]\w+", word(field.type)))
    assert printed <= set(SECTIONS)


def test_the_document_names_every_group() -> None:
    named = DOCUMENT.partition("Sections are")[2].partition(";")[0].replace("product", "symbol")
    assert all(group in named for group in GROUPS)
