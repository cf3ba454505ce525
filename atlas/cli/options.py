"""Options many commands share: which settings, which database, which account."""

import copy
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from atlas.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from atlas.config import Settings
    from atlas.exchange.rest import Rest
    from db.embedded import EmbeddedServer

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATABASE = "atlas"
"""The embedded server's database of the paper account; every demo has one of its own."""


class Choice:
    """What the shared options chose; the settings are read when first asked for."""

    def __init__(
        self,
        config: Path | None = None,
        sets: tuple[str, ...] = (),
        database: str | None = None,
        account: str | None = None,
    ) -> None:
        self.chosen_database = database
        self._config, self._sets = config, sets
        self._overrides = _overrides((*sets, f"account.name={account}") if account else sets)

    def with_overrides(self, tree: dict[str, Any]) -> "Choice":
        """Return the same choice with more settings overruled; what was given by `--set` wins."""
        from atlas.config import merge

        merged = copy.deepcopy(tree)
        merge(merged, self._overrides)
        other = Choice(self._config, database=self.chosen_database)
        other._overrides = merged
        return other

    @property
    def passed_on(self) -> list[tuple[str, str]]:
        """The options by which another command gets the same settings; database and account are named apart."""
        config = [("--config", str(self._config))] if self._config is not None else []
        return [*config, *(("--set", word) for word in self._sets)]

    @functools.cached_property
    def settings(self) -> "Settings":
        """The settings. Raises ConfigurationError, CredentialError."""
        from atlas.config import load

        return load(self._config, self._overrides)

    @property
    def account(self) -> str:
        """The account's name."""
        return self.settings.rules().account.name

    @property
    def database(self) -> str:
        """The database's name on the embedded server."""
        return self.chosen_database or self.settings.database.name or DEFAULT_DATABASE

    @property
    def url(self) -> str | None:
        """The URL of a server elsewhere, None for the embedded one. Raises ConfigurationError."""
        settings = self.settings.database  # Before the import: wrong settings are told at once.
        from db.engine import resolve_url

        return resolve_url(settings.url.get_secret_value() or None)

    @functools.cached_property
    def server(self) -> "EmbeddedServer | None":
        """The embedded server, None when a URL names another. Starts nothing."""
        settings = self.settings.database  # Before the imports: wrong settings are told at once.
        if self.url is not None:
            return None
        from db.embedded import EmbeddedServer

        directory = settings.directory
        return EmbeddedServer(Path(directory) if directory else None)

    def rest(self) -> "Rest":
        """Return a client of the exchange; the caller closes it. Raises ConfigurationError."""
        from atlas.exchange.rest import Rest

        exchange, keys = self.settings.exchange, self.settings.coinbase
        return Rest(
            exchange.rest_url,
            timeout=exchange.rest_timeout_seconds,
            rate=exchange.rest_per_second,
            key=keys.api_key.get_secret_value(),
            secret=keys.api_secret.get_secret_value(),
        )

    @property
    def config_file(self) -> Path | None:
        """The configuration file that is read, None if there is none."""
        from atlas.config import location

        return location(self._config)

    def running_url(self) -> str:
        """Return the database's URL without starting a server. Raises DatabaseError if the embedded one is down."""
        server = self.server
        if server is None:
            return self._elsewhere(create=False)
        server.require_running()
        return server.url(self.database)

    @property
    def state_dir(self) -> Path:
        """Where recordings and spools are kept: beside the embedded data, whether that is used or not."""
        from db.embedded_place import default_data_dir

        directory = self.settings.database.directory
        return (Path(directory).expanduser().resolve() if directory else default_data_dir()).parent

    @property
    def candles(self) -> Path:
        """Where past candles are kept as columns (`atlas data`)."""
        return self.state_dir / "candles"

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[str]:
        """Yield the database's URL, with the embedded server running if that is the one.

        `create` makes a missing database and its tables; without it a missing one is an error. A server started here
        is said on stderr and stopped again unless somebody else uses it; so is one left running by a killed command.
        One that a service of the machine runs is not started: DatabaseError if it is down.
        """
        server = self.server
        if server is None:
            url = self._elsewhere(create=create)
            with _tables_current(url):
                yield url
            return
        if self.settings.database.service:
            server.require_running()
        elif not server.status().running:
            click.echo("atlas: starting the embedded database for this command", err=True)
        started = False
        try:
            with uninterrupted():
                started = server.start()
            if not server.database_exists(self.database):
                if not create:
                    raise DatabaseError(
                        f"there is no database {self.database!r} on the embedded server in {server.data_dir}: "
                        "`atlas run` makes it, `--database NAME` chooses another"
                    )
                server.create_database(self.database)
            if create:
                _upgrade_empty(server.url(self.database))
            url = server.url(self.database)
            with _tables_current(url):
                yield url
        finally:
            with uninterrupted():
                if started:
                    server.stop()
                else:
                    server.leave()

    def _elsewhere(self, *, create: bool) -> str:
        from sqlalchemy import make_url

        url = make_url(self.url or "")
        if self.chosen_database or self.settings.database.name:
            url = url.set(database=self.database)
        text = url.render_as_string(hide_password=False)
        if create:
            from db.create import make_database

            make_database(text)
            _upgrade_empty(text)
        return text


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return what asks a command to end: Ctrl-C, `kill`, and its terminal's end unless that is ignored (nohup)."""
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if outlives else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put a Ctrl-C off until the end of the block: a server half started or half stopped is nobody's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda it, _: came.append(it)) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def shared(command: Command) -> Command:
    """Give a command `--config`, `--set`, `--database` and `--account`; it gets them as `choice`."""

    @click.option("--config", type=click.Path(path_type=Path), help="The configuration file.")
    @click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Overrule a setting, e.g. gates.off=fees.")
    @click.option("--database", metavar="NAME", help="Which database of the server.")
    @click.option("--account", metavar="NAME", help="Which account.")
    @functools.wraps(command)
    def wrapped(
        config: Path | None, sets: tuple[str, ...], database: str | None, account: str | None, **rest: Any
    ) -> Any:
        return command(choice=Choice(config, sets, database, account), **rest)

    return wrapped  # type: ignore[return-value]  # click's decorators keep the call's type no better


