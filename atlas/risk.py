"""The gates of an entry, in the order of strat.md 5: the first that fails names the rejection.

Each gate is a small function from the entry to (passed, value, threshold), the last two for people. Gates before
`position_policy` look at the setup and the market; the size is computed once they have passed, and the rest look at it.
A gate that cannot be measured fails (lesson 50).
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from atlas.errors import ConfigurationError
from atlas.market.sessions import closed_reason
from atlas.money.account import day_loss
from atlas.money.bounds import Measured, past_stop, past_target, reward_risk
from atlas.money.entry import Approval, Check, EntryContext, Rejection, Verdict
from atlas.money.exits import last_day_reason
from atlas.money.fees import fee, notional
from atlas.money.margin import leverage, liquidation_price, maintenance_rate
from atlas.money.profit import risk_of
from atlas.money.rounding import dollars, percent, shown, stop_on_tick, target_on_tick
from atlas.money.sizing import Size, SizeRequest, size
from atlas.money.windows import tier_at
from atlas.rules import Rules

MODE_SIGNALS = "mode signals"
"""What `not_traded` finds where nothing is traded: the trigger itself is then what the owner is told."""
FULL, HALF = Decimal(1), Decimal("0.5")
"""What the size is multiplied by when every frame agrees, and when only enough do."""
POSITION_POLICIES = ("one_per_product", "one_per_timeframe", "flip", "unlimited", "flat_at_close")


class Entry(msgspec.Struct, frozen=True):
    """An entry under examination: its context, and its levels on the executed product's tick."""

    context: EntryContext
    stop: Decimal
    target: Decimal

    @property
    def magnitude(self) -> Decimal:
        """Distance from the reference to the target, as a price."""
        return abs(self.target - self.context.reference)


# ── the setup and the market ────────────────────────────────────────────────────────────────────────────────────────


def _halted(entry: Entry) -> Measured:
    halts = {source: reason for source, reason in entry.context.halts.items() if source != "daily_loss"}
    if (relisted := entry.context.relisted) is not None:
        halts["listing"] = relisted
    if entry.context.lease is not None:
        halts["lease"] = entry.context.lease
    found = "; ".join(f"{source}: {reason}" for source, reason in sorted(halts.items()))
    return not halts, found or "no halt", "no halt"


def _session_closed(entry: Entry) -> Measured:
    context = entry.context
    reason = closed_reason(context.product, context.at) or last_day_reason(context.product, context.at)
    return reason is None, reason or "open", "open"


def _data_unverified(entry: Entry) -> Measured:
    verified = entry.context.verified
    return verified, "verified" if verified else "a hole in C1, C2 or the entry bar", "verified"


def _already_triggered(entry: Entry) -> Measured:
    again = entry.context.already_triggered
    return not again, "triggered before" if again else "first trigger", "first trigger"


def _missed(entry: Entry) -> Measured:
    missed = entry.context.missed
    return not missed, "broke before ATLAS could see it" if missed else "seen", "seen"


def _not_traded(entry: Entry) -> Measured:
    context = entry.context
    setup, rules = context.setup, context.rules
    if rules.mode == "signals":
        return False, "mode signals", "a mode that trades"
    if setup.family not in rules.strat.families:
        return False, f"family {setup.family}", f"one of {', '.join(rules.strat.families)}"
    if setup.side == "short" and context.product.kind == "spot" and rules.sizing.long_only_spot:
        return False, f"short on spot {context.product.id}", "long only"
    return True, f"{setup.family} {setup.side}", f"one of {', '.join(rules.strat.families)}"


def _divergence(entry: Entry) -> Measured:
    context = entry.context
    limit = f"≤ {percent(context.rules.gates.max_divergence, 'down')}"
    if context.setup.symbol == context.product.id:
        return True, "same product", limit
    if context.ratio is None:
        return False, f"{context.setup.symbol} to {context.product.id} is not known", limit
    apart = abs(context.ratio - 1)
    return apart <= context.rules.gates.max_divergence, percent(apart, "up"), limit


def _price_past_stop(entry: Entry) -> Measured:
    return past_stop(entry.context.setup.side, entry.context.reference, entry.stop)


def _price_past_target(entry: Entry) -> Measured:
    return past_target(entry.context.setup.side, entry.context.reference, entry.target)


def _magnitude(entry: Entry) -> Measured:
    share, least = entry.magnitude / entry.context.reference, entry.context.rules.gates.min_magnitude
    return share >= least, percent(share, "down"), f"≥ {percent(least, 'up')}"


