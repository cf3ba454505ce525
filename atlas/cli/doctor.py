"""`atlas doctor`: is everything there that ATLAS needs? Each line ok, warning or error, with the remedy.

It changes nothing and starts nothing: not even the embedded database, nor the daemon.
"""

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atlas.cli.findings import Finding, fault, ok, refused, warning
from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, print_json
from atlas.cli.status import audited, condition
from atlas.errors import AtlasError, ConfigurationError, CredentialError, DatabaseError

if TYPE_CHECKING:
    from atlas.config import Settings
    from db.repositories.daemon import Life

DISK_LIMIT = 80
"""Percent of the disk in use from which on it is a warning."""
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True, help="Stable keys: verdict, exit_code, checks.")
@click.option("--dead-letters", is_flag=True, help="Show the messages nobody could handle instead, with traceback.")
@click.option("--completeness", is_flag=True, help="Show instead what is known of each product's bars of seven days.")
def doctor(choice: Choice, as_json: bool, dead_letters: bool, completeness: bool) -> None:
    """Check configuration, credentials, database, daemon, exchange, webhook and disk.

    Exit code 0 without errors (warnings do not count), else that of the worst: configuration 78, credentials 77,
    unavailable 69, in this order, and 1 for any other.
    """
    if dead_letters and completeness:
        raise click.UsageError("--dead-letters and --completeness are two lists: ask for one of them")
    if completeness:
        from atlas.cli.completeness import show as show_completeness

        show_completeness(choice, as_json=as_json)
        return
    if dead_letters:
        from atlas.cli.dead_letters import show

        show(choice, as_json=as_json)
        return
    findings: list[Finding] = []
    for finding in examine(choice):
        findings.append(finding)
        if not as_json:
            level = click.style(f"{finding.level:<8}", fg=_COLOURS[finding.level])
            click.echo(f"{level} {finding.check}: {finding.text}")
    levels = [finding.level for finding in findings]
    verdict = "error" if "error" in levels else "warning" if "warning" in levels else "ok"
    code = max(finding.exit_code for finding in findings)
    if as_json:
        print_json({"verdict": verdict, "exit_code": code, "checks": findings})
    if code:
        wrong = ", ".join(dict.fromkeys(finding.check for finding in findings if finding.level == "error"))
        click.echo(f"atlas: not well: {wrong}; see what `atlas doctor` says about it", err=True)
    sys.exit(code)


def examine(choice: Choice) -> Iterator[Finding]:
    """Yield every finding, one after another as it is made."""
    from atlas.cli.doctor_exchange import examine_exchange

    halves: CredentialError | None = None
    try:
        try:
            settings = choice.settings
        except CredentialError as error:
            # The rest can be looked at without keys.
            halves, choice = error, choice.with_overrides({"coinbase": {"api_key": "", "api_secret": ""}})
            settings = choice.settings
        yield _configuration(choice)
    except ConfigurationError as error:
        yield refused("configuration", error)
        return
    except CredentialError as error:
        yield refused("credentials", error)
        return
    yield _credentials(settings) if halves is None else refused("credentials", halves)
    yield from _database(choice)
    yield from examine_exchange(settings, choice.rest)
    yield _webhook(settings)
    yield from _channels(settings)
    yield _disk(choice.state_dir)


def _configuration(choice: Choice) -> Finding:
    from atlas.cli.demo_show import difference
    from atlas.cli.settings_text import plain
    from atlas.rules import SizingRules

    changed = len(difference(plain(choice.settings)))
    file = choice.config_file
    said = "no file, only defaults and environment" if file is None else str(file)
    told = f"{said}; {changed} settings differ from the defaults, mode {choice.settings.mode}"
    sizing, default = choice.settings.rules().sizing, SizingRules()
    if sizing.mode == "leverage" and sizing.max_total_risk == default.max_total_risk:
        told += (
            f"; `sizing.mode` is leverage with `sizing.max_total_risk` at its default {default.max_total_risk}: most "
            "full-size entries risk more and will be rejected as total_risk; raise it, or set the mode to risk"
        )
        return warning("configuration", told)
    return ok("configuration", told)


def _credentials(settings: "Settings") -> Finding:
    if settings.coinbase.api_key.get_secret_value():
        return ok("credentials", "key and secret are set; market data needs neither")
    return ok("credentials", "no key and no secret: market data needs neither")


