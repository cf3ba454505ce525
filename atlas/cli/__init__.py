"""The command line. A command is a module of its own, imported only when it is called: `--help` stays quick."""

import importlib
import sys
import traceback

import click

from atlas import __version__
from atlas.errors import AtlasError, InternalError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("atlas.cli.demo:demo", "Run everything on a local exchange and show what happens."),
    "run": ("atlas.cli.run:run", "Run the daemon."),
    "web": ("atlas.cli.web:web", "Run the panel."),
    "exchange": ("atlas.cli.exchange:exchange", "A local exchange that speaks Coinbase Advanced Trade."),
    "scan": ("atlas.cli.scan:scan", "Show the setups of live products now."),
    "label": ("atlas.cli.label:label", "Type and label the bars of a candle file."),
    "setups": ("atlas.cli.setups:setups", "The setups the bars of a candle file give."),
    "replay": ("atlas.cli.replay:replay", "Play a recording again in virtual time."),
    "backtest": ("atlas.cli.backtest:backtest", "Play past files by search: a replay's trades, much faster."),
    "sweep": ("atlas.cli.sweep:sweep", "Backtest a grid of settings over products and windows."),
    "data": ("atlas.cli.data:data", "Past candles: import, download, list, verify."),
    "report": ("atlas.cli.report:report", "Trades, rejections and results of an account."),
    "explain": ("atlas.cli.explain:explain", "Why it did, or did not, trade: from the bars to the last cent."),
    "night-audit": ("atlas.cli.night_audit:night_audit", "Replay a recorded day and compare it with what was decided."),
    "audit": ("atlas.cli.audit:audit", "Recompute an account from its events and compare."),
    "status": ("atlas.cli.status:status", "Is the daemon up, and how is it?"),
    "positions": ("atlas.cli.status:positions", "Open positions."),
    "top": ("atlas.cli.top:top", "The overview, live in the terminal."),
    "halt": ("atlas.cli.control:halt", "Stop entries; exits go on."),
    "resume": ("atlas.cli.control:resume", "Lift a halt by a person or by the daily loss."),
    "flatten": ("atlas.cli.control:flatten", "Close every open position now."),
    "close": ("atlas.cli.control:close", "Close one position now."),
    "alerts": ("atlas.cli.alerts:alerts", "Does the Discord webhook work?"),
    "doctor": ("atlas.cli.doctor:doctor", "Check configuration, database, exchange and webhook."),
    "config": ("atlas.cli.config:config", "Show the settings in force."),
    "db": ("atlas.cli.database:db", "The database: upgrade, start, stop, status, backup, restore, views, psql."),
}
"""Name → where the command is, and the line `--help` shows for it."""


class Commands(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="atlas")
def cli() -> None:
    """ATLAS plays The Strat on Coinbase's feed, around the clock, on a paper account with real-venue money rules."""


def main() -> None:
    """Run the command line; every fault ends in one clear line and the exit code of its kind."""
    try:
        status = cli.main(prog_name="atlas", standalone_mode=False)
    except SystemExit:
        raise
    except BrokenPipeError:
        sys.stderr.close()
        status = 0
    except BaseException as error:  # every end of a command is one line and the exit code of its kind
        status = _fault(error)
    sys.exit(status if isinstance(status, int) else 0)


def _fault(error: BaseException) -> int:
    """Say what went wrong in one line; return the exit code of its kind."""
    match error:
        case AtlasError():
            said, code = str(error), error.exit_code
        case click.ClickException():
            said, code = error.format_message(), error.exit_code
            if said.startswith("Usage:"):  # a group without a command: click's message is the help itself
                click.echo(said, err=True)
                return code
            if isinstance(error, click.UsageError) and error.ctx is not None:
                said = f"{said.rstrip('.')}; see `{error.ctx.command_path} --help`"
        case KeyboardInterrupt() | click.Abort():
            said, code = "interrupted", 130
        case OSError() if error.filename is not None:
            said, code = f"{error.filename}: {error.strerror}; mend it, or name another place", 1
        case _:
            # The one fault that is ATLAS's own: whoever mends it needs to see where.
            traceback.print_exception(error)
            said = f"a fault of ATLAS itself, {type(error).__name__}: {error}; please report it with the lines above"
            code = InternalError.exit_code
    click.echo(f"atlas: {' '.join(said.split())}", err=True)
    return code
