"""Sizing by risk and by leverage."""

from decimal import Decimal as D
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigurationError, InternalError
from atlas.market.product import Product
from atlas.market.products import built_in
from atlas.money.fees import fee, notional
from atlas.money.sizing import Size, SizeRequest, size
from atlas.rules import Rules, SizingRules

BIP = built_in("BIP-20DEC30-CDE")
ETP = built_in("ETP-20DEC30-CDE")
SPOT = built_in("BTC-USD")


def rules(mode: str) -> Rules:
    """The defaults, sized by one mode."""
    return Rules(sizing=SizingRules(mode=mode))


def request(**changes: Any) -> SizeRequest:
    """Long at 68 000, stop 67 000, 10 000 USD all available, 10 ×, full size, no spread."""
    usual = SizeRequest(
        side="long",
        reference=D(68000),
        stop=D(67000),
        bid=D(68000),
        ask=D(68000),
        equity=D(10000),
        available=D(10000),
        multiplier=D(1),
        leverage=D(10),
    )
    return msgspec.structs.replace(usual, **changes)


def test_risk_mode_divides_the_budget_by_the_loss_and_the_costs_of_one_contract() -> None:
    found = size(request(), BIP, rules("risk"))
    # loss 10; taker fees 680 × 0.0007 + 0.15 and 670 × 0.0007 + 0.15
    assert found.risk_per_contract == 10
    assert found.costs_per_contract == D("0.626") + D("0.619")
    assert found.budget == 200
    assert found.contracts == 17  # ⌊200 ÷ 11.245⌋
    assert (found.capped_by, found.zero_because) == (None, None)
    assert found.margin == 1156
    assert found.risk == 170


def test_an_unknown_spread_costs_slippage_on_both_sides() -> None:
    found = size(request(bid=None, ask=None), BIP, rules("risk"))
    assert found.entry == 68034
    assert found.risk_per_contract == D("10.34")
    # the stop at 67 000 fills at 66 966.5
    assert found.costs_per_contract == D("0.626238") + D("0.6187655") + D("0.335")


def test_lesson_76_the_multiplier_is_applied_once_in_both_modes() -> None:
    assert size(request(multiplier=D("0.5")), BIP, rules("risk")).contracts == 8  # ⌊100 ÷ 11.245⌋
    whole = size(request(), BIP, rules("leverage"))
    half = size(request(multiplier=D("0.5")), BIP, rules("leverage"))
    assert half.contracts == whole.contracts // 2


def test_risk_mode_is_capped_by_what_margin_is_available() -> None:
    found = size(request(available=D(500)), BIP, rules("risk"))
    assert found.by_formula == 17
    assert found.contracts == found.by_margin == 7  # ⌊500 ÷ (68 + 0.626)⌋
    assert found.capped_by == "margin"


@pytest.mark.parametrize("mode", ["risk", "leverage"])
@pytest.mark.parametrize(("side", "leverage"), [("long", "10"), ("short", "4.1")])
def test_lesson_75_a_thousand_dollar_account_opens_a_full_size_trade(mode: str, side: str, leverage: str) -> None:
    stop = D(1990) if side == "long" else D(2010)
    asked = request(
        side=side, reference=D(2000), stop=stop, bid=None, ask=None, equity=D(1000), available=D(1000),
        leverage=D(leverage),
    )  # fmt: skip
    found = size(asked, ETP, rules(mode))
    assert found.contracts >= 1
    assert found.zero_because is None
    assert found.cash <= 1000


def test_lesson_75_leverage_mode_reserves_fees_and_slippage_before_filling_up() -> None:
    asked = request(reference=D(2000), stop=D(1990), bid=None, ask=None, equity=D(1000), available=D(1000))
    found = size(asked, ETP, rules("leverage"))
    # one contract: margin 20.01, fee 0.29007, slippage 0.1
    assert found.cash_per_contract == D("20.40007")
    assert found.contracts == 49


def test_lesson_77_contracts_are_whole() -> None:
    found = size(request(equity=D("10123.45")), BIP, rules("risk"))
    assert found.contracts == found.contracts.to_integral_value()


