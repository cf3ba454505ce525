"""The verdict on the system: ok, warning or down, with every reason. Down means: it does not do its work.

One for all who ask: /readyz, the panel, `atlas status` and `atlas doctor`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from db.repositories.night_audit import NightAudit

BEAT_LIMIT = timedelta(seconds=30)
"""A daemon that has not beaten for this long does not run: twice the watchdog's own limit is 60 s."""
PULSE_LIMIT = timedelta(seconds=30)
"""An actor that has answered no pulse for this long makes no progress: then the watchdog is not fed either."""

FEED_UP = "up"
GOOD_STATES = ("running", "off")
LOST_STATES = ("retired", "hung", "stopped", "failed")

BESIDES = ("scanner:", "discord", "channel:", "alerter:")
"""Actors that may be lost while ATLAS trades on: one symbol's scanner, and the channels to the owner."""

Level = Literal["down", "warning"]


class Life(Protocol):
    """What a daemon has written of itself: its row, or what the repository made of it."""

    @property
    def pid(self) -> int: ...
    @property
    def stopped_at(self) -> datetime | None: ...
    @property
    def beat_at(self) -> datetime: ...
    @property
    def market_time(self) -> datetime | None: ...
    @property
    def feed(self) -> str | None: ...


class Actor(Protocol):
    """What a daemon has written of one of its actors."""

    @property
    def actor(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def last_progress(self) -> datetime | None: ...
    @property
    def last_error(self) -> str | None: ...


def runs(daemon: Life | None, now: datetime) -> bool:
    """Return whether the daemon gives signs of life."""
    return daemon is not None and daemon.stopped_at is None and now - daemon.beat_at <= BEAT_LIMIT


def verdict(
    daemon: Life | Any | None,
    halts: Mapping[str, str] | None,
    actors: Sequence[Actor | Any],
    now: datetime,
    *,
    opened: bool,
    audit: NightAudit | None = None,
) -> dict[str, Any]:
    """Return {"verdict": ok | warning | down, "reasons": [{"level", "text"}, …]}, the worst first.

    `opened`: the account has its deposit. `audit` is the last night's, if there was one.
    """
    reasons: list[tuple[Level, str]] = []
    if daemon is None:
        reasons.append(("down", "ATLAS has not run on this account yet: start it with `atlas run`"))
    elif daemon.stopped_at is not None:
        reasons.append(("down", f"ATLAS was stopped at {daemon.stopped_at:%Y-%m-%d %H:%M} UTC"))
    elif not runs(daemon, now):
        reasons.append(("down", f"no sign of life from ATLAS for {age(now - daemon.beat_at)} (process {daemon.pid})"))
    else:
        reasons += _running(feed_state(daemon, halts), actors, daemon.beat_at)
    reasons += [("warning", f"entries halted ({source}): {reason}") for source, reason in sorted((halts or {}).items())]
    if daemon is not None and not opened:
        reasons.append(("warning", "the account has no deposit yet"))
    if audit is not None and audit.differences:
        reasons.append(("warning", f"the night audit of {audit.day} found {audit.differences} events that differ"))
    reasons.sort(key=lambda reason: reason[0])
    return {
        "verdict": reasons[0][0] if reasons else "ok",
        "reasons": [{"level": level, "text": text} for level, text in reasons],
    }


def feed_state(daemon: Life | Any, halts: Mapping[str, str] | None) -> str:
    """Return the feed's state: as the daemon wrote it, else as its halts and its market time tell."""
    if daemon.feed is not None:
        return str(daemon.feed)
    if halts and "feed" in halts:
        return f"down: {halts['feed']}"
    return FEED_UP if daemon.market_time is not None else "not up yet"


def _running(feed: str, actors: Sequence[Actor | Any], beat_at: datetime) -> list[tuple[Level, str]]:
    reasons: list[tuple[Level, str]] = []
    if feed != FEED_UP:
        reasons.append(("down", f"the feed is {feed}"))
    for actor in actors:
        silent = None if actor.last_progress is None else beat_at - actor.last_progress
        if actor.state == "running" and silent is not None and silent > PULSE_LIMIT:
            reasons.append(("down", f"{actor.actor} has made no progress for {age(silent)}"))
        if actor.state in GOOD_STATES:
            continue
        lost = actor.state in LOST_STATES and not actor.actor.startswith(BESIDES)
        level: Level = "down" if lost else "warning"
        said = f": {actor.last_error}" if actor.last_error else ""
        reasons.append((level, f"{actor.actor} is {actor.state}{said}"))
    return reasons


def age(passed: timedelta) -> str:
    """Return a duration as a person says it: `42 s`, `5 min`, `3 h 20 min`, `2 d 4 h`."""
    seconds = max(0, int(passed.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 2:
        return f"{seconds} s"
    if hours < 2:
        return f"{minutes} min"
    if days < 2:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
