"""What the demo prints while it runs: each event as a trader would tell it, in market time."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from atlas.cli.output import money, number

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.results import Summary

COLUMN = 9


class Show:
    """Reads the committed events of one account in order and prints those worth a line."""

    def __init__(self, engine: "Engine", account: str, *, quiet: bool, err: bool) -> None:
        self._engine, self._account, self._quiet, self._err = engine, account, quiet, err
        self.seen = 0

    def show_new(self) -> None:
        """Print what was committed since the last call."""
        from sqlalchemy import select

        from actors.messages import decode
        from db.engine import session
        from db.models import EventRow

        query = (
            select(EventRow.seq, EventRow.payload)
            .where(EventRow.account == self._account, EventRow.seq > self.seen)
            .order_by(EventRow.seq)
        )
        with session(self._engine) as connection:
            rows = connection.execute(query).all()
        for seq, payload in rows:
            self.seen = seq
            for line in self._lines(decode(payload)):
                if not self._quiet:
                    click.echo(line, err=self._err)

    def _lines(self, event: Any) -> Iterable[str]:
        from actors import messages as m

        match event:
            case m.SetupsReplaced(setups=setups) if setups and any(not s.family.startswith("rev") for s in setups):
                first = setups[0]
                sides = " / ".join(f"{s.side} beyond {number(s.trigger)}" for s in setups)
                yield _line(event.closed_at, "setup", event.symbol, event.timeframe, first.name, sides)
            case m.EntryTriggered(setup=setup, tick=tick):
                seen = "missed" if event.missed else f"{setup.side} at {number(tick.price)}"
                yield _line(tick.time, "trigger", setup.symbol, setup.timeframe, event.name, seen)
            case m.Rejected():
                why = f"{event.gate}: {event.value} (wanted {event.threshold})"
                yield _line(event.at, "rejected", event.symbol, event.timeframe, event.name, why)
            case m.PositionOpened(position=p):
                what = (
                    f"{p.side} {number(p.contracts)} at {number(p.entry_price)}, stop {number(p.stop)}, "
                    f"target {number(p.target)}, continuity {p.at_trigger.score}, risk ${money(p.risk_at_entry)}"
                )
                yield _line(p.entry_time, "ENTRY", p.symbol, p.timeframe, p.setup, what, "cyan")
            case m.PositionClosed(position=p):
                what = f"{p.exit_reason} at {number(p.exit_price)}, net ${money(p.net)}"
                yield _line(p.exit_time, "EXIT", p.symbol, p.timeframe, p.setup, what, "green" if p.net > 0 else "red")
            case m.DayStarted():
                yield _line(event.at, "day", "", "", "", f"{event.day}, equity ${money(event.equity)}")
            case m.HaltChanged():
                halts = "; ".join(f"{source}: {reason}" for source, reason in event.halts.items()) or "none"
                yield _line(event.at, "halts", "", "", "", halts, "yellow")
            case m.Alert():
                yield _line(event.at, "alert", "", "", "", event.text, "yellow")


def _line(
    at: datetime | None, kind: str, symbol: str, timeframe: str, name: str, text: str, colour: str | None = None
) -> str:
    when = "" if at is None else f"{at.astimezone(UTC):%d %b %H:%M:%S}"
    product = symbol.split("-")[0] if symbol.endswith("-CDE") else symbol
    where = " ".join(part for part in (product, timeframe, name) if part)
    return click.style(f"{when}  {kind:<{COLUMN}} {where + '  ' if where else ''}{text}", fg=colour)


def difference(
    settings: dict[str, Any], usual: dict[str, Any] | None = None, *, everything: bool = False
) -> list[tuple[str, str, str]]:
    """Return (key, value, default) of every setting that differs from its default, or of every one."""
    from atlas.cli.settings_text import defaults

    usual = defaults() if usual is None else usual
    found: list[tuple[str, str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict) and value.keys() == usual[key].keys() and value:
            within = difference(value, usual[key], everything=everything)
            found += [(f"{key}.{name}", one, other) for name, one, other in within]
        elif everything or value != usual[key]:
            found.append((key, _plain(value), _plain(usual[key])))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return number(value) if isinstance(value, Decimal) else str(value) or "none"


def summary_lines(summary: "Summary") -> list[str]:
    """Return the summary as the demo ends with it: triggers = trades + rejections, always."""
    rejected = sum(summary.rejections.values())
    by_gate = ", ".join(f"{gate} {count}" for gate, count in sorted(summary.rejections.items(), key=lambda e: -e[1]))
    exits = ", ".join(f"{reason} {count}" for reason, count in summary.exits.items())
    alerts = ", ".join(f"{count} {status}" for status, count in summary.alerts.items())
    return [
        f"setups      {summary.setups}",
        f"triggers    {summary.triggers} = {summary.trades} trades + {rejected} rejections",
        f"rejections  {by_gate or 'none'}",
        f"exits       {exits or 'none'}, {summary.open_positions} positions open",
        f"net         ${money(summary.net)} on closed trades",
        f"cash        ${money(summary.cash)}, ${money(summary.reserved)} of it reserved",
        f"ledger      ${money(summary.ledger_cash)} is the sum of its cash legs",
        f"alerts      {alerts or 'none'}",
    ]
