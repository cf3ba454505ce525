"""The alerter: delivers the outbox to Discord, one notice at a time, at least once.

It wakes when the journal has committed something to tell, and every few seconds. It runs on its own thread and never
sleeps: what has to wait is a timer, so that the supervisor's pulse is answered between two requests. Its role must
keep no tail of messages to replay (`Role(tail=0)`), because `receive` talks to the world.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from actors.alerter_digest import DIGESTS
from actors.alerter_discord import LONGEST_WAIT, ChannelGone, Delivered, Failed, Limited, Missing, Outcome, Refused
from actors.alerter_message import MOST_EMBEDS, Message, listed, one, several
from actors.alerter_outbox import Notice, Outbox
from actors.messages import OutboxReady
from actors.runtime.behaviour import AfterWall, Behaviour, Effect
from atlas.errors import DatabaseError
from atlas.quiet import QuietHours

logger = logging.getLogger(__name__)

TICK = 5.0
"""Seconds of wall time between two looks at the outbox without being told."""

BURST = 5
"""Messages delivered before other messages get their turn."""

MOST_LISTED = 200
"""Notices one list stands for."""

SOON = 0.01
"""Seconds until the rest of a long outbox is looked at."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds between attempts after a failure: doubled each time, up to the longest."""


class Tick(msgspec.Struct, frozen=True):
    """The alerter's own timer: look, and arm the next. Only the newest `number` arms another."""

    number: int


class Look(msgspec.Struct, frozen=True):
    """The alerter's own timer: look again, once. `soon`: the rest of a long outbox is waiting."""

    soon: bool = True


class AlertRules(msgspec.Struct, frozen=True):
    """What is told when. Critical notices are sent always, at once, and each by itself.

    `off`: kinds that are not sent. `quiet`: hours in which nothing is. `keep_hours`: a notice that could not be
    delivered for so long is dropped. `together`: with so many more waiting, notices share a message; `burst`: with so
    many they are a list in one (0: never).
    """

    off: tuple[str, ...] = ()
    quiet: QuietHours | None = None
    keep_hours: float = 24.0
    together: int = 5
    burst: int = 30


DEFAULT_RULES = AlertRules()


class Channel(Protocol):
    """Where notices go: actors.alerter_discord.Webhook, actors.alerter_apprise.AppriseChannel."""

    def post(self, now: datetime, message: dict[str, Any], *, picture: bytes | None = None) -> Outcome:
        """Make one request; never raises."""

    def edit(
        self, now: datetime, message_id: str, message: dict[str, Any], *, picture: bytes | None = None
    ) -> Outcome:
        """Replace a message; Missing where that cannot be done. Never raises."""

    def close(self) -> None:
        """Close the connection."""


class Unrecorded(msgspec.Struct, frozen=True):
    """A delivery the outbox could not be told of because the database was away."""

    notice_id: int
    message_id: str | None


class AlerterState(msgspec.Struct):
    """What survives a crash: whether the channel is gone for good, the pause after failures, what is to be recorded.

    `looking`: a look at the rest of a long outbox is armed.
    """

    tick: int = 0
    channel_gone: str | None = None
    failures: int = 0
    paused_until: datetime | None = None
    unrecorded: list[Unrecorded] = msgspec.field(default_factory=list)
    looking: bool = False


