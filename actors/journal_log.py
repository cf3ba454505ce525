"""What the journal says in the log of the decisions it has kept: one line each, the trade and the setup bound to it."""

import logging

from actors.messages import Event, HaltChanged, PositionClosed, PositionOpened, Rejected

TOLD = frozenset(kind.__name__ for kind in (HaltChanged, PositionClosed, PositionOpened, Rejected))
"""Kinds of events the log tells of."""

_log = logging.getLogger(__name__)


def tell(event: Event) -> None:
    """Log an event of one of these kinds."""
    match event:
        case PositionOpened(position=opened):
            bound = {"actor": "paper_broker", "trade": opened.id, "setup": opened.id, "symbol": opened.symbol}
            _log.info(
                "opened %s %s %s: %s contracts at %s, stop %s, target %s",
                opened.symbol, opened.timeframe, f"{opened.setup} {opened.side}", opened.contracts, opened.entry_price,
                opened.stop, opened.target, extra=bound,
            )  # fmt: skip
        case PositionClosed(position=closed):
            bound = {"actor": "paper_broker", "trade": closed.id, "setup": closed.id, "symbol": closed.symbol}
            _log.info(
                "closed %s %s %s: %s at %s, net %s",
                closed.symbol, closed.timeframe, f"{closed.setup} {closed.side}", closed.exit_reason, closed.exit_price,
                closed.net, extra=bound,
            )  # fmt: skip
        case Rejected() if not event.repeats:
            bound = {"actor": "risk_monitor", "setup": event.setup_id, "symbol": event.symbol, "gate": event.gate}
            _log.info(
                "rejected %s %s %s: %s %s, wanted %s",
                event.symbol, event.timeframe, f"{event.name} {event.side}", event.gate, event.value, event.threshold,
                extra=bound,
            )  # fmt: skip
        case HaltChanged() if event.source:
            said = "are no longer halted" if event.lifted else "are halted"
            _log.info("entries %s by %s: %s", said, event.source, event.reason, extra={"actor": "risk_monitor"})
