"""`atlas status` and `atlas positions`: the running daemon as the database knows it (lesson 106)."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click
import msgspec

from atlas.cli.options import Choice, shared
from atlas.cli.output import clock, money, number, print_json, print_table

if TYPE_CHECKING:
    from db.repositories.daemon import Life
    from db.repositories.night_audit import NightAudit
    from web.position import LivePosition

class Condition(msgspec.Struct, frozen=True):
    """How the daemon is: well, ill (it runs, and there is something) or down; why, and which actors are not well."""

    verdict: Literal["well", "ill", "down"]
    reasons: list[str]
    ill: list[str]


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def status(choice: Choice, as_json: bool) -> None:
    """Say whether the daemon is up and how it is: exit code 0 when it is well, 1 when not, 69 when it is down."""
    show(choice, as_json=as_json)


def show(choice: Choice, *, as_json: bool) -> NoReturn:
    """Print how the daemon is, and end with its exit code."""
    from db.engine import connect, session
    from db.repositories import night_audit
    from db.repositories.daemon import life

    with choice.opened() as url:
        engine = connect(url)
        with session(engine) as connection:
            found, audit = life(connection, choice.account), night_audit.last(connection, choice.account)
        engine.dispose()
    halts = found.halts if found is not None else {}
    how = condition(found, datetime.now(UTC), audit)
    if as_json:
        told = {"verdict": how.verdict, "reasons": how.reasons, "halts": halts, "ill": how.ill}
        print_json({"account": choice.account, **told, "daemon": found, "night_audit": audit})
    elif found is None:
        click.echo(f"account {choice.account}: no daemon has ever run: start it with `atlas run`")
    else:
        click.echo(f"account {choice.account}: {how.verdict}")
        for reason in how.reasons:
            click.echo(f"because  {reason}")
        click.echo(f"daemon   {found.host}, process {found.pid}, version {found.version}, mode {found.mode}")
        click.echo(f"beat     {clock(found.beat_at)} UTC, market time {clock(found.market_time)}")
        click.echo(f"feed     {found.feed or '-'}")
        click.echo(f"equity   cash ${money(found.cash)}, reserved ${money(found.reserved)}")
        click.echo(f"audit    {audited(audit)}")
        print_table(
            ("actor", "state", "waiting", "restarts", "last progress", "last error"),
            [
                (each.actor, each.state, str(each.waiting), str(each.restarts), clock(each.last_progress),
                 each.last_error or "")
                for each in found.actors
            ],
            right=(2, 3),
        )  # fmt: skip
    sys.exit({"well": 0, "ill": 1, "down": 69}[how.verdict])


def condition(found: "Life | None", now: datetime, audit: "NightAudit | None" = None) -> Condition:
    """Return how the daemon is, by the same verdict the panel shows."""
    from db.verdict import GOOD_STATES, runs, verdict

    halts, actors = (found.halts, found.actors) if found is not None else ({}, ())
    opened = found is not None and found.cash is not None
    reasons = [reason["text"] for reason in verdict(found, halts, actors, now, opened=opened, audit=audit)["reasons"]]
    if not runs(found, now):
        return Condition("down", reasons, [])
    return Condition("ill" if reasons else "well", reasons, [a.actor for a in actors if a.state not in GOOD_STATES])


def audited(audit: "NightAudit | None") -> str:
    """Return what the last night's audit found, in words."""
    if audit is None:
        return "no recorded day has been replayed yet"
    note = f" ({audit.note})" if audit.note else ""
    if audit.differences:
        return f"{audit.day}: {audit.differences} of {audit.events:,} events differ{note}; the first: {audit.first}"
    return f"{audit.day}: {audit.inputs:,} inputs replayed, {audit.events:,} events, no difference{note}"


@click.command()
@shared
@click.option("--json", "as_json", is_flag=True)
def positions(choice: Choice, as_json: bool) -> None:
    """List the open positions: levels, last price, open profit, and how far stop and target are in R."""
    from db.engine import connect, session
    from web.position import live_position
    from web.queries import open_positions

    with choice.opened() as url:
        engine = connect(url)
        with session(engine) as connection:
            held = [live_position(row) for row in open_positions(connection, choice.account)]
        engine.dispose()
    if as_json:
        print_json([_live(each) for each in held])
        return
    print_table(
        ("id", "side", "size", "entry", "price", "open $", "R", "to stop", "to target", "stop", "target",
         "liquidation", "margin $"),
        [
            (
                each.row.id,
                each.row.side,
                number(each.row.contracts),
                number(each.row.entry_price),
                number(each.row.price),
                money(each.unrealised),
                money(each.r),
                money(each.to_stop_r),
                money(each.to_target_r),
                number(each.row.stop),
                number(each.row.target),
                number(each.row.liquidation),
                money(each.row.margin),
            )
            for each in held
        ],
        right=tuple(range(2, 13)),
    )  # fmt: skip


def _live(position: "LivePosition") -> dict[str, Any]:
    """The position as the events have it, and what the last price makes of it; null where there is none."""
    from atlas.money.book import Position
    from web.values import rounded

    whole = msgspec.structs.asdict(msgspec.json.decode(position.row.payload, type=Position))
    told = ("unrealised", "net", "r", "to_stop_r", "to_target_r")
    live = {name: rounded(getattr(position, name), 2) for name in told}
    return {**whole, "price": position.row.price, "price_at": position.row.price_at, **live}