def test_spot_is_sized_in_base_increments() -> None:
    found = size(request(leverage=D(1)), SPOT, rules("risk"))
    assert 0 < found.contracts < 1
    assert found.contracts % SPOT.size_increment == 0


def test_too_little_risk_budget_is_size_zero() -> None:
    assert size(request(equity=D(500)), BIP, rules("risk")).zero_because == "size_zero"


def test_too_little_margin_is_margin() -> None:
    for mode in ("risk", "leverage"):
        assert size(request(available=D(60)), BIP, rules(mode)).zero_because == "margin"
        assert size(request(available=D(-5)), BIP, rules(mode)).zero_because == "margin"


def test_one_contract_halved_by_continuity_is_size_zero_not_margin() -> None:
    found = size(request(available=D(70), multiplier=D("0.5")), BIP, rules("leverage"))
    assert found.by_margin == 1
    assert (found.contracts, found.zero_because) == (0, "size_zero")


def test_a_size_of_zero_from_both_causes_is_size_zero_in_risk_mode() -> None:
    assert size(request(equity=D(500), available=D(0)), BIP, rules("risk")).zero_because == "size_zero"


def test_a_lost_account_sizes_to_zero() -> None:
    assert size(request(equity=D(-10), available=D(-10)), BIP, rules("risk")).contracts == 0


def test_the_exchanges_largest_order_caps_the_size() -> None:
    small = msgspec.structs.replace(BIP, max_size=D(3))
    found = size(request(), small, rules("risk"))
    assert (found.contracts, found.capped_by) == (3, "max_size")


def test_below_the_smallest_order_nothing_is_bought() -> None:
    coarse = msgspec.structs.replace(BIP, min_size=D(20))
    assert size(request(), coarse, rules("risk")).zero_because == "size_zero"


def test_a_size_that_is_the_largest_order_anyway_is_not_capped_by_it() -> None:
    fitting = msgspec.structs.replace(BIP, max_size=D(17))
    found = size(request(), fitting, rules("risk"))
    assert (found.contracts, found.capped_by) == (17, None)


def test_the_whole_of_what_is_available_may_be_used() -> None:
    found = size(request(available=3 * D("68.626")), BIP, rules("leverage"))
    assert found.cash_per_contract == D("68.626")
    assert (found.contracts, found.cash) == (3, 3 * D("68.626"))


def test_contracts_that_fit_one_by_one_but_not_together_are_one_fewer() -> None:
    # margin of one 70 ÷ 3, rounded down; of three exactly 70, a hundred-millionth more than three times that
    one = D("23.33333333") + D("0.199")
    tight = request(reference=D(7000), stop=D(6900), bid=D(7000), ask=D(7000), leverage=D(3), available=3 * one)
    found = size(tight, BIP, rules("leverage"))
    assert found.cash_per_contract == one
    assert found.contracts == 2
    assert size(msgspec.structs.replace(tight, available=3 * one + D("1E-8")), BIP, rules("leverage")).contracts == 3


def test_a_fraction_of_spot_that_does_not_fit_by_a_hair_is_one_increment_less() -> None:
    reference = D("18877.7")
    given = D("387.95092011")
    tight = request(reference=reference, stop=D(18000), bid=None, ask=None, leverage=D(1), available=given)
    found = size(tight, SPOT, rules("leverage"))
    assert found.contracts == D("0.02028689")
    more = msgspec.structs.replace(tight, available=D("387.95092012"))
    assert size(more, SPOT, rules("leverage")).contracts == D("0.02028690")


def by_units(units: str) -> Rules:
    """The defaults, sized by so many of the underlying."""
    return Rules(sizing=SizingRules(mode="units", units=D(units)))


@pytest.mark.parametrize("changes", [{}, {"stop": D(60000)}, {"multiplier": D("0.5")}, {"equity": D(500)}])
def test_units_of_the_underlying_are_bought_whatever_the_risk(changes: dict[str, Any]) -> None:
    found = size(request(**changes), BIP, by_units("0.05"))
    assert (found.contracts, found.by_formula, found.capped_by, found.zero_because) == (5, 5, None, None)