class Alerter(Behaviour[AlerterState]):
    """Delivers what the outbox holds. `channel` None: no webhook is configured, and every notice is dropped as such.

    `jitter` returns a number in [0, 1) that spreads the pauses after failures.
    """

    def __init__(
        self,
        state: AlerterState,
        outbox: Outbox,
        channel: Channel | None,
        jitter: Callable[[], float],
        *,
        account: str,
        rules: AlertRules = DEFAULT_RULES,
    ) -> None:
        self.state = state
        self._outbox = outbox
        self._channel = channel
        self._jitter = jitter
        self._account = account
        self._rules = rules
        self._reported: tuple[str, str | None] | None = None
        self._alone: set[int] = set()

    def start(self, now: datetime) -> Iterable[Effect]:
        """Look at once: the last process may have left something."""
        return [self._next_tick(SOON)]

    def resume(self, now: datetime) -> Iterable[Effect]:
        """Begin a new row of ticks: the message that crashed may be a tick, and become a dead letter."""
        self.state.looking = False
        return [self._next_tick(TICK)]

    def receive(self, now: datetime, message: Any) -> Iterable[Effect]:
        """Deliver what is due."""
        effects: list[Effect] = []
        if isinstance(message, Tick) and message.number == self.state.tick:
            effects.append(self._next_tick(TICK))
        if not isinstance(message, Tick | Look | OutboxReady):
            logger.warning("the alerter does not know %s", type(message).__name__)
            return effects
        if isinstance(message, OutboxReady) and self.state.looking:
            # The look that is armed sees it too. Else, on a busy machine, pulses would wait behind looks without end.
            return effects
        if isinstance(message, Look) and message.soon:
            self.state.looking = False
        try:
            again = self._deliver(now)
            self._report(now)
        except DatabaseError as error:
            logger.warning("the outbox cannot be reached, trying again: %s", error)
            return effects
        if again is not None and not (again == SOON and self.state.looking):
            self.state.looking |= again == SOON
            effects.append(AfterWall(again, Look(soon=again == SOON)))
        return effects

    def stop(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()

    def _next_tick(self, seconds: float) -> AfterWall:
        self.state.tick += 1
        return AfterWall(seconds, Tick(self.state.tick))

    def _deliver(self, now: datetime) -> float | None:
        """Deliver up to a burst; return the seconds after which to look again, None to wait for the next tick."""
        try:
            self._record(now)
        except DatabaseError as error:
            # Not the end: the outbox may still hold critical notices that wait for no database.
            logger.warning("a delivery cannot be recorded yet: %s", error)
        for _ in range(BURST):
            if self._resting(now):
                return None
            notice = self._outbox.claim(now)
            if notice is None:
                return None
            notice = self._judged(now, notice)
            if notice is None:
                continue
            wait = self._send(now, self._message(now, notice))
            if wait is not None:
                return wait
        return SOON

    def _resting(self, now: datetime) -> bool:
        if self.state.channel_gone is not None:
            return True
        until = self.state.paused_until
        # A clock set back must not silence the alerter: no pause is longer than the longest.
        return until is not None and timedelta(0) < until - now <= timedelta(seconds=LONGEST_WAIT)

    def _judged(self, now: datetime, notice: Notice) -> Notice | None:
        """Return the notice, a digest with its numbers; None if it is not for now, which the outbox is told."""
        reason = self._why_not(now, notice)
        if reason is None and notice.kind in DIGESTS:
            numbers = self._outbox.digest_of(notice)
            if numbers is None:
                reason = "there is no day to tell of"
            else:
                notice = msgspec.structs.replace(notice, payload={**notice.payload, **numbers})
        if reason is not None:
            logger.info("alert %s not sent: %s", notice.key, reason)
            self._outbox.dropped(notice.id, now, reason)
            return None
        until = None if notice.critical or self._rules.quiet is None else self._rules.quiet.until(now)
        if until is not None:
            self._outbox.again(notice.id, until, "quiet hours", doubtful=False)
            return None
        return notice

    def _why_not(self, now: datetime, notice: Notice) -> str | None:
        if self._channel is None:
            return "no webhook configured"
        if notice.critical:
            return None
        if notice.kind in self._rules.off:
            return f"{notice.kind} alerts are switched off"
        if now - notice.created_at > timedelta(hours=self._rules.keep_hours):
            return f"older than {self._rules.keep_hours:g} h"
        return None

    def _message(self, now: datetime, notice: Notice) -> Message:
        """Return what is told now: the notice, or with many waiting behind it some of those as well."""
        waiting = 0 if notice.critical or self._alone else self._outbox.waiting(now)
        if waiting < max(self._rules.together, 1):
            return one(notice, self._outbox, self._account, now)
        many = 0 < self._rules.burst <= waiting
        claimed = self._outbox.claim_more(now, (MOST_LISTED if many else MOST_EMBEDS) - 1)
        notices = [notice, *(judged for each in claimed if (judged := self._judged(now, each)) is not None)]
        if len(notices) == 1:
            return one(notice, self._outbox, self._account, now)
        if many:
            return listed(notices, self._account)
        message = several(notices, self._account)
        for left in notices[len(message.notices) :]:
            self._outbox.again(left.id, now, "for the next message", doubtful=False)
        return message

    def _send(self, now: datetime, message: Message) -> float | None:
        match self._posted(now, message):
            case Delivered(message_id):
                self.state.failures, self.state.paused_until = 0, None
                # Before what waits already: a notice of the spool needs no database, and would be claimed again.
                self.state.unrecorded[:0] = [Unrecorded(notice.id, message_id) for notice in message.notices]
                self._alone.difference_update(notice.id for notice in message.notices)
                self._record(now)
                return None
            case Refused(reason) | Missing(reason):
                self._refused(now, message, reason)
                return None
            case ChannelGone(reason):
                logger.error("the channel refuses and will not be used again: %s", reason)
                self.state.channel_gone = reason
                self._again(message, now, reason, doubtful=False)
                return None
            case Limited(seconds, reason):
                self.state.paused_until = now + timedelta(seconds=seconds)
                self._again(message, self.state.paused_until, reason, doubtful=False)
                return seconds
            case Failed(reason, doubtful):
                return self._failed(now, message, reason, doubtful)

    def _posted(self, now: datetime, message: Message) -> Outcome:
        """Edit or post. What cannot be edited is posted anew, without what was said before."""
        assert self._channel is not None
        if message.edits is not None:
            outcome = self._channel.edit(now, message.edits, message.body, picture=message.picture)
            if not isinstance(outcome, Missing | Refused):
                return outcome
            logger.info("alert %s is posted anew: %s", message.notices[0].key, outcome.reason)
            message = msgspec.structs.replace(message, embeds=message.embeds[:1])
        return self._channel.post(now, message.body, picture=message.picture)

    def _refused(self, now: datetime, message: Message, reason: str) -> None:
        """Drop what is refused; where it were several, try each by itself to find out which one is."""
        keys = ", ".join(notice.key for notice in message.notices)
        logger.error("refused: %s: %s", keys, reason)
        if len(message.notices) > 1:
            self._alone.update(notice.id for notice in message.notices)
            self._again(message, now, reason, doubtful=False)
            return
        self._alone.discard(message.notices[0].id)
        self._outbox.dropped(message.notices[0].id, now, reason)

    def _again(self, message: Message, at: datetime, reason: str, *, doubtful: bool) -> None:
        for notice in message.notices:
            self._outbox.again(notice.id, at, reason, doubtful=doubtful)

    def _failed(self, now: datetime, message: Message, reason: str, doubtful: bool) -> float:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.state.failures, 20)) * (0.5 + 0.5 * self._jitter())
        self.state.failures += 1
        self.state.paused_until = now + timedelta(seconds=pause)
        logger.warning("alert %s failed, again in %.0f s: %s", message.notices[0].key, pause, reason)
        self._again(message, self.state.paused_until, reason, doubtful=doubtful)
        return pause

    def _record(self, now: datetime) -> None:
        """Tell the outbox what Discord has; what it cannot be told now is told next time, before any claim."""
        while self.state.unrecorded:
            first = self.state.unrecorded[0]
            self._outbox.sent(first.notice_id, now, first.message_id)
            self.state.unrecorded.pop(0)

    def _report(self, now: datetime) -> None:
        """Keep the channel's state where health is shown, when it changed (lesson 112)."""
        if self._channel is None:
            said: tuple[str, str | None] = ("off", "no webhook configured")
        elif self.state.channel_gone is not None:
            said = ("failed", self.state.channel_gone)
        elif self.state.failures:
            said = ("waiting", f"{self.state.failures} failed attempts in a row")
        else:
            said = ("running", None)
        if said != self._reported:
            self._outbox.channel(now, *said)
            self._reported = said
