"""The runtime: where behaviours live, and what decides when each of them runs.

behaviour   what an actor is: state, receive, effects; Role, Policy
post        names, dead letters              inbox, timers    mailboxes, market timers
shell       crash, rebuild, redelivery       keepsake         what a rebuild is made from
core, virtual, threads                       the three dispatchers; dispatch is what the first two share
supervisor, watch                            ordered start, reverse stop, pulses
recorder, recording, segment, replay         the core's inputs on disk, and played again
kit, sabotage                                for tests: every message seen, crashes on demand
"""

from actors.runtime.behaviour import After, AfterWall, Behaviour, Effect, Reply, Role, Send
from actors.runtime.core import Core
from actors.runtime.inputs import Route, Step
from actors.runtime.policy import Policy
from actors.runtime.post import Post, Sink
from actors.runtime.recorder import Codec, Recorder
from actors.runtime.supervisor import Supervisor
from actors.runtime.threads import OwnThread
from actors.runtime.virtual import VirtualCore

__all__ = [
    "After",
    "AfterWall",
    "Behaviour",
    "Codec",
    "Core",
    "Effect",
    "OwnThread",
    "Policy",
    "Post",
    "Recorder",
    "Reply",
    "Role",
    "Route",
    "Send",
    "Sink",
    "Step",
    "Supervisor",
    "VirtualCore",
]
