"""What panel and command line ask of the daemon: rows of the table `commands`, handed to the risk monitor."""

import threading

from sqlalchemy import Engine

from actors.messages import ClosePosition, CommandDone, Flatten, Halt, Message, Resume
from actors.route import RISK
from actors.runtime.post import Post
from actors.runtime.threads import utc_now
from db.engine import session
from db.listen import Listener
from db.repositories import commands

WAIT = 1.0
"""Seconds to wait for a notification before the table is looked at all the same."""


class CommandLine:
    """Takes the commands of one account as they come, each once."""

    def __init__(self, url: str, engine: Engine, account: str, post: Post) -> None:
        self._url, self._engine, self._account, self._post = url, engine, account, post
        self._handed_over: set[int] = set()

    def take(self, ended: threading.Event) -> None:
        """Hand over what has been asked, and wait for the next, until the end. Raises DatabaseError."""
        with Listener(self._url, (commands.CHANNEL,)) as listener:
            while not ended.is_set():
                with session(self._engine) as connection:
                    for command in (
                        *commands.unanswered(connection, self._account),
                        *commands.take(connection, self._account),
                    ):
                        # One under way (a position that cannot be closed yet) stays unanswered until it is done.
                        if command.id not in self._handed_over:
                            self._obey(command)
                            self._handed_over.add(command.id)
                listener.wait(WAIT)

    def _obey(self, command: commands.Command) -> None:
        match command.kind:
            case "halt":
                made: Message = Halt("person", str(command.args.get("reason", "asked")), command.id)
            case "resume":
                made = Resume("person", command.id)
            case "flatten":
                made = Flatten(command.by, command.id)
            case "close":
                made = ClosePosition(str(command.args.get("position", "")), command.by, command.id)
            case _:
                unknown = f"{command.kind!r} is no command this version knows"
                self._post.send("commands", "journal", CommandDone(command.id, utc_now(), unknown, failed=True))
                return
        self._post.send("commands", RISK, made)
