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
    from actors.night_compare import Again
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
    events, outcome, again = replayed(directory, instant("--from", past.from_), instant("--to", past.to))
    if out is not None:
        out.write_bytes(b"".join(text + b"\n" for _, text in events))
    summary: dict[str, Any] = {
        "recording": str(directory), "events": len(events), "kinds": _kinds(events), **msgspec.structs.asdict(outcome)
    }  # fmt: skip
    if compare:
        with choice.opened() as url:
            summary["compared"] = _compare(again, url, choice.account)
    if json_to is not None:
        _write(json_to, summary)
    else:
        click.echo(f"{len(events)} events from {directory}")
        for kind, count in summary["kinds"].items():
            click.echo(f"  {count:6} {kind}")
        if compare:
            click.echo(f"the same in the database, to the byte: {summary['compared']['same']}")
    differing = [id_ for how, ids in summary.get("compared", {}).items() if how != "same" for id_ in ids]
    if differing:
        raise DataError(f"the replay differs from the database: {differing}")


def _write(json_to: Path, summary: dict[str, Any]) -> None:
    if str(json_to) == "-":
        print_json(summary)
    else:
        json_to.write_text(as_json(summary) + "\n", encoding="utf-8")


def replayed(
    directory: Path, from_: datetime | None = None, to: datetime | None = None
) -> tuple[list[tuple[str, bytes]], "Outcome", "Again"]:
    """Return id and JSON text of every event a recording's inputs cause, in order, and what came of them.

    Raises DataError for a damaged recording or one without the settings it was made with.
    """
    from actors.messages import decode, encode
    from actors.night_compare import Again, noted
    from actors.past_outcome import Told
    from actors.roles import core_roles, described
    from actors.route import route
    from actors.runtime.recorder import Codec
    from actors.runtime.recording import read
    from actors.runtime.replay import replay as play

    decider = described(directory)
    told, again, events = Told(decider.rules), Again(), list[tuple[str, bytes]]()
    records = noted(read(directory, from_, to), again.runs)
    for batch in play(records, core_roles(decider), route, Codec(encode=encode, decode=decode)):
        for event in batch.events:
            told.take(event)
            events.append((event.key, encode(event)))
            again.take(batch.number, *events[-1])
    return events, told.outcome(), again


def _compare(again: "Again", url: str, account: str) -> dict[str, Any]:
    """Return how many events are the same, and the ids of those that differ or that only one of the two has.

    What a process decided and had not committed when it was killed is no difference (actors.night_compare).
    """
    from actors.night_compare import differences
    from db.engine import connect

    engine = connect(url)
    try:
        found = list(differences(again, engine, account))
    finally:
        engine.dispose()
    ids = {
        how: [each.id for each in found if each.how == how] for how in ("different", "missing", "only_in_replay")
    }
    committed = sum(run.events for run in again.runs)
    return {"same": committed - len(ids["different"]) - len(ids["missing"]), **ids}


def _kinds(events: list[tuple[str, bytes]]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for id_, _ in events:
        kind = id_.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return dict(sorted(kinds.items()))
