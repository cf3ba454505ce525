"""A core that trades and a journal that writes: what each sends the other is carried over, as the post does."""

from typing import Any

from actors.messages import Halt, Resume
from actors.route import RISK
from tests.actors.scene import Scene
from tests.db.journaling import Driven


class Trading:
    """A scene whose batches go to a journal driven by hand, and whose risk monitor hears the journal's halts."""

    def __init__(self, scene: Scene, driven: Driven) -> None:
        self.scene, self.driven = scene, driven
        self._carried = self._heard = 0

    def carry(self, *, write: bool = True) -> None:
        """Hand over what the core has told since, let the journal write, and tell the core of its halts."""
        batches = self.scene.kit.batches
        fresh, self._carried = batches[self._carried :], len(batches)
        self.driven.tell(*fresh)
        if write:
            self.driven.fire()
        self.hear()

    def hear(self) -> None:
        """Tell the risk monitor what the journal sent it."""
        told, self._heard = self.driven.to(RISK)[self._heard :], len(self.driven.to(RISK))
        for message in told:
            assert isinstance(message, Halt | Resume)
            self.scene.run(message, to=RISK)

    def back(self) -> None:
        """Let the journal reach the database again, and carry what came of that to the end."""
        self.driven.reconnect()
        assert self.driven.journal.state.away is None
        self.hear()
        self.carry()

    @property
    def told(self) -> list[Any]:
        """Every event the core told the journal, in order."""
        return [event for batch in self.scene.kit.batches for event in batch.events]
