"""Equity is the same whether each position's worth was found a moment ago or is found now."""

from decimal import Decimal as D

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.risk_monitor_account import available_now, equity_now
from actors.risk_monitor_state import Managed, RiskState
from actors.route import RISK
from atlas.money.profit import unrealised
from tests.actors.positions import entered

CENTS = st.integers(1, 10**7).map(lambda cents: D(cents) / 100)
STEPS = st.lists(st.tuples(st.sampled_from("abc"), CENTS, st.integers(0, 5).map(D)), max_size=12)


def three() -> RiskState:
    """Three positions in three products."""
    state = entered().kit.state(RISK)
    (managed,) = state.positions.values()
    positions = [msgspec.structs.replace(managed.position, id=name, symbol=name) for name in "abc"]
    return RiskState(state.account, {position.id: Managed(position) for position in positions})


@given(steps=STEPS)
def test_equity_follows_every_price_and_every_part_closed(steps) -> None:
    state = three()
    for symbol, price, contracts in steps:
        state.last[symbol] = price
        managed = state.positions[symbol]
        managed.position = msgspec.structs.replace(managed.position, contracts=contracts)
        held = [each.position for each in state.positions.values()]
        marks = [state.last.get(position.symbol, position.entry_price) for position in held]
        profits = map(unrealised, held, marks)
        assert equity_now(state) == state.account.cash + sum(profits, D(0))
        assert available_now(state) == equity_now(state) - state.account.reserved


def test_a_state_read_back_has_the_same_equity() -> None:
    state = three()
    state.last |= {"a": D("61650.5"), "b": D("60000")}
    worth = equity_now(state)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RiskState)
    assert equity_now(again) == worth != state.account.cash
