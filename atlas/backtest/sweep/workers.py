"""A sweep's backtests on processes of this machine: each worker is given the past once, mapped where it is columns."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import msgspec

from atlas.backtest.engine import Played
from atlas.backtest.sweep.task import Run, Task, run
from atlas.data.column_files import is_columns, open_columns, write_columns
from atlas.errors import UnavailableError
from atlas.market.candle_file import CandleFile

Sent = tuple[Played, Path | None]
"""What a worker is sent of a past: all of it, or the folder its columns are in."""

_given: dict[str, Played] = {}
"""In a worker: product → its past."""


def on_this_machine(
    tasks: Sequence[Task], pasts: Mapping[str, Played], workers: int, columns: Path
) -> Iterator[tuple[Task, Run]]:
    """Yield each task as it is done; one worker plays here, without another process.

    `columns` is a folder for what is not yet in columns, so that workers share its pages instead of copies. What a task
    raises is raised; the rest is then called off. Raises UnavailableError if a worker is killed.
    """
    if workers == 1:
        for task in tasks:
            yield task, run(task, pasts[task.product])
        return
    sent = {name: _sendable(played, columns / name) for name, played in pasts.items()}
    # spawn: a fork would copy the locks of this process's threads, whoever holds them.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (sent,))
    try:
        futures: dict[Future[Run], Task] = {pool.submit(_run, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise UnavailableError(
            "a process of the sweep was killed, most likely for want of memory: use fewer --workers; what is done is "
            "stored, and the same command goes on with the rest"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _sendable(played: Played, folder: Path) -> Sent:
    if not isinstance(played.file, CandleFile):
        return played, None
    place = played.file.path
    if not is_columns(place):
        write_columns(played.file, folder, str(place), replace=True)
        place = folder
    return msgspec.structs.replace(played, file=played.file.rows(0, 0)), place


def _begin(sent: Mapping[str, Sent]) -> None:
    """Make ready for tasks. A Ctrl-C is for the parent, which then ends its workers in good order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, (played, folder) in sent.items():
        _given[name] = played if folder is None else msgspec.structs.replace(played, file=open_columns(folder))


def _run(task: Task) -> Run:
    return run(task, _given[task.product])