def _reward_risk(entry: Entry) -> Measured:
    least = least_reward_risk(entry.context.rules, entry.context.setup.family)
    return reward_risk(entry.context.reference, entry.stop, entry.target, least)


def _continuity(entry: Entry) -> Measured:
    reading, side = entry.context.continuity, entry.context.setup.side
    if reading is None:
        return False, "could not be computed", "known"
    if reading.side != side:
        return False, f"measured for {reading.side}", f"measured for {side}"
    passed = reading.enough and bool(reading.frames)
    unknown = f", unknown {' '.join(reading.unknown)}" if reading.unknown else ""
    return passed, f"{reading.score}{unknown}", f"≥ {reading.needed}/{len(reading.frames)}"


# ── the account ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _position_policy(entry: Entry, _: Size) -> Measured:
    context = entry.context
    policy, timeframe = context.rules.sizing.position_policy, context.setup.timeframe
    if policy not in POSITION_POLICIES:
        raise ConfigurationError(
            f"sizing.position_policy {policy!r} is not known: write one of {', '.join(POSITION_POLICIES)}"
        )
    held = [(h.id, h.timeframe) for h in context.kept if h.symbol == context.product.id]
    held += [(h.id, h.timeframe) for h in context.pending if h.symbol == context.product.id]
    if policy == "unlimited":
        held = []
    elif policy == "one_per_timeframe":
        held = [(name, of) for name, of in held if of == timeframe]
    elif policy == "flat_at_close" and not held and (left := context.left) and left >= context.setup.valid_from:
        return False, f"held until {left:%Y-%m-%d %H:%M:%S}", policy
    return not held, f"held: {', '.join(name for name, _ in held)}" if held else "none in the way", policy


def _max_open_positions(entry: Entry, _: Size) -> Measured:
    context = entry.context
    count, most = len(context.kept) + len(context.pending) + 1, context.rules.sizing.max_open_positions
    return count <= most, f"{count} with this one", f"≤ {most}"


def _total_risk(entry: Entry, sized: Size) -> Measured:
    context = entry.context
    at_risk = sum((risk_of(position) for position in context.kept), sized.risk)
    at_risk += sum(pending.risk for pending in context.pending)
    most = context.equity * context.rules.sizing.max_total_risk
    limit = f"≤ {dollars(most, 'down')} ({percent(context.rules.sizing.max_total_risk, 'down')} of equity)"
    return at_risk <= most, f"{dollars(at_risk, 'up')} with this one", limit


def _daily_loss(entry: Entry, _: Size) -> Measured:
    context = entry.context
    hit = context.daily_loss_hit or "daily_loss" in context.halts
    loss = percent(day_loss(context.day_start_equity, context.equity), "up")
    limit = f"< {percent(context.rules.sizing.daily_loss, 'down')}"
    return not hit, f"{loss} lost today{', halted' if hit else ''}", limit


def _size_zero(entry: Entry, sized: Size) -> Measured:
    product, units = entry.context.product, entry.context.rules.sizing.units
    needs = (
        f"a budget of {dollars(sized.budget, 'down')} at "
        f"{dollars(sized.risk_per_contract + sized.costs_per_contract, 'up')} a contract"
        if sized.mode == "risk"
        else f"{shown(units, 8, 'down')} units, {product.contract_size:f} a contract"
        if sized.mode == "units"
        else f"{shown(sized.by_margin, 8, 'down')} × {shown(sized.multiplier, 4, 'down')}"
    )
    found = f"{shown(sized.by_formula, 8, 'down')} from {needs}"
    return sized.zero_because != "size_zero", found, f"≥ {shown(product.min_size, 8, 'up')}"


def _fees(entry: Entry, _: Size) -> Measured:
    """Entry taker + exit maker fee against the gross profit at the target: the same share for any size (lesson 81)."""
    context = entry.context
    one, product, rules = Decimal(1), context.product, context.rules
    costs = fee(notional(context.reference, one, product.contract_size), one, product, rules.fees, "taker")
    costs += fee(notional(entry.target, one, product.contract_size), one, product, rules.fees, "maker")
    share = costs / (entry.magnitude * product.contract_size)
    limit = f"≤ {percent(rules.gates.max_fee_share, 'down')} of the profit at target"
    return share <= rules.gates.max_fee_share, percent(share, "up"), limit


def _margin(entry: Entry, sized: Size) -> Measured:
    needed = sized.cash if sized.contracts > 0 else sized.cash_per_contract * entry.context.product.min_size
    found = f"needs {dollars(needed, 'up')} for {shown(sized.contracts or entry.context.product.min_size, 8, 'down')}"
    limit = f"≤ {dollars(entry.context.usable, 'down')} available"
    return sized.contracts > 0 and sized.zero_because is None, found, limit


