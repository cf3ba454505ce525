"""Events become rows: one small function per event class, written in the same transaction as the event.

A projection returns (statement, parameters) in order; it reads nothing, so that the same events give the same rows.
Only events newly inserted are projected, which makes a replay of the same events change nothing. Adding an event class
means adding a line to `PROJECTIONS`; `None` says that the events table is all there is to it.
"""

from actors.messages import (
    AccountOpened,
    Alert,
    BarClosed,
    BarConfirmed,
    BarContradicted,
    CommandBegun,
    CommandDone,
    ContinuityFlipped,
    ContinuityHeld,
    DayStarted,
    EntryTriggered,
    Event,
    Filled,
    FundingPaid,
    HaltChanged,
    HoleFound,
    HoleRepaired,
    Invalidated,
    Judged,
    LateTrade,
    NightAudited,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderMoved,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionDoubted,
    PositionOpened,
    Rejected,
    Remargined,
    SetupsReplaced,
    SetupsRevised,
    StopReached,
    TermsSet,
)
from db.projections import account, completeness, continuity, operation, orders, positions, signals
from db.projections.row import Projection, Row

PROJECTIONS: dict[type[Event], Projection | None] = {
    AccountOpened: account.opened,
    Alert: operation.alert,
    BarClosed: signals.bar_closed,
    BarConfirmed: completeness.confirmed,
    BarContradicted: completeness.contradicted,
    CommandBegun: operation.command_begun,
    CommandDone: operation.command_done,
    ContinuityFlipped: continuity.flipped,
    ContinuityHeld: continuity.held,
    DayStarted: account.day_started,
    EntryTriggered: signals.triggered,
    Filled: orders.filled,
    FundingPaid: account.funding_paid,
    HaltChanged: account.halts_changed,
    HoleFound: completeness.hole_found,
    HoleRepaired: completeness.hole_repaired,
    Invalidated: signals.invalidated,
    Judged: None,
    LateTrade: None,
    NightAudited: operation.night_audited,
    OrderAccepted: orders.accepted,
    OrderCancelled: orders.cancelled,
    OrderExpired: orders.expired,
    OrderMoved: orders.moved_to,
    OrderRejected: orders.rejected,
    PositionChanged: positions.changed,
    PositionClosed: positions.closed,
    PositionDoubted: positions.doubted,
    PositionOpened: positions.opened,
    Rejected: operation.rejected,
    Remargined: orders.remargined,
    SetupsReplaced: signals.setups_replaced,
    SetupsRevised: None,
    StopReached: orders.reached,
    TermsSet: None,
}


def project(name: str, event: Event) -> list[Row]:
    """Return the rows of an event of the account `name`, in order. Raises KeyError for an event nobody projects."""
    projection = PROJECTIONS[type(event)]
    return [] if projection is None else projection(name, event)
