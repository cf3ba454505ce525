"""`atlas web`: the panel, served until it is told to stop."""

from datetime import UTC, datetime
from pathlib import Path

import click

from atlas import config
from atlas.cli.options import DEFAULT_DATABASE


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen; loopback only. [default: the settings', 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port. [default: the settings', 8080]")
@click.option("--database-url", metavar="URL", help="The database to read; default: the settings', else embedded.")
@click.option("--account", metavar="NAME", help="The account to show; default: the one whose daemon beat last.")
@click.option("--viewers", type=click.IntRange(1, 200), default=16, show_default=True, help="Live streams at once.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Another atlas.toml.")
def web(
    host: str | None, port: int | None, database_url: str | None, account: str | None, viewers: int, file: Path | None
) -> None:
    """Show account, positions, setups and health on a page that updates by itself. Ends with Ctrl-C.

    It only reads the database, and starts also while that is down.
    """
    settings = config.load(file)
    from db.embedded import EmbeddedServer
    from db.engine import normal
    from web import PanelConfig
    from web.server import PanelServer, listening_socket

    database = settings.database
    directory = Path(database.directory) if database.directory else None
    url = normal(
        database_url
        or database.url.get_secret_value()
        or EmbeddedServer(directory).url(database.name or DEFAULT_DATABASE)
    )
    listening = listening_socket(
        settings.web.host if host is None else host, settings.web.port if port is None else port
    )
    address, bound = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    click.echo(f"ATLAS panel: http://{shown}:{bound}/ (Ctrl-C ends it)")
    panel = PanelConfig(
        url.render_as_string(hide_password=False), lambda: datetime.now(UTC), account=account, viewers=viewers
    )
    PanelServer(panel, listening).run()