@contextmanager
def _tables_current(url: str) -> Iterator[None]:
    """Say that the database needs an upgrade where that is why a command failed; asked only then, since it is slow."""
    try:
        yield
    except DatabaseError as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) in OTHER_TABLES:
            from db.migrate import require_current

            require_current(url)
        raise


def _upgrade_empty(url: str) -> None:
    """Make the tables of a database that has none; one that has some is never changed without being asked."""
    from db.migrate import current, upgrade

    if current(url) is None:
        upgrade(url)


def _overrides(sets: tuple[str, ...]) -> dict[str, Any]:
    """Return `section.key=value` words as a tree; a value with commas is a list."""
    tree: dict[str, Any] = {}
    for word in sets:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {word}: write it as section.key=value, e.g. gates.min_magnitude=0.004")
        *sections, last = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
            if not isinstance(branch, dict):
                raise UsageError(f"--set {word}: another --set gives `{section}` a value of its own; leave one out")
        branch[last] = listed(value) if "," in value or last in LISTS else value
    return tree


OTHER_TABLES = ("42P01", "42703")
"""What Postgres answers where a table or a column is not there."""

LISTS = ("off", "timeframes", "families", "products")
"""Settings that are lists: also a single word is one."""


def listed(text: str) -> list[str]:
    """Return the words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def instant(option: str, text: str | None) -> datetime | None:
    """Return the instant of a UTC date or an ISO time (UTC unless it has an offset). Raises UsageError."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} '{text}' is no date; give YYYY-MM-DD or an ISO time, in UTC") from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