def _database(choice: Choice) -> Iterator[Finding]:
    """Look at the server, the tables and the daemon's sign of life."""
    from db.engine import name_of
    from db.migrate import current, head, require_current

    try:
        url = _running_database(choice)
        if isinstance(url, Finding):
            yield url
            return
        found = current(url)
        if found is None:
            yield warning("database", f"{name_of(url)} has no tables yet: `atlas db upgrade` or `atlas run` makes them")
            return
        require_current(url)
    except AtlasError as error:
        yield refused("database", error)
        return
    yield ok("database", f"{name_of(url)} is reachable, its tables are at revision {head()}")
    try:
        yield from _daemon(url, choice.account)
    except DatabaseError as error:
        yield refused("daemon", error)


def _running_database(choice: Choice) -> str | Finding:
    """Return the database's URL, or why there is none to look at; ATLAS makes and starts an embedded one by itself."""
    server = choice.server
    if server is None:
        return choice.running_url()
    if not server.status().running:
        return warning(
            "database",
            f"the embedded Postgres in {server.data_dir} is not running: `atlas run` or `atlas db start` starts it",
        )
    if not server.database_exists(choice.database):
        return warning("database", f"there is no database {choice.database!r} yet: `atlas run` makes it")
    return server.url(choice.database)


def _daemon(url: str, account: str) -> Iterator[Finding]:
    """Judge the daemon, its last night's audit, what nobody could handle in the last day, and the bars of that day."""
    from atlas.cli.completeness import judge
    from db.engine import connect, session
    from db.repositories import dead_letters, night_audit
    from db.repositories.daemon import life

    engine, now = connect(url), datetime.now(UTC)
    try:
        with session(engine) as connection:
            found, audit = life(connection, account), night_audit.last(connection, account)
            letters = dead_letters.count(connection, account, now - timedelta(days=1))
            bars = list(judge(connection, account))
    finally:
        engine.dispose()
    if found is None:
        yield warning("daemon", f"no daemon of account {account!r} has ever run: start it with `atlas run`")
    else:
        yield _living(found, now)
    if audit is not None:
        yield (warning if audit.differences else ok)("night audit", audited(audit))
    if letters:
        told = "one message" if letters == 1 else f"{letters} messages"
        yield warning("dead letters", f"{told} could not be handled in the last day: `atlas doctor --dead-letters`")
    yield from bars


def _living(found: "Life", now: datetime) -> Finding:
    how = condition(found, now)
    who = f"process {found.pid} on {found.host}, version {found.version}"
    if how.verdict == "well":
        return ok("daemon", f"{who}, is alive and well")
    if how.verdict == "down" and found.stopped_at is not None:
        return warning("daemon", f"stopped at {clock(found.stopped_at)} UTC: start it with `atlas run`")
    if how.verdict == "down":
        silent = f"{who}, gave its last sign of life at {clock(found.beat_at)} UTC"
        return fault("daemon", f"{silent}: look at its log and start it again", DatabaseError.exit_code)
    if how.ill:
        return fault("daemon", f"{who}: not well are {', '.join(how.ill)}: `atlas status` says why")
    if found.halts:
        halts = "; ".join(f"{source}: {reason}" for source, reason in sorted(found.halts.items()))
        return warning("daemon", f"entries are halted ({halts}): mend that, or `atlas resume` if a person halted them")
    return warning("daemon", f"{who}: {'; '.join(how.reasons)}")


def _webhook(settings: "Settings") -> Finding:
    from actors.alerter_discord import Webhook

    url = settings.discord.webhook_url.get_secret_value()
    if not url:
        return warning("webhook", "nobody is alerted: set DISCORD_WEBHOOK_URL to the webhook of a Discord channel")
    try:
        webhook = Webhook(url)
    except ConfigurationError as error:
        return refused("webhook", error)
    webhook.close()
    return ok("webhook", "Discord alerts are configured")


def _channels(settings: "Settings") -> Iterator[Finding]:
    from actors.alerter_apprise import channels_of

    try:
        channels = channels_of(settings.channels.urls.get_secret_value())
    except ConfigurationError as error:
        yield refused("channels", error)
        return
    if channels:
        yield ok("channels", f"alerts go to {', '.join(channel.name for channel in channels)}, too")


def _disk(place: Path) -> Finding:
    standing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    usage = shutil.disk_usage(standing)
    return disk(place, usage.used, usage.free)


def disk(place: Path, used: int, free: int) -> Finding:
    """Return what to say of the disk that holds `place`, given its bytes in use and those still to be had."""
    share = 100 * used // max(1, used + free)
    text = f"{share} % of the disk of {place} is in use, {free / 1e9:.1f} GB are free"
    if share < DISK_LIMIT:
        return ok("disk", text)
    return warning("disk", f"{text}: make room; recorder.days keeps fewer recordings")
