"""Entries are halted before a disk is full, and allowed again when there is room."""

import shutil
from pathlib import Path

import msgspec
import pytest

from actors.disk_watch import DiskWatch
from actors.messages import Halt, Resume
from actors.route import RISK
from actors.runtime import Post
from actors.runtime.post import Sink


class Disk(msgspec.Struct):
    """A disk of 1000 bytes, of which 100 are kept for root and are neither in use nor to be had."""

    used: int

    @property
    def free(self) -> int:
        return 900 - self.used


@pytest.fixture
def risk() -> Sink:
    return Sink()


def watch(risk: Sink, disks: dict[Path, Disk]) -> DiskWatch:
    post = Post()
    post.bind(RISK, risk)
    return DiskWatch(tuple(disks), 95, post, lambda place: disks[place])


def test_entries_are_halted_at_the_limit_once_and_allowed_a_percent_below_it(risk: Sink, tmp_path: Path) -> None:
    disk = Disk(0)
    watching = watch(risk, {tmp_path: disk})
    told = {}
    for used in (854, 855, 880, 854, 847, 846, 845, 854, 855):
        before = len(risk.messages)
        disk.used = used
        watching.look()
        told[used, len(told)] = [type(message) for message in risk.messages[before:]]
    assert list(told.values()) == [[], [Halt], [], [], [], [], [Resume], [], [Halt]]
    assert {message.source for message in risk.messages} == {"disk_space"}
    assert f"95 % of the disk of {tmp_path} is in use" in risk.messages[0].reason


def test_every_disk_must_have_room(risk: Sink, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    disks = {tmp_path: Disk(10), tmp_path / "spool": Disk(890)}
    watching = watch(risk, disks)
    watching.look()
    disks[tmp_path].used, disks[tmp_path / "spool"].used = 890, 10
    watching.look()
    assert [type(message) for message in risk.messages] == [Halt]
    disks[tmp_path].used = 10
    watching.look()
    assert [type(message) for message in risk.messages] == [Halt, Resume]


def test_a_place_that_is_not_there_yet_is_on_the_disk_of_its_parent(risk: Sink, tmp_path: Path) -> None:
    post = Post()
    post.bind(RISK, risk)
    usage = shutil.disk_usage(tmp_path)
    percent = 100 * usage.used / (usage.used + usage.free)
    DiskWatch((tmp_path / "not" / "there",), percent / 2, post).look()
    assert [type(message) for message in risk.messages] == [Halt]
