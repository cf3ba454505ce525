"""What an outbox row carries: the fields of operations.md "What a Strat trader reads", as JSON strings and numbers.

The alerter formats them. Decimals are strings, unrounded; times ISO 8601 UTC; shares are fractions (0.02 = 2 %).
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages import Alert, ContinuityHeld, HaltChanged
from atlas.money.book import Position, SignalSource
from atlas.money.profit import r_multiple
from atlas.strat.continuity import FULL_FRAMES
from atlas.strat.setup import ContinuityReading


def entry_notice(position: Position) -> dict[str, Any]:
    """Return the fields of an entry. The trigger is added from its row when the notice is stored."""
    return {
        "at": moment(position.entry_time),
        **_what(position),
        "entry": number(position.entry_price),
        "stop": number(position.stop),
        "target": number(position.target),
        "magnitude": number(abs(position.target - position.entry_price) / position.entry_price),
        "reward_risk": _reward_risk(position),
        "continuity": _continuity(position.at_trigger),
        "continuity_at_detection": _continuity(position.detection),
        "margin": number(position.margin),
        "liquidation": None if position.liquidation is None else number(position.liquidation),
        "risk": number(position.risk_at_entry),
        "fees": number(position.fees),
        "signal": _signal(position.signal),
    }


def exit_notice(position: Position) -> dict[str, Any]:
    """Return the fields of an exit: net is what the account booked (lesson 102), `percent` its share of notional.

    Raises ValueError for a position that is still open.
    """
    if position.exit_price is None or position.exit_time is None:
        raise ValueError(f"position {position.id} has no exit: it is still open")
    r = r_of(position)
    return {
        "at": moment(position.exit_time),
        **_what(position),
        "reason": position.exit_reason,
        "entry": number(position.entry_price),
        "exit": number(position.exit_price),
        "entry_time": moment(position.entry_time),
        "exit_time": moment(position.exit_time),
        "seconds": int((position.exit_time - position.entry_time).total_seconds()),
        "gross": number(position.gross),
        "fees": number(position.fees),
        "funding": number(position.funding),
        "slippage": number(position.slippage),
        "net": number(position.net),
        "percent": number(position.net / _notional(position)),
        "r": None if r is None else number(r),
        "continuity": _continuity(position.at_trigger),
        "filled_while_down": position.filled_while_down,
        "ambiguous": position.ambiguous,
        "rest": position.rest,
        "after_hole": position.after_hole,
    }


TOLD_BY_THE_JOURNAL = ("database", "disk")
"""Sources of halts the journal alerts about itself, also while nothing can be committed: one alert for one thing."""


def halt_notice(event: HaltChanged) -> tuple[str, dict[str, Any], bool] | None:
    """Return kind, fields and whether it is critical, of a halt that began or ended; None: there is nothing to tell."""
    source = event.source
    if not source or source in TOLD_BY_THE_JOURNAL:
        return None
    if event.lifted:
        kind = "feed_up" if source == "feed" else "resume"
        text = "The feed is up again" if source == "feed" else f"Entries resume ({source})"
        if event.halts:
            text += f"; still halted by {', '.join(sorted(event.halts))}"
    else:
        kind = {"feed": "feed_down", "daily_loss": "daily_loss"}.get(source, "halt")
        what = "The feed is down, entries are halted" if source == "feed" else f"Entries are halted ({source})"
        text = f"{what}: {event.reason}"
    critical = not event.lifted and source in ("daily_loss", "supervisor")
    return kind, {"at": moment(event.at), "text": text}, critical


def full_continuity_notice(event: ContinuityHeld) -> dict[str, Any]:
    """Return the fields of full timeframe continuity that has held on its side."""
    return {
        "at": moment(event.at),
        "symbol": event.symbol,
        "side": event.side,
        "since": moment(event.since),
        "before": event.before,
        "frames": list(FULL_FRAMES),
    }


def alert_notice(alert: Alert) -> dict[str, Any]:
    """Return the fields of an alert that is no trade."""
    return {"at": moment(alert.at), "name": alert.name, "text": alert.text}


def r_of(position: Position) -> Decimal | None:
    """Return the result in R (trading.md, Metrics), None if the first stop was at the entry: there was no risk."""
    return r_multiple(position)


def number(value: Decimal) -> str:
    """Return a Decimal as text without an exponent."""
    return format(value, "f")


def moment(value: datetime) -> str:
    """Return a time as ISO 8601."""
    return value.isoformat()


def _what(position: Position) -> dict[str, Any]:
    return {
        "position_id": position.id,
        "symbol": position.symbol,
        "side": position.side,
        "setup": position.setup,
        "family": position.family,
        "timeframe": position.timeframe,
        "contracts": number(position.entry_contracts),
        "contract_size": number(position.contract_size),
        "notional": number(_notional(position)),
        "leverage": number(position.leverage),
        "tier": position.tier,
    }


def _signal(source: SignalSource | None) -> dict[str, Any] | None:
    """The product the signal is from, the trigger there and here, executed ÷ signal price; None: one product."""
    if source is None:
        return None
    levels = {"trigger": number(source.trigger), "trigger_here": number(source.translated_trigger)}
    return {"product": source.symbol, "ratio": number(source.ratio), **levels}


def _notional(position: Position) -> Decimal:
    return position.entry_contracts * position.contract_size * position.entry_price


def _reward_risk(position: Position) -> str | None:
    risk = abs(position.entry_price - position.stop)
    return number(abs(position.target - position.entry_price) / risk) if risk else None


def _continuity(reading: ContinuityReading) -> dict[str, Any]:
    return {
        "score": reading.score,
        "frames": list(reading.frames),
        "agree": list(reading.agree),
        "opens": reading.opens,
    }
