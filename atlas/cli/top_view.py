"""What `atlas top` shows of the panel's overview: it fits the terminal's lines, the most important first."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atlas.money import readable

UNKNOWN = "-"
_FRAME = 5
"""Lines of the head and the foot."""
_TITLED = 2
"""Lines of a table besides its rows: its headings, and the empty line before it."""

Section = Mapping[str, Any]


def view(section: Section, lines: int, error: str = "") -> RenderableType:
    """Return the overview for a terminal of so many lines; `error` is why it is not fresh."""
    positions, trades, setups = section["positions"], section["trades"], section["setups"]
    first, second, third = shared_out(lines - _FRAME, [len(positions), len(trades), len(setups)])
    parts: list[RenderableType] = [*_head(section)]
    if first:
        parts += ["", _positions(positions[:first], len(positions))]
    if second:
        parts += ["", _trades(trades[:second])]
    if third:
        parts += ["", _setups(setups[:third], section["setups_waiting"])]
    if not (positions or trades or setups):
        parts += ["", Text("no positions, no trades, no setups yet", style="dim")]
    foot = f"database: {error}" if error else "q ends"
    parts.append(Text(foot, style="red" if error else "dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def shared_out(lines: int, wanted: Sequence[int]) -> list[int]:
    """Return how many rows each table gets of so many lines, headings paid: each one, then the first all it has.

    What is left is for the others by turns. A table whose headings and one row have no room any more gets none.
    """
    given = [0] * len(wanted)
    left = lines
    for place, rows in enumerate(wanted):
        if rows and left > _TITLED:
            given[place] = 1
            left -= _TITLED + 1
    turns = [0] * max(wanted[0] - given[0], 0) if given[0] else []
    for _ in range(max(wanted)):
        turns += range(1, len(wanted))
    for place in turns:
        if left > 0 and 0 < given[place] < wanted[place]:
            given[place] += 1
            left -= 1
    return given


def _head(section: Section) -> list[Text]:
    """How the system is, what the account is worth, and why entries are halted if they are."""
    system, account, daemon = section["system"], section["account"], section["daemon"]
    verdict = str(system["verdict"])
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(f"ATLAS {section['name'] or ''}".strip(), style="bold")
    title.append(f"  {verdict}", style="bold green" if not system["reasons"] else "bold red")
    if daemon is not None:
        title.append(f"  {daemon['mode']}, feed {daemon['feed'] or UNKNOWN}", style="dim")
    title.append(f"  {_clock(section['at'])} UTC", style="dim")
    reasons = "; ".join(str(reason["text"]) for reason in system["reasons"])
    head = [title, _money(account)]
    return [*head, Text(reasons, style="red", no_wrap=True, overflow="ellipsis")] if reasons else head


def _money(account: Section | None) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if account is None:
        return line.append("the account has not been opened yet: `atlas run` opens it", style="dim")
    line.append(f"equity {_usd(account['equity'])}", style="bold")
    line.append("  today ")
    today = f"{_usd(account['today'], sign=True)} ({_share(account['today_share'])})"
    line.append(today, style=_tone(account["today"]))
    line.append("  open ")
    line.append(_usd(account["unrealised"], sign=True), style=_tone(account["unrealised"]))
    return line.append(f"  margin {_share(account['margin_use'])}  risk {_share(account['open_risk_share'])}")


def _positions(rows: Sequence[Section], count: int) -> Table:
    numbers = ("size", "entry", "price", "net", "R", "to stop", "target")
    table = _table(f"position ({count})", "setup", *(f">{name}" for name in numbers))
    for row in rows:
        table.add_row(
            _what(row), f"{row['setup']} {row['timeframe']}", _number(row["contracts"]), _price(row["entry_price"]),
            _price(row["price"]), _signed(row["net"]), _r(row["r"]), _places(row["to_stop_r"]),
            _places(row["to_target_r"]),
        )  # fmt: skip
    return table


def _trades(rows: Sequence[Section]) -> Table:
    table = _table("trade", "setup", "closed", *(f">{name}" for name in ("entry", "exit", "net", "R")), "reason")
    for row in rows:
        table.add_row(
            _what(row), f"{row['setup']} {row['timeframe']}", _moment(row["exit_time"]), _price(row["entry_price"]),
            _price(row["exit_price"]), _signed(row["net"]), _r(row["r"]), str(row["exit_reason"]),
        )  # fmt: skip
    return table


def _setups(rows: Sequence[Section], count: int) -> Table:
    table = _table(f"setup ({count})", "name", *(f">{name}" for name in ("trigger", "price", "away", "R:R", "agree")))
    for row in rows:
        table.add_row(
            _what(row), f"{row['name']} {row['timeframe']}", _price(row["trigger"]), _price(row["price"]),
            _share(row["distance"]), _places(row["reward_risk"]), row["continuity"],
        )  # fmt: skip
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    return table


def _what(row: Section) -> Text:
    up = row["side"] == "long"
    return Text(f"{'▲' if up else '▼'} {row['symbol']}", style="green" if up else "red")


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _usd(value: str | None, *, sign: bool = False) -> str:
    amount = _decimal(value)
    return UNKNOWN if amount is None else readable.usd(amount, sign=sign)


def _signed(value: str | None) -> Text:
    return Text(_usd(value, sign=True), style=_tone(value))


def _tone(value: str | None) -> str:
    amount = _decimal(value) or 0
    return "green" if amount > 0 else "red" if amount < 0 else ""


def _price(value: str | None) -> str:
    price = _decimal(value)
    return UNKNOWN if price is None else readable.price(price)


def _number(value: str | None) -> str:
    number = _decimal(value)
    return UNKNOWN if number is None else readable.quantity(number)


def _places(value: str | None) -> str:
    number = _decimal(value)
    return UNKNOWN if number is None else readable.number(number)


def _r(value: str | None) -> Text:
    multiple = _decimal(value)
    return Text(UNKNOWN if multiple is None else readable.number(multiple, sign=True), style=_tone(value))


def _share(value: str | None) -> str:
    share = _decimal(value)
    return UNKNOWN if share is None else readable.share(share)


def _clock(value: str) -> str:
    return f"{datetime.fromisoformat(value).astimezone(UTC):%H:%M:%S}"


def _moment(value: str) -> str:
    return f"{datetime.fromisoformat(value).astimezone(UTC):%d %b %H:%M}"