def test_units_are_whole_contracts_and_less_than_one_is_size_zero() -> None:
    assert size(request(), BIP, by_units("0.0599")).contracts == 5
    found = size(request(), BIP, by_units("0.0099"))
    assert (found.contracts, found.zero_because) == (0, "size_zero")


def test_units_are_bought_all_or_not_at_all() -> None:
    all_of_it = size(request(), BIP, by_units("0.05")).cash
    assert size(request(available=all_of_it), BIP, by_units("0.05")).contracts == 5
    found = size(request(available=all_of_it - D("0.01")), BIP, by_units("0.05"))
    assert (found.contracts, found.by_margin, found.capped_by, found.zero_because) == (0, 4, "margin", "margin")


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'kelly' is not known: write risk, leverage or units"):
        size(request(), BIP, rules("kelly"))


def test_a_stop_on_the_wrong_side_is_a_fault() -> None:
    with pytest.raises(InternalError, match="risks nothing"):
        size(request(stop=D(69000)), BIP, rules("risk"))


@st.composite
def requests(draw: st.DrawFn) -> tuple[SizeRequest, Product]:
    """Any sensible request for a contract or spot."""
    product = draw(st.sampled_from([BIP, ETP, SPOT]))
    reference = draw(st.decimals("100", "150000", places=2))
    distance = draw(st.decimals("0.0005", "0.3", places=4))
    side = draw(st.sampled_from(["long", "short"]))
    spread = draw(st.none() | st.decimals("0", "20", places=2))
    equity = draw(st.decimals("1", "1000000", places=2))
    return (
        SizeRequest(
            side=side,
            reference=reference,
            stop=reference * (1 - distance if side == "long" else 1 + distance),
            bid=None if spread is None else reference - spread,
            ask=None if spread is None else reference,
            equity=equity,
            available=equity * draw(st.decimals("-0.1", "1", places=3)),
            multiplier=draw(st.sampled_from([D(1), D("0.5")])),
            leverage=D(1) if product is SPOT else draw(st.decimals("1", "20", places=4)),
        ),
        product,
    )


def needed(contracts: D, found: Size, product: Product, asked: SizeRequest, given_rules: Rules) -> D:
    """Margin, entry fee and entry slippage, computed anew."""
    opened = notional(found.entry, contracts, product.contract_size)
    slip = abs(found.entry - asked.reference) * contracts * product.contract_size
    return opened / asked.leverage + fee(opened, contracts, product, given_rules.fees, "taker") + slip


@given(requests(), st.sampled_from(["risk", "leverage"]))
def test_margin_fees_and_slippage_of_any_size_fit_into_available(asked: tuple[SizeRequest, Product], mode: str) -> None:
    wanted, product = asked
    found = size(wanted, product, rules(mode))
    assert found.contracts >= 0
    assert found.contracts % product.size_increment == 0
    assert (found.contracts == 0) == (found.zero_because is not None)
    if found.contracts > 0:
        assert found.cash <= wanted.available
        assert abs(needed(found.contracts, found, product, wanted, rules(mode)) - found.cash) < D("0.0000001")


@given(requests())
def test_leverage_mode_takes_the_most_that_fits(asked: tuple[SizeRequest, Product]) -> None:
    wanted, product = asked
    found = size(msgspec.structs.replace(wanted, multiplier=D(1)), product, rules("leverage"))
    one_more = found.by_margin + product.size_increment
    assert needed(one_more, found, product, wanted, rules("leverage")) > wanted.available - D("0.000001")


@given(requests())
def test_risk_mode_loses_no_more_than_its_budget_at_the_stop_costs_included(asked: tuple[SizeRequest, Product]) -> None:
    wanted, product = asked
    found = size(wanted, product, rules("risk"))
    assert found.budget <= wanted.equity * D("0.02") * wanted.multiplier + D("0.00000001")
    # Prices and costs are held at eight decimals: one contract is off by that much at most.
    rounding = D("0.00000001") * (1 + found.contracts * max(product.contract_size, D(1)))
    assert found.risk + found.costs <= found.budget + rounding
