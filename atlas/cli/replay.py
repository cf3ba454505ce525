"""`atlas replay`: the live behaviours in virtual time, over what a daemon recorded or over files of the past."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from atlas.cli.options import Choice, instant, shared
from atlas.cli.output import as_json, print_json
from atlas.cli.past import PastOptions, of_files
from atlas.errors import DataError, UsageError

if TYPE_CHECKING:
    from atlas.backtest.result import Outcome


@click.command()
@shared
@of_files
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
    choice: Choice, recording: Path | None, out: Path | None, compare: bool, json_to: Path | None, **files: Any
) -> None:
    """Play the past: the same behaviours, the same inputs, no thread, no clock, no network.

    Without --data it is what a daemon recorded. With it, files of candles or trades, one --product each; no database
    is needed then, and --database NAME keeps the events in one.
    """
    past = PastOptions(**files)
    if past.data:
        if recording or compare or out:
            raise UsageError("--recording, --out and --compare belong to a replay of a recording, not to --data")
        from atlas.cli.replay_past import replay_past

        replay_past(choice, past, json_to)
        return
    plain = PastOptions(data=(), from_=past.from_, to=past.to)
    given = [name for name in PastOptions.__struct_fields__ if getattr(past, name) != getattr(plain, name)]
    if given:
        raise UsageError(f"{', '.join('--' + name.replace('_', '-') for name in given)} belong to --data FILE")
    from atlas.cli.run import recording_dir

    directory = recording or recording_dir(choice)
    if not directory.is_dir():
        raise UsageError(f"there is no recording in {directory}: give --recording DIR")
    events, outcome = replayed(directory, instant("--from", past.from_), instant("--to", past.to))
    if out is not None:
        out.write_bytes(b"".join(text + b"\n" for _, text in events))
    summary: dict[str, Any] = {
        "recording": str(directory), "events": len(events), "kinds": _kinds(events), **msgspec.structs.asdict(outcome)
    }  # fmt: skip
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


def replayed(
    directory: Path, from_: datetime | None = None, to: datetime | None = None
) -> tuple[list[tuple[str, bytes]], "Outcome"]:
    """Return id and JSON text of every event a recording's inputs cause, in order, and what came of them.

    Raises DataError for a damaged recording or one without the settings it was made with.
    """
    from actors.messages import decode, encode
    from actors.past_outcome import Told
    from actors.roles import Decider, core_roles
    from actors.route import route
    from actors.runtime.recorder import Codec
    from actors.runtime.recording import read
    from actors.runtime.replay import replay as play

    described = directory / "decider.json"
    if not described.is_file():
        raise DataError(f"{described} is missing: it says under which settings the inputs were recorded")
    decider = msgspec.json.decode(described.read_bytes(), type=Decider)
    told, events = Told(decider.rules), list[tuple[str, bytes]]()
    for batch in play(read(directory, from_, to), core_roles(decider), route, Codec(encode=encode, decode=decode)):
        for event in batch.events:
            told.take(event)
            events.append((event.key, encode(event)))
    return events, told.outcome()


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
