"""The verdict on the system: ok, warning or down, with every reason. Down means: it does not do its work."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row

BEAT_LIMIT = timedelta(seconds=30)
"""A daemon that has not beaten for this long does not run: twice the watchdog's own limit is 60 s."""

FEED_UP = "up"
GOOD_STATES = ("running", "off")
LOST_STATES = ("retired", "hung", "stopped", "failed")

BESIDES = ("scanner:", "discord")
"""Actors that may be lost while ATLAS trades on: one symbol's scanner, and the channel to the owner."""

Level = Literal["down", "warning"]


def verdict(
    daemon: Row[Any] | None, halts: Mapping[str, str] | None, actors: Sequence[Row[Any]], now: datetime, *, opened: bool
) -> dict[str, Any]:
    """Return {"verdict": ok | warning | down, "reasons": [{"level", "text"}, …]}, the worst first."""
    reasons: list[tuple[Level, str]] = []
    if daemon is None:
        reasons.append(("down", "ATLAS has not run on this account yet: start it with `atlas run`"))
    elif daemon.stopped_at is not None:
        reasons.append(("down", f"ATLAS was stopped at {daemon.stopped_at:%Y-%m-%d %H:%M} UTC"))
    elif now - daemon.beat_at > BEAT_LIMIT:
        reasons.append(("down", f"no sign of life from ATLAS for {age(now - daemon.beat_at)} (process {daemon.pid})"))
    else:
        reasons += _running(feed_state(daemon, halts), actors)
    reasons += [("warning", f"entries halted ({source}): {reason}") for source, reason in sorted((halts or {}).items())]
    if daemon is not None and not opened:
        reasons.append(("warning", "the account has no deposit yet"))
    reasons.sort(key=lambda reason: reason[0])
    return {
        "verdict": reasons[0][0] if reasons else "ok",
        "reasons": [{"level": level, "text": text} for level, text in reasons],
    }


def feed_state(daemon: Row[Any], halts: Mapping[str, str] | None) -> str:
    """Return the feed's state: as the daemon wrote it, else as its halts and its market time tell."""
    if daemon.feed is not None:
        return str(daemon.feed)
    if halts and "feed" in halts:
        return f"down: {halts['feed']}"
    return FEED_UP if daemon.market_time is not None else "not up yet"


def _running(feed: str, actors: Sequence[Row[Any]]) -> list[tuple[Level, str]]:
    reasons: list[tuple[Level, str]] = []
    if feed != FEED_UP:
        reasons.append(("down", f"the feed is {feed}"))
    for actor in actors:
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
