"""`atlas replay`: the live behaviours in virtual time, over what a daemon recorded or over files of the past."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from atlas.cli.options import Choice, instant, shared
from atlas.cli.output import as_json, print_json
from atlas.errors import DataError, UsageError


@click.command()
@shared
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="A file of candles or trades to play.")
@click.option("--product", multiple=True, metavar="ID", help="The product of each --data, in the same order.")
@click.option("--timeframes", metavar="LIST", help="Detection timeframes, e.g. 15m,1h,4h,1d.")
@click.option("--from", "from_", metavar="TIME", help="Play from this UTC date or ISO time on.")
@click.option("--to", metavar="TIME", help="Play until before this UTC date or ISO time.")
@click.option("--tick", metavar="PRICE", help="The price increment, for products whose own is only in a listing.")
@click.option("--high-first", is_flag=True, help="Walk every candle open, high, low, close.")
@click.option("--trust-path", is_flag=True, help="Take that path for what happened: no trade is ambiguous.")
@click.option(
    "--recording", type=click.Path(path_type=Path), help="The recording's directory; default: that of the account."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write every event to this file, one JSON a line.")
@click.option("--compare", is_flag=True, help="Compare the events with those in the database, byte by byte.")
@click.option(
    "--json", "json_to", is_flag=False, flag_value="-", metavar="[OUT]", type=click.Path(path_type=Path),
    help="The result as JSON, to this file or to standard output.",
)  # fmt: skip
def replay(
    choice: Choice,
    data: tuple[Path, ...],
    product: tuple[str, ...],
    timeframes: str | None,
    from_: str | None,
    to: str | None,
    tick: str | None,
    high_first: bool,
    trust_path: bool,
    recording: Path | None,
    out: Path | None,
    compare: bool,
    json_to: Path | None,
) -> None:
    """Play the past: the same behaviours, the same inputs, no thread, no clock, no network.

    Without --data it is what a daemon recorded. With it, files of candles or trades, one --product each; no database
    is needed then, and --database NAME keeps the events in one.
    """
    of_files = {
        "--product": product, "--timeframes": timeframes, "--tick": tick, "--high-first": high_first,
        "--trust-path": trust_path,
    }  # fmt: skip
    if data:
        if recording or compare or out:
            raise UsageError("--recording, --out and --compare belong to a replay of a recording, not to --data")
        from atlas.cli.replay_past import PastOptions, replay_past

        asked = PastOptions(data, product, timeframes, tick, from_, to, high_first, trust_path)
        replay_past(choice, asked, json_to)
        return
    given = [name for name, value in of_files.items() if value]
    if given:
        raise UsageError(f"{', '.join(given)} belong to --data FILE")
    from atlas.cli.run import recording_dir

    directory = recording or recording_dir(choice)
    if not directory.is_dir():
        raise UsageError(f"there is no recording in {directory}: give --recording DIR")
    events = list(replayed(directory, instant("--from", from_), instant("--to", to)))
    if out is not None:
        out.write_bytes(b"".join(text + b"\n" for _, text in events))
    summary: dict[str, Any] = {"recording": str(directory), "events": len(events), "kinds": _kinds(events)}
    if compare:
        with choice.opened() as url:
            summary["compared"] = _compare(_first(events), _committed(url, choice.account))
    if json_to is not None:
        _write(json_to, summary)
    else:
        click.echo(f"{len(events)} events from {directory}")
        for kind, count in summary["kinds"].items():
            click.echo(f"  {count:6} {kind}")
        if compare:
            click.echo(f"the same in the database, to the byte: {summary['compared']['same']}")
    if compare and (summary["compared"]["different"] or summary["compared"]["missing"]):
        raise DataError(
            f"the replay differs from the database: {summary['compared']['different'] + summary['compared']['missing']}"
        )


def _write(json_to: Path, summary: dict[str, Any]) -> None:
    if str(json_to) == "-":
        print_json(summary)
    else:
        json_to.write_text(as_json(summary) + "\n", encoding="utf-8")


def replayed(directory: Path, from_: datetime | None = None, to: datetime | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield id and JSON text of every event a recording's inputs cause, in order.

    Raises DataError for a damaged recording or one without the settings it was made with.
    """
    import msgspec

    from actors.messages import decode, encode
    from actors.roles import Decider, core_roles
    from actors.route import route
    from actors.runtime.recorder import Codec
    from actors.runtime.recording import read
    from actors.runtime.replay import replay as play

    described = directory / "decider.json"
    if not described.is_file():
        raise DataError(f"{described} is missing: it says under which settings the inputs were recorded")
    decider = msgspec.json.decode(described.read_bytes(), type=Decider)
    for batch in play(read(directory, from_, to), core_roles(decider), route, Codec(encode=encode, decode=decode)):
        for event in batch.events:
            yield event.key, encode(event)


def _committed(url: str, account: str) -> dict[str, bytes]:
    from sqlalchemy import select

    from db.engine import connect, session
    from db.models import EventRow

    engine = connect(url)
    with session(engine) as connection:
        query = select(EventRow.id, EventRow.payload).where(EventRow.account == account, EventRow.input.is_not(None))
        found = {id_: payload.encode() for id_, payload in connection.execute(query.order_by(EventRow.seq))}
    engine.dispose()
    return found


def _first(events: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return id → text, of the first event of each id: the database keeps that one too."""
    found: dict[str, bytes] = {}
    for id_, text in events:
        found.setdefault(id_, text)
    return found


def _compare(replay: dict[str, bytes], committed: dict[str, bytes]) -> dict[str, Any]:
    """Return how many events are the same, and the ids of those that differ or that only one of the two has."""
    return {
        "same": sum(1 for id_, text in committed.items() if replay.get(id_) == text),
        "different": [id_ for id_, text in committed.items() if id_ in replay and replay[id_] != text],
        "missing": [id_ for id_ in committed if id_ not in replay],
        "only_in_replay": [id_ for id_ in replay if id_ not in committed],
    }


def _kinds(events: list[tuple[str, bytes]]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for id_, _ in events:
        kind = id_.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return dict(sorted(kinds.items()))