# ── the table and the judgement ─────────────────────────────────────────────────────────────────────────────────────

MARKET_GATES: dict[str, Callable[[Entry], Measured]] = {
    "halted": _halted,
    "session_closed": _session_closed,
    "data_unverified": _data_unverified,
    "already_triggered": _already_triggered,
    "missed": _missed,
    "not_traded": _not_traded,
    "divergence": _divergence,
    "price_past_stop": _price_past_stop,
    "price_past_target": _price_past_target,
    "magnitude": _magnitude,
    "reward_risk": _reward_risk,
    "continuity": _continuity,
}
ACCOUNT_GATES: dict[str, Callable[[Entry, Size], Measured]] = {
    "position_policy": _position_policy,
    "max_open_positions": _max_open_positions,
    "total_risk": _total_risk,
    "daily_loss": _daily_loss,
    "size_zero": _size_zero,
    "fees": _fees,
    "margin": _margin,
}
GATES: tuple[str, ...] = (*MARKET_GATES, *ACCOUNT_GATES)
"""Every gate's name, in order."""

SWITCHABLE: tuple[str, ...] = (
    "magnitude",
    "reward_risk",
    "continuity",
    "position_policy",
    "max_open_positions",
    "total_risk",
    "daily_loss",
    "fees",
)
"""The gates that `gates.off` may name. The rest keep an entry safe, or are what makes it an entry (a size above 0)."""


def least_reward_risk(rules: Rules, family: str) -> Decimal:
    """Return the least reward ÷ risk of a family's setups."""
    return rules.gates.min_reward_risk_by_family.get(family, rules.gates.min_reward_risk)


def multiplier(full: bool) -> Decimal:
    """Return 1 when every frame agrees, else ½ (strat.md 4)."""
    return FULL if full else HALF


def _multiplier(context: EntryContext) -> Decimal:
    """Return 1 when every frame agrees, else ½ (strat.md 4), also where the gate `continuity` is switched off."""
    reading = context.continuity
    full = reading is not None and reading.side == context.setup.side and bool(reading.frames) and reading.full
    return multiplier(full)


def judge(context: EntryContext) -> Verdict:
    """Return whether a trigger becomes an entry, and every check made on the way.

    Raises ConfigurationError for an unknown position policy, sizing mode or margin window, UnknownProduct when the
    executed product has no margin rates.
    """
    setup, product, rules = context.setup, context.product, context.rules
    # an unknown ratio between two products never gets past the gate `divergence`
    ratio = Decimal(1) if setup.symbol == product.id or context.ratio is None else context.ratio
    entry = Entry(
        context,
        stop=stop_on_tick(setup.stop * ratio, setup.side, product.tick),
        target=target_on_tick(setup.target * ratio, setup.side, product.tick),
    )
    checks: list[Check] = []

    def rejects(gate: str, measured: Measured) -> bool:
        passed, value, threshold = measured
        off = gate in rules.gates.off and gate in SWITCHABLE
        checks.append(Check(gate, "off" if off else "passed" if passed else "failed", value, threshold))
        return not (passed or off)

    def verdict(sized: Size | None = None, outcome: Approval | None = None) -> Verdict:
        failed = checks[-1]
        return Verdict(outcome or Rejection(failed.gate, failed.value, failed.threshold), tuple(checks), sized)

    for gate, of_the_market in MARKET_GATES.items():
        if rejects(gate, of_the_market(entry)):
            return verdict()
    tier = tier_at(rules.margin.window, context.at)
    sized = size(
        SizeRequest(
            side=setup.side,
            reference=context.reference,
            stop=entry.stop,
            bid=context.bid,
            ask=context.ask,
            equity=context.equity - context.closing_costs,
            available=context.usable,
            multiplier=_multiplier(context),
            leverage=leverage(product, setup.side, tier),
        ),
        product,
        rules,
    )
    for gate, of_the_account in ACCOUNT_GATES.items():
        if rejects(gate, of_the_account(entry, sized)):
            return verdict(sized)
    return verdict(
        sized,
        Approval(
            contracts=sized.contracts,
            multiplier=sized.multiplier,
            leverage=sized.leverage,
            tier=tier,
            entry=sized.entry,
            stop=entry.stop,
            target=entry.target,
            liquidation=liquidation_price(
                setup.side, sized.entry, sized.leverage, maintenance_rate(product, rules.margin)
            ),
            margin=sized.margin,
            risk=sized.risk,
            size=sized,
            closes=tuple(position.id for position in context.flipped),
            ratio=None if setup.symbol == product.id else ratio,
        ),
    )
