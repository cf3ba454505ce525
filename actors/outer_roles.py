"""Actors on threads of their own: alerter, history, REST prices and feed, each with what it needs of the world.

`jitter` gives numbers in [0, 1) that spread the pauses between attempts.
"""

from collections.abc import Callable
from typing import Any

from actors.alerter import Alerter, AlerterState, AlertRules
from actors.alerter_apprise import AppriseChannel, channels_of
from actors.alerter_discord import Webhook
from actors.alerter_outbox import Outbox
from actors.feed import Feed
from actors.feed_reader import LineOptions, SocketLine
from actors.feed_state import FeedOptions, FeedState, subscriptions
from actors.history import HistoryActor, HistoryState, Market, closed_wanted
from actors.history_confirm import COMPRESSED, Pace
from actors.history_missed import Downtime
from actors.rest_prices import Market as Prices
from actors.rest_prices import PricesState, RestPrices
from actors.runtime.behaviour import Role
from actors.runtime.core import Core
from actors.runtime.policy import Policy
from actors.runtime.post import Post
from actors.runtime.threads import utc_now, wall_seconds
from actors.scanner import frames_needed
from atlas.config import Settings
from atlas.market.product import Product
from atlas.quiet import quiet_hours

Jitter = Callable[[], float]

FEED_TAIL = 1024
"""Frames remembered before the feed's state is encoded anew: with the newest 1,000 trade ids of each of 50 products
that takes a millisecond. A crash plays them again, 0.1 ms each at most."""


def alert_rules(settings: Settings) -> AlertRules:
    """Return what is told when."""
    told = settings.discord
    quiet = quiet_hours(told.quiet, settings.rules().account.timezone)
    return AlertRules(off=told.off, quiet=quiet, together=told.together, burst=told.burst)


def alerter_role(settings: Settings, outbox: Outbox, jitter: Jitter) -> Role[Any]:
    """Return the role that delivers the outbox; without a webhook it says so in every row."""
    url = settings.discord.webhook_url.get_secret_value()
    webhook = Webhook(url) if url else None
    rules, account = alert_rules(settings), settings.rules().account.name
    return Role(
        name="alerter",
        make=lambda state: Alerter(state, outbox, webhook, jitter, account=account, rules=rules),
        state=AlerterState(),
        policy=Policy(limit=10, window=300, action="retire"),
        tail=0,
    )


def channel_roles(settings: Settings, outbox: Callable[[str], Outbox], jitter: Jitter) -> list[Role[Any]]:
    """Return a role for each channel other than Discord; `outbox` gives the outbox of a channel by its name."""
    rules, account = alert_rules(settings), settings.rules().account.name
    return [
        _channel_role(channel, outbox(channel.name), jitter, account, rules)
        for channel in channels_of(settings.channels.urls.get_secret_value())
    ]


def _channel_role(
    channel: AppriseChannel, outbox: Outbox, jitter: Jitter, account: str, rules: AlertRules
) -> Role[Any]:
    return Role(
        name=channel.name.replace("channel:", "alerter:"),
        make=lambda state: Alerter(state, outbox, channel, jitter, account=account, rules=rules),
        state=AlerterState(),
        policy=Policy(limit=10, window=300, action="retire"),
        tail=0,
    )


def history_role(
    settings: Settings,
    connect: Callable[[], Market],
    keep: Callable[[tuple[Product, ...]], None],
    known: dict[str, Product],
    jitter: Jitter,
    down: Downtime | None = None,
) -> Role[Any]:
    """Return the role that asks REST; `connect` makes its client on its own thread, `keep` caches each listing.

    `known` is the listing an earlier run had: what has changed since is told. `down` is what is to be settled first.
    """
    exchange = settings.exchange
    rules = settings.rules()
    wanted = closed_wanted(frames_needed(rules.strat, full=rules.alerts.full_continuity))
    pace = COMPRESSED if settings.feed.clock == "venue" else Pace()

    def make(state: HistoryState) -> HistoryActor:
        return HistoryActor(
            exchange.watched,
            wanted,
            connect,
            jitter=jitter,
            keep=keep,
            expiry_days=exchange.expiry_days,
            pace=pace,
            state=state,
        )

    policy = Policy(limit=10, window=300, action="exit")
    return Role(name="history", make=make, state=HistoryState(known=known, down=down), policy=policy, tail=0)


def rest_prices_role(settings: Settings, connect: Callable[[], Prices]) -> Role[Any]:
    """Return the role that asks REST for the prices of what is open while the feed is down."""
    believes = settings.feed.clock == "wall"
    policy = Policy(limit=10, window=300, action="exit")
    return Role(
        name="rest_prices",
        make=lambda state: RestPrices(connect, believes=believes, state=state),
        state=PricesState(),
        policy=policy,
        tail=0,
    )


def feed_role(settings: Settings, post: Post, core: Core, jitter: Jitter) -> Role[Any]:
    """Return the role of the websocket. In compressed time its reader waits for feed and core to catch up."""
    exchange, feed, fills = settings.exchange, settings.feed, settings.rules().fills
    booked = exchange.products if fills.model == "depth" else ()
    line = SocketLine(
        exchange.ws_url,
        subscriptions(exchange.watched, booked),
        lambda message: post.send("feed reader", "feed", message),
        clock=utc_now,
        monotonic=wall_seconds,
        options=LineOptions(silence=feed.silence_seconds, waits=feed.clock == "venue"),
        backlog=core.waiting,
    )
    options = FeedOptions(
        clock=feed.clock,
        silence_seconds=feed.silence_seconds,
        heartbeat_seconds=feed.heartbeat_seconds,
        max_drift_seconds=feed.max_drift_seconds,
    )
    return Role(
        name="feed",
        make=lambda state: Feed(
            exchange.watched, line, jitter=jitter, options=options, booked=booked, levels=fills.levels, state=state
        ),
        state=FeedState(),
        policy=Policy(limit=10, window=300, action="exit"),
        tail=FEED_TAIL,
    )
