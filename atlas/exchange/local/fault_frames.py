"""The frames of one connection on their way out: what faults take from them, add to them, and put in another order."""

from msgspec import Struct

from atlas.exchange.local.fault import Fault
from atlas.exchange.local.fault_play import FaultPlay
from atlas.exchange.local.fault_text import altered, concerns


class _Pending(Struct):
    fault: Fault
    left: int


class FrameFaults:
    """Stands between a session's numbered frames and its socket."""

    def __init__(self, play: FaultPlay) -> None:
        self._play = play
        self._pending: list[_Pending] = []
        self._behind: list[str] = []

    def strike(self, fault: Fault) -> None:
        """Let a gap, a duplicate or a reordering befall the next frames it is about."""
        self._pending.append(_Pending(fault, fault.count or 1))

    def pass_on(self, channel: str, frame: str) -> list[str]:
        """Return what is sent for a frame of a channel (its name in frames), in order."""
        self._play.frames += 1
        for fault in self._play.altering:
            if concerns(fault, channel, frame):
                frame = altered(frame, fault)
        if not self._pending and not self._behind:
            return [frame]
        behind, self._behind = self._behind, []
        sent = [frame]
        struck = next((each for each in self._pending if concerns(each.fault, channel, frame)), None)
        if struck is not None:
            struck.left -= 1
            if not struck.left:
                self._pending.remove(struck)
            match struck.fault.kind:
                case "gap":
                    sent = []
                case "duplicate":
                    sent = [frame, frame]
                case "reorder":
                    self._behind, sent = [frame], []
        return [*sent, *behind]
