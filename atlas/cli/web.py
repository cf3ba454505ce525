"""`atlas web`: the panel, served until it is told to stop; its password and its tokens."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atlas.cli.options import Choice
from atlas.cli.run import log_dir
from atlas.errors import UsageError

if TYPE_CHECKING:
    from web.keys import KeyFile

_config = click.option("--config", "file", type=click.Path(path_type=Path), help="Another atlas.toml.")


@click.group(invoke_without_command=True)
@click.option("--host", metavar="ADDRESS", help="Where to listen. [default: the settings', 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port. [default: the settings', 8080]")
@click.option("--database-url", metavar="URL", help="The database to read; default: the settings', else embedded.")
@click.option("--account", metavar="NAME", help="The account to show; default: the one whose daemon beat last.")
@click.option("--viewers", type=click.IntRange(1, 200), default=32, show_default=True, help="Live streams at once.")
@_config
@click.pass_context
def web(
    context: click.Context,
    host: str | None,
    port: int | None,
    database_url: str | None,
    account: str | None,
    viewers: int,
    file: Path | None,
) -> None:
    """Show account, positions, setups and health on pages that update by themselves. Ends with Ctrl-C.

    It only reads the database, but for the commands its owner gives, and starts also while that is down. Without a
    password it shows nothing: `atlas web set-password`.
    """
    if context.invoked_subcommand is not None:
        return
    choice = Choice(file)
    settings = choice.settings
    from db.embedded import EmbeddedServer
    from db.engine import normal
    from web import PanelConfig
    from web.server import PanelServer, listening_socket

    directory = Path(settings.database.directory) if settings.database.directory else None
    url = normal(
        database_url or settings.database.url.get_secret_value() or EmbeddedServer(directory).url(choice.database)
    )
    keys = _keys(choice)
    listening = listening_socket(
        settings.web.host if host is None else host,
        settings.web.port if port is None else port,
        locked=bool(keys.read().password),
    )
    address, bound = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    click.echo(f"ATLAS panel: http://{shown}:{bound}/ (Ctrl-C ends it)")
    if not keys.read().password:
        click.echo("atlas: the panel has no password and shows nothing; set one: `atlas web set-password`", err=True)
    panel = PanelConfig(
        url.render_as_string(hide_password=False),
        lambda: datetime.now(UTC),
        keys.read,
        account=account,
        names=settings.web.names,
        proxied=settings.web.proxy,
        viewers=viewers,
        logs=log_dir(choice),
    )
    PanelServer(panel, listening).run()


@web.command()
@click.option("--stdin", is_flag=True, help="Read it from the first line of standard input; nothing is asked.")
@_config
def set_password(stdin: bool, file: Path | None) -> None:
    """Set the panel's password, asked twice. Everybody is logged out; a running panel takes it at once."""
    keys = _named(file)
    password = sys.stdin.readline().rstrip("\n") if stdin else click.prompt("Password", hide_input=True, err=True)
    if not stdin and click.prompt("The same again", hide_input=True, err=True) != password:
        raise UsageError("the two passwords differ, and nothing is changed: try again")
    keys.set_password(password)
    click.echo(f"The panel's password is set; its hash is in {keys.path}.")


@web.command()
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Take the token of this name back.")
@_config
def token(name: str | None, remove: bool, file: Path | None) -> None:
    """Make a token named NAME that reads the API and nothing else. Without NAME: list the names there are.

    It is shown once: `curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:8080/api/v1/overview`.
    """
    keys = _named(file)
    if name is None:
        if remove:
            raise UsageError("--remove needs the token's name: `atlas web token` lists them")
        for known in keys.read().tokens:
            click.echo(known)
    elif remove:
        keys.remove_token(name)
        click.echo(f"The token {name} is taken back.")
    else:
        click.echo(keys.add_token(name))


def _named(file: Path | None) -> "KeyFile":
    """Return the keys of these settings; `--config` may stand before the word of the command or after it."""
    before = click.get_current_context().parent
    return _keys(Choice(file or (None if before is None else before.params.get("file"))))


def _keys(choice: Choice) -> "KeyFile":
    from web.keys import KeyFile

    named = choice.settings.web.keys
    return KeyFile(Path(named).expanduser() if named else choice.state_dir / "panel.json")
