"""The overview: what ATLAS holds, waits for and did. Definitions: trading.md "Account" and "Metrics"."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from atlas.market.completeness import TRADABLE
from db.repositories import completeness, night_audit
from db.verdict import feed_state, verdict
from web import queries
from web.pages import Arguments, Page, Shown
from web.position import LivePosition, live_position
from web.values import iso, rounded, text

TRADES = 12
SETUPS = 24

Section = dict[str, Any]


def overview(connection: Connection, account: str | None, now: datetime) -> Section:
    """Return the whole overview of `account` (None: the one whose daemon beat last) as JSON values."""
    name = account or queries.account_shown(connection)
    row = queries.account(connection, name) if name else None
    if name is None or row is None:
        system = verdict(None, None, (), now, opened=False)
        nothing: Section = {"last_bar": None, "night_audit": None, "completeness": None, "setups_waiting": 0}
        nothing |= {"positions": [], "trades": [], "setups": [], "actors": []}
        return {"at": iso(now), "name": name, "account": None, "system": system, "daemon": None, **nothing}
    positions = [live_position(position) for position in queries.open_positions(connection, name)]
    daemon = queries.daemon(connection, name)
    setups, waiting = queries.waiting_setups(connection, name, daemon.market_time if daemon else None, SETUPS)
    actors = queries.actors(connection, name, daemon.started_at if daemon else None)
    audit = night_audit.last(connection, name)
    return {
        "at": iso(now),
        "name": name,
        "account": _account(row, positions),
        "system": verdict(daemon, row.halts, actors, now, opened=row.cash is not None, audit=audit),
        "daemon": _daemon(daemon, row.halts),
        "last_bar": iso(queries.last_bar(connection)),
        "night_audit": None if audit is None else _audit(audit),
        "completeness": _completeness(connection),
        "positions": [_position(position) for position in positions],
        "trades": [_trade(trade) for trade in queries.closed_positions(connection, name, TRADES)],
        "setups": [_setup(setup) for setup in setups],
        "setups_waiting": waiting,
        "actors": [_actor(actor) for actor in actors],
    }


def _account(row: Row[Any], positions: list[LivePosition]) -> Section:
    marks = [position.unrealised for position in positions]
    unpriced = sorted({position.row.symbol for position in positions if position.unrealised is None})
    unrealised = None if unpriced else sum((mark for mark in marks if mark is not None), Decimal(0))
    equity = None if unrealised is None or row.cash is None else row.cash + unrealised
    today = None if equity is None or row.day_start_equity is None else equity - row.day_start_equity
    share = None if today is None or not row.day_start_equity else today / row.day_start_equity
    return {
        "starting_equity": text(row.starting_equity),
        "equity": rounded(equity, 2),
        "cash": rounded(row.cash, 2),
        "unrealised": rounded(unrealised, 2),
        "reserved": rounded(row.reserved, 2),
        "available": None if equity is None else rounded(equity - row.reserved, 2),
        "today": rounded(today, 2),
        "today_share": rounded(share, 6),
        "day": row.day,
        "unpriced": unpriced,
        "halts": [{"source": source, "reason": reason} for source, reason in sorted(row.halts.items())],
        "updated_at": iso(row.updated_at),
    }


def _position(position: LivePosition) -> Section:
    row = position.row
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "setup": row.setup,
        "family": row.family,
        "contracts": text(row.contracts),
        "entry_contracts": text(row.entry_contracts),
        "entry_price": text(row.entry_price),
        "entry_time": iso(row.entry_time),
        "trigger": text(row.trigger),
        "stop": text(row.stop),
        "target": text(row.target),
        "liquidation": text(row.liquidation),
        "leverage": text(row.leverage),
        "tier": row.tier,
        "margin": rounded(row.margin, 2),
        "price": text(row.price),
        "price_at": iso(row.price_at),
        "unrealised": rounded(position.unrealised, 2),
        "net": rounded(position.net, 2),
        "r": rounded(position.r, 2),
        "to_stop_r": rounded(position.to_stop_r, 2),
        "to_target_r": rounded(position.to_target_r, 2),
        "path": position.path,
        "contradicted": row.contradicted,
        "continuity": _continuity(row.continuity),
    }


def _continuity(reading: dict[str, Any] | None) -> Section | None:
    if reading is None:
        return None
    agree, frames = reading["agree"], reading["frames"]
    return {"score": f"{len(agree)}/{len(frames)}", "agree": list(agree), "frames": list(frames)}


def _trade(row: Row[Any]) -> Section:
    notional = row.entry_price * row.entry_contracts * row.contract_size
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "setup": row.setup,
        "entry_price": text(row.entry_price),
        "exit_price": text(row.exit_price),
        "entry_time": iso(row.entry_time),
        "exit_time": iso(row.exit_time),
        "duration": int((row.exit_time - row.entry_time).total_seconds()),
        "exit_reason": row.exit_reason,
        "net": rounded(row.net, 2),
        "net_share": rounded(row.net / notional, 6) if notional else None,
        "r": rounded(row.r, 2),
    }


def _setup(row: Row[Any]) -> Section:
    up = 1 if row.side == "long" else -1
    risk = abs(row.trigger - row.stop)
    return {
        "id": row.id,
        "symbol": row.symbol,
        "side": row.side,
        "timeframe": row.timeframe,
        "name": row.name,
        "family": row.family,
        "trigger": text(row.trigger),
        "stop": text(row.stop),
        "target": text(row.target),
        "price": text(row.price),
        "distance": rounded(up * (row.trigger - row.price) / row.price, 6) if row.price else None,
        "magnitude": rounded(abs(row.target - row.trigger) / row.trigger, 6) if row.trigger else None,
        "reward_risk": rounded(abs(row.target - row.trigger) / risk, 2) if risk else None,
        "continuity": f"{row.agree}/{row.frames}",
        "labels": row.context["names"] if row.context else [],
        "measured": row.measured,
        "verified": row.verified,
        "valid_until": iso(row.valid_until),
    }


def _actor(row: Row[Any]) -> Section:
    return {
        "name": row.actor,
        "state": row.state,
        "waiting": row.waiting,
        "restarts": row.restarts,
        "last_progress": iso(row.last_progress),
        "last_error": row.last_error,
    }


def _audit(audit: night_audit.NightAudit) -> Section:
    return {
        "day": audit.day.isoformat(),
        "at": iso(audit.at),
        "inputs": audit.inputs,
        "events": audit.events,
        "differences": audit.differences,
        "first": audit.first or None,
        "note": audit.note or None,
    }


def _completeness(connection: Connection) -> Section:
    """What is known of the bars of the last day, by product and timeframe, and the holes that are not repaired."""
    found = completeness.tallies(connection, timedelta(days=1))
    return {
        "bars": completeness.summed(found),
        "frames": [
            {
                "symbol": tally.symbol,
                "timeframe": tally.timeframe,
                "bars": tally.bars,
                "until": iso(tally.until),
                "whole": TRADABLE.issuperset(tally.bars),
            }
            for tally in found
        ],
        "open_holes": [
            {"symbol": hole.symbol, "at": iso(hole.at), "since": iso(hole.since), "reason": hole.reason}
            for hole in completeness.open_holes(connection)
        ],
    }


def _daemon(row: Row[Any] | None, halts: dict[str, str]) -> Section | None:
    if row is None:
        return None
    return {
        "host": row.host,
        "pid": row.pid,
        "version": row.version,
        "mode": row.mode,
        "rules": row.rules,
        "feed": feed_state(row, halts),
        "started_at": iso(row.started_at),
        "stopped_at": iso(row.stopped_at),
        "market_time": iso(row.market_time),
        "beat_at": iso(row.beat_at),
    }


def _section(connection: Connection, shown: Shown, arguments: Arguments) -> Section:
    return overview(connection, shown.account, shown.now)


PAGE = Page(name="overview", title="Overview", path="/", section=_section, answer=dict)
