"""`atlas report`: what came of the triggers, trade by trade, group by group and in sum. docs/report.md has the JSON."""

from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json
from atlas.cli.report_csv import print_csv, print_groups_csv
from atlas.cli.report_show import print_funnel, print_ledger, print_report
from atlas.errors import DataError, UsageError

if TYPE_CHECKING:
    from db.period import Period
    from db.report import Ledger

SECTIONS = ("timeframe", "setup", "symbol", "side", "continuity", "exit", "day")
"""What the metrics are shown by unless asked."""
GROUPS = (*SECTIONS, "family", "weekday", "hour")


@click.command()
@shared
@click.option("--from", "from_", metavar="TIME", help="Only from this day of the account, or ISO 8601 time, on.")
@click.option("--to", metavar="TIME", help="Only before this day, or ISO 8601 time.")
@click.option(
    "--by", multiple=True, type=click.Choice([*GROUPS, "product"]), help="Which sections; again for more. "
    f"Default: {', '.join(SECTIONS)}.",
)  # fmt: skip
@click.option("--funnel", "only_funnel", is_flag=True, help="Only what became of the triggers.")
@click.option("--ledger", "only_ledger", is_flag=True, help="Only the double-entry ledger, and that it sums.")
@click.option("--json", "as_json", is_flag=True, help="Stable keys, Decimals as strings, times ISO 8601 UTC.")
@click.option("--csv", "as_csv", is_flag=True, help="One table: the trades, or with --by, --funnel or --ledger that.")
@click.option(
    "--html", "page", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Write all of it with charts to one file that needs no network.",
)  # fmt: skip
def report(
    choice: Choice,
    from_: str | None,
    to: str | None,
    by: tuple[str, ...],
    only_funnel: bool,
    only_ledger: bool,
    as_json: bool,
    as_csv: bool,
    page: Path | None,
) -> None:
    """Show an account's trades, the funnel from trigger to trade, and the metrics, also group by group.

    Of a period: the trades closed and the triggers broken in it; `--to` is not in it.
    """
    from atlas.backtest.result import FunnelRow, Trade
    from atlas.performance import Performance
    from db.engine import connect, snapshot
    from db.funnel import funnel
    from db.report import ledger, report
    from db.results import opened_account

    _require_one_form(only_funnel, only_ledger, as_json, as_csv, page, by)
    sections = list(dict.fromkeys("symbol" if one == "product" else one for one in by or SECTIONS))
    timezone = choice.settings.rules().account.timezone
    period = _period(from_, to, timezone)
    with choice.opened() as url:
        engine = connect(url)
        try:
            with snapshot(engine) as connection:
                opened_account(connection, choice.account)
                if only_ledger:
                    _show_ledger(ledger(connection, choice.account, period), as_json, as_csv)
                    return
                if only_funnel:
                    rows = funnel(connection, choice.account, period)
                    print_json(rows) if as_json else print_csv(FunnelRow, rows) if as_csv else print_funnel(rows)
                    return
                found = report(connection, choice.account, timezone, period)
        finally:
            engine.dispose()
    if page is not None:
        from atlas.cli.report_html import document

        page.write_text(document(found, sections, datetime.now(UTC)), encoding="utf-8")
        click.echo(f"wrote {page}")
    elif as_json:
        print_json(found)
    elif as_csv and by:
        print_groups_csv(Performance, found.by[sections[0]])
    elif as_csv:
        print_csv(Trade, found.trades)
    else:
        print_report(found, sections)


def _require_one_form(
    only_funnel: bool, only_ledger: bool, as_json: bool, as_csv: bool, page: Path | None, by: tuple[str, ...]
) -> None:
    if only_funnel and only_ledger:
        raise UsageError("--funnel and --ledger are two reports: ask for one of them")
    if as_json + as_csv + (page is not None) > 1:
        raise UsageError("--json, --csv and --html are three forms of one report: ask for one of them")
    if page is not None and (only_funnel or only_ledger):
        raise UsageError("--html is the whole report: leave --funnel and --ledger out")
    if as_csv and len(by) > 1:
        raise UsageError(f"--csv is one table: give --by once, not {len(by)} times")


def _show_ledger(found: "Ledger", as_json: bool, as_csv: bool) -> None:
    """Print the ledger. Raises DataError when it does not sum."""
    from db.report import LedgerEntry

    print_json(found) if as_json else print_csv(LedgerEntry, found.entries) if as_csv else print_ledger(found)
    if not found.sums:
        wrong = ", ".join(found.unbalanced[:5]) or "the balances do not sum to 0"
        raise DataError(f"the ledger does not balance: {wrong}; `atlas audit` names every difference")


def _period(from_: str | None, to: str | None, timezone: str) -> "Period":
    from db.period import Period

    period = Period(_instant("--from", from_, timezone), _instant("--to", to, timezone))
    if period.start is not None and period.end is not None and period.end <= period.start:
        raise UsageError(f"--to {to} is not after --from {from_}: the period is empty")
    return period


def _instant(option: str, text: str | None, timezone: str) -> datetime | None:
    """Return the instant; a day begins, and a time without a zone is, in the account's timezone."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: write a day, 2026-03-02, or a time, 2026-03-02T14:30Z") from error
    return at if at.tzinfo else datetime.combine(at.date(), at.time() or time(), ZoneInfo(timezone))
