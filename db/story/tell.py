"""The story, put together from what was recorded. Pure: the same records give the same story."""

from actors.messages import EntryTriggered
from atlas.market.timeframes import period
from atlas.money.book import Position
from atlas.money.entry import Check
from atlas.money.profit import mae_r, mfe_r, r_multiple
from atlas.rules import Rules
from atlas.strat.label_names import label_names
from atlas.strat.reasons import reasons
from atlas.strat.setup import ContinuityReading
from db.story.bars import executed, signal_bars
from db.story.deeds import booked, deeds
from db.story.read import Records
from db.story.size_steps import size_steps
from db.story.story import Continuity, FrameAnswer, Money, Story, StoryTrade


def tell(records: Records) -> Story:
    """Return the story of one trigger."""
    told, rejected, judged = records.triggered, records.rejected, records.judged
    setup, rules = told.setup, records.terms.rules if records.terms is not None else Rules()
    why_not = None if rejected is None else Check(rejected.gate, "failed", rejected.value, rejected.threshold)
    checks = judged.checks if judged is not None else ()
    outcome = records.outcome
    return Story(
        id=setup.id,
        account=records.account,
        symbol=setup.symbol,
        timeframe=setup.timeframe,
        setup=setup.name,
        name=told.name,
        family=setup.family,
        side=setup.side,
        outcome="trade" if outcome == "trade" else "rejected" if outcome == "rejected" else None,
        setup_time=setup.setup_time,
        valid_from=setup.valid_from,
        valid_until=setup.valid_until,
        trigger=setup.trigger,
        stop=setup.stop,
        target=setup.target,
        at=told.tick.time,
        price=told.tick.price,
        verified=told.verified,
        missed=told.missed,
        rules=told.rules,
        version=told.version,
        why=reasons(setup, rules.strat),
        labels=() if told.context is None else label_names(told.context),
        fifty=told.fifty,
        bars=signal_bars(records),
        executed=executed(records),
        continuity=_continuity(records),
        gates=checks or (() if why_not is None else (why_not,)),
        gates_told=bool(checks),
        why_not=why_not,
        sizing=() if judged is None or judged.size is None else size_steps(records, judged, judged.size),
        deeds=deeds(records),
        trade=None if records.position is None else _trade(records, records.position),
    )


# ── continuity ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _continuity(records: Records) -> tuple[Continuity, ...]:
    told = records.triggered
    found = [_reading(records, told, told.detection, trigger=False)]
    if told.at_trigger is not None:
        found.append(_reading(records, told, told.at_trigger, trigger=True))
    return tuple(found)


def _reading(records: Records, told: EntryTriggered, reading: ContinuityReading, *, trigger: bool) -> Continuity:
    at = told.tick.time if trigger else told.setup.valid_from
    answers = {**dict.fromkeys(reading.agree, "agrees"), **dict.fromkeys(reading.disagree, "disagrees")}
    return Continuity(
        moment="trigger" if trigger else "detection",
        at=at,
        side=reading.side,
        mode=reading.mode,
        price=told.tick.price if trigger else None,
        score=reading.score,
        needed=reading.needed,
        full=reading.full,
        frames=tuple(
            FrameAnswer(
                frame,
                "agrees" if frame in reading.agree else "unknown" if frame not in answers else "disagrees",
                records.opens.get(period(frame, at)[0]),
            )
            for frame in reading.frames
        ),
    )


# ── the trade ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _trade(records: Records, held: Position) -> StoryTrade:
    marks = {
        "settled from candles after ATLAS had been down": held.filled_while_down,
        "stop and target in one candle: the stop was taken": held.ambiguous,
        "exit by a trade that REST told while the feed was down": held.rest,
        "a hole in the feed while it was open: without it the exit may have been another": held.after_hole,
        "entered on a bar that the exchange's own candle contradicts": records.contradicted,
    }
    return StoryTrade(
        symbol=held.symbol,
        status="open" if held.is_open else "closed",
        entry_time=held.entry_time,
        entry_price=held.entry_price,
        contracts=held.entry_contracts,
        contract_size=held.contract_size,
        stop=held.stop,
        first_stop=held.first_stop,
        target=held.target,
        leverage=held.leverage,
        tier=held.tier,
        margin=held.margin,
        liquidation=held.liquidation,
        exit_time=held.exit_time,
        exit_price=held.exit_price,
        exit_reason=held.exit_reason,
        seconds=None if held.exit_time is None else int((held.exit_time - held.entry_time).total_seconds()),
        marks=tuple(mark for mark, holds in marks.items() if holds),
        money=Money(
            gross=held.gross,
            fees=held.fees,
            funding=held.funding,
            slippage=held.slippage,
            net=held.net,
            booked=booked(records),
            risk_at_entry=held.risk_at_entry,
            r=r_multiple(held),
            mae_r=mae_r(held),
            mfe_r=mfe_r(held),
        ),
    )
