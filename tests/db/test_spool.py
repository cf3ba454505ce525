"""The spool: on disk before it says so, in order, whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.messages import Event, Invalidated
from atlas.errors import DataError
from db.batch import Batch, batch_of
from db.spool import Spool, Spooled
from tests.db.story import START, SYMBOL, Trade, bar, replaced, setup, triggered

CHECKOUT = Path(__file__).resolve().parents[2]


def one(number: int, *events: Event) -> Batch:
    return batch_of(events or (triggered(setup(number)),), input=number, at=START)


def drained(spool: Spool) -> list[Spooled]:
    found = []
    while (oldest := spool.peek()) is not None:
        found.append(oldest[0])
        spool.drained(oldest[1])
    return found


def test_what_was_appended_comes_out_in_order_and_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "paper.spool")
    trade = [batch_of(b.events, input=b.number, at=b.at) for b in Trade().batches]
    spool.append(trade[:3], 7)
    spool.append(trade[3:], 7)
    spool.close()
    again = Spool(spool.path)
    assert drained(again) == [Spooled(7, tuple(trade[:3])), Spooled(7, tuple(trade[3:]))]
    assert again.empty
    again.close()


def test_drained_spool_is_an_empty_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    assert drained(spool)
    assert spool.path.stat().st_size == 0
    spool.append([one(2)], 1)
    assert drained(spool) == [Spooled(1, (one(2),))]
    spool.close()


def test_appending_while_draining_keeps_the_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    spool.append([one(2)], 1)
    oldest = spool.peek()
    assert oldest is not None
    spool.append([one(3)], 1)
    spool.drained(oldest[1])
    assert [spooled.batches[0].input for spooled in drained(spool)] == [2, 3]
    spool.close()


@pytest.mark.parametrize("cut", [1, 5, 9, 200])
def test_torn_end_is_cut_off_and_the_rest_is_there(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    spool.append([one(2)], 1)
    spool.close()
    whole = spool.path.read_bytes()
    spool.path.write_bytes(whole[:-cut])
    again = Spool(spool.path)
    again.append([one(3)], 1)
    assert [spooled.batches[0].input for spooled in drained(again)] == [1, 3]
    again.close()


def test_end_of_zeros_is_cut_off(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    spool.close()
    with spool.path.open("ab") as file:
        file.write(bytes(4096))
    again = Spool(spool.path)
    assert [spooled.batches[0].input for spooled in drained(again)] == [1]
    again.close()


def test_damage_before_the_end_is_refused_with_place_and_remedy(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    spool.append([one(2)], 1)
    spool.close()
    content = bytearray(spool.path.read_bytes())
    content[20] ^= 1
    spool.path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged at byte 0 .*move it away"):
        Spool(spool.path)
    assert spool.path.read_bytes() == bytes(content)


def test_nearly_full_spool_drops_candles_and_full_one_setups_but_never_a_trigger(tmp_path: Path) -> None:
    events: list[Event] = [bar(), replaced(setup(1)), triggered(setup(1)), *Trade().batches[3].events]
    room = Spool(tmp_path / "probe")
    room.append([one(0, *events)], 1)
    frame = room.path.stat().st_size
    room.close()

    spool = Spool(tmp_path / "s", limit=frame)
    assert spool.append([one(0, *events)], 1) == 0
    assert spool.append([one(1, *events)], 1) == 2
    assert spool.append([one(2, bar(), Invalidated("a", SYMBOL, "1h", START, "opposite_broke"))], 1) == 2
    assert spool.dropped == 4
    kinds = [[entry.kind for batch in spooled.batches for entry in batch.entries] for spooled in drained(spool)]
    assert kinds == [
        ["BarClosed", "SetupsReplaced", "EntryTriggered", "Filled", "PositionOpened"],
        ["EntryTriggered", "Filled", "PositionOpened"],
    ]
    spool.close()

    nearly = Spool(tmp_path / "n", limit=frame + frame // 10)
    nearly.append([one(0, *events)], 1)
    assert nearly.append([one(1, *events)], 1) == 1
    nearly.close()


def test_disk_that_refuses_leaves_nothing_half_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "s")
    spool.append([one(1)], 1)
    size = spool.path.stat().st_size

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", refuse)
        with pytest.raises(OSError, match="No space"):
            spool.append([one(2)], 1)
    assert spool.path.stat().st_size == size
    spool.append([one(3)], 1)
    assert [spooled.batches[0].input for spooled in drained(spool)] == [1, 3]
    spool.close()


def test_full_disk_is_an_error_at_once(tmp_path: Path) -> None:
    limit = f"ulimit -f 1; trap '' XFSZ; exec {sys.executable} -c \"$0\" {tmp_path}/s"
    code = (
        "import sys; from pathlib import Path; from db.spool import Spool; from db.batch import batch_of;"
        "from tests.db.story import Trade;"
        "batches = [batch_of(b.events, input=b.number, at=b.at) for b in Trade().batches];"
        "spool = Spool(Path(sys.argv[1]))\n"
        "try: spool.append(batches, 1)\n"
        "except OSError as error: print(type(error).__name__, spool.empty)\n"
    )
    done = subprocess.run(["bash", "-c", limit, code], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.stdout.strip() == "OSError True", done.stderr


def test_spool_survives_kill_9(tmp_path: Path) -> None:
    """The child says how many appends it was told are on disk; those, at least, are there after it was killed."""
    code = (
        "import sys; from pathlib import Path; from db.spool import Spool; from tests.db.test_spool import one\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "for number in range(1, 100000):\n"
        "    spool.append([one(number)], 1)\n"
        "    print(number, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s")], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = 0
    for line in child.stdout:
        said = int(line)
        if said == 20:
            child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    spool = Spool(tmp_path / "s")
    numbers = [spooled.batches[0].input for spooled in drained(spool)]
    assert numbers[:said] == list(range(1, said + 1))
    spool.close()


def test_refused_batches_are_kept_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    aside = spool.refuse(Spooled(3, (one(1),)))
    spool.refuse(Spooled(3, (one(2),)))
    kept = Spool(aside)
    assert drained(kept) == [Spooled(3, (one(1),)), Spooled(3, (one(2),))]
    assert spool.empty
    kept.close()
    spool.close()
