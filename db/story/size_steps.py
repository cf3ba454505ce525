"""The sizing step by step, with the numbers of the moment (trading.md, Sizing)."""

from collections.abc import Iterator

from actors.messages import Judged
from atlas.money import readable
from atlas.money.sizing import Size
from atlas.rules import Rules
from db.story.read import Records
from db.story.story import SizingStep


def size_steps(records: Records, judged: Judged, size: Size) -> tuple[SizingStep, ...]:
    """Return the steps from the equity to the contracts; each cap is one, and the one that set the size is `bound`."""
    terms = records.terms
    rules = terms.rules if terms is not None else Rules()
    product = next((each for each in terms.products if each.id == judged.product), None) if terms is not None else None
    held = "" if product is None else f" × {readable.quantity(product.contract_size)}"
    stop = "the stop" if records.position is None else readable.price(records.position.first_stop)
    steps = [*_by_formula(judged, size, rules, held, stop), _by_margin(judged, size)]
    if product is not None:
        limit = "the most of one order that the product allows"
        steps.append(
            SizingStep("by the product's limit", product.max_size, "contracts", limit, size.capped_by == "max_size")
        )
    return (*steps, *_sum(size))


def _by_formula(judged: Judged, size: Size, rules: Rules, held: str, stop: str) -> Iterator[SizingStep]:
    agrees = "every frame agrees" if size.multiplier == 1 else "not every frame agrees"
    times = f"{readable.quantity(size.multiplier)} ({agrees})"
    entry, bound = readable.price(size.entry), size.capped_by is None
    worse = f"{readable.price(judged.reference)}, worse by the expected slippage"
    yield SizingStep("expected entry", size.entry, "price", worse)
    if size.mode == "risk":
        share = readable.share(rules.sizing.risk_share)
        how = f"{readable.usd(judged.equity)} of equity × {share} × {times}"
        yield SizingStep("risk budget", size.budget, "usd", how)
        yield SizingStep("price risk a contract", size.risk_per_contract, "usd", f"|{entry} − {stop}|{held}")
        costs = "both taker fees and the slippage of the exit"
        yield SizingStep("costs a contract", size.costs_per_contract, "usd", costs)
        each = f"({readable.usd(size.risk_per_contract)} + {readable.usd(size.costs_per_contract)})"
        how = f"{readable.usd(size.budget)} ÷ {each}, rounded down"
        yield SizingStep("by the risk", size.by_formula, "contracts", how, bound)
    elif size.mode == "leverage":
        how = f"{readable.quantity(size.by_margin)} by margin × {times}, rounded down"
        yield SizingStep("by the leverage", size.by_formula, "contracts", how, bound)
    else:
        how = f"always {readable.quantity(rules.sizing.units)} of the underlying, whole contracts"
        yield SizingStep("by the units", size.by_formula, "contracts", how, bound)


def _by_margin(judged: Judged, size: Size) -> SizingStep:
    at = f"margin at {readable.quantity(size.leverage)}×, entry fee and slippage"
    how = (
        f"{readable.usd(judged.available)} available, less entries on their way, ÷ "
        f"{readable.usd(size.cash_per_contract)} a contract ({at}), rounded down"
    )
    return SizingStep("by the margin", size.by_margin, "contracts", how, size.capped_by == "margin")


def _sum(size: Size) -> Iterator[SizingStep]:
    zero = f"none: `{size.zero_because}`" if size.zero_because else "the least of what is above"
    yield SizingStep("contracts", size.contracts, "contracts", zero)
    if size.contracts:
        yield SizingStep("risk", size.risk, "usd", "from the expected entry to the stop, costs aside")
        yield SizingStep("costs", size.costs, "usd", "expected, there and back")
        yield SizingStep("margin", size.margin, "usd", f"reserved at {readable.quantity(size.leverage)}×")
