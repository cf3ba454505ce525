"""`atlas config`: the settings in force, and the reference of all there are."""

import click

from atlas.cli.demo_show import difference
from atlas.cli.options import Choice, shared
from atlas.cli.output import print_json


@click.group()
def config() -> None:
    """The settings."""


@config.command()
@shared
@click.option("--json", "as_json", is_flag=True)
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
def show(choice: Choice, as_json: bool, changed: bool) -> None:
    """Print every setting with its value; secrets are never shown."""
    from atlas.cli.settings_text import plain

    tree = plain(choice.settings)
    if as_json:
        print_json(tree)
        return
    for key, value, default in difference(tree, everything=not changed):
        click.echo(f"{key} = {value}" + ("" if value == default else f"   (default {default})"))


@config.command()
def reference() -> None:
    """Print every setting with its meaning, default and values (docs/configuration.md)."""
    from atlas.cli.config_reference import reference

    click.echo(reference(), nl=False)
