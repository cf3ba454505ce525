"""What a person asks of the risk monitor, and the answer in words: what the command did once it is done.

A row of `commands` holds who asked, when and why; the answer is its `result`. To close positions takes a trade at which
they can be closed: until then the row says what the command waits for.
"""

from collections.abc import Iterator
from datetime import datetime

from actors.messages import CancelOrder, CommandBegun, CommandDone, Halt, Resume
from actors.risk_monitor_account import measure_anew
from actors.risk_monitor_halts import halt, lift
from actors.risk_monitor_orders import called_off, leave
from actors.risk_monitor_state import Closing, RiskState
from actors.runtime.behaviour import Effect, Send
from atlas.money.book import Position
from atlas.money.rounding import dollars, shown


def obey_halt(state: RiskState, now: datetime, asked: Halt) -> Iterator[Effect]:
    """Halt entries; say who else does."""
    yield from halt(state, now, asked.source, asked.reason)
    yield from answer(asked.command_id, now, f"halted: {asked.reason}{_also(state, asked.source, '; also halted by')}")


def obey_resume(state: RiskState, now: datetime, asked: Resume) -> Iterator[Effect]:
    """Lift one source's halt; a person's word also lifts the daily loss, measured anew from here."""
    before = len(state.halts)
    yield from lift(state, now, asked.source)
    if asked.source == "person":
        yield from measure_anew(state, now)
    told = "resumed" if len(state.halts) < before else "nothing to resume"
    yield from answer(asked.command_id, now, told + _also(state, "", "; still halted by"))


def obey_close(state: RiskState, now: datetime, position_id: str, command_id: int | None) -> Iterator[Effect]:
    """Close one position at the market."""
    if position_id in state.positions:
        yield from _close(state, now, [position_id], command_id)
    else:
        yield from answer(command_id, now, f"no open position is called {position_id}", failed=True)


def obey_flatten(state: RiskState, now: datetime, command_id: int | None) -> Iterator[Effect]:
    """Close every open position, and call back the entries that have not been filled yet."""
    called_back = [entering.trigger.setup.id for entering in state.entering.values()]
    for order_id, entering in list(state.entering.items()):
        if entering.after:
            del state.entering[order_id]
            yield Send("journal", called_off(entering.trigger, now, "flatten"))
        else:
            yield Send("paper_broker", CancelOrder(order_id))
    if state.positions:
        yield from _close(state, now, list(state.positions), command_id)
    else:
        told = f"nothing is open; called back {', '.join(called_back)}" if called_back else "nothing is open"
        yield from answer(command_id, now, told)


def _close(state: RiskState, now: datetime, ids: list[str], command_id: int | None) -> Iterator[Effect]:
    """Close these positions; the command is done when the last of them is closed. Asked again it goes on waiting."""
    for id_ in ids:
        yield from leave(state.positions[id_], "flatten")
    if command_id is not None and command_id not in state.closing:
        state.closing[command_id] = Closing(list(ids))
        yield Send("journal", CommandBegun(command_id, now, f"closing {', '.join(ids)}: not filled yet"))


def closed(state: RiskState, now: datetime, position: Position) -> Iterator[Effect]:
    """Tell the commands that wait for a position how it ended; those that wait for no other are done."""
    for command_id, closing in list(state.closing.items()):
        if position.id not in closing.waiting:
            continue
        closing.waiting.remove(position.id)
        closing.told.append(_told(position))
        if not closing.waiting:
            del state.closing[command_id]
            yield from answer(command_id, now, f"closed {'; '.join(closing.told)}")


def answer(command_id: int | None, now: datetime, result: str, *, failed: bool = False) -> Iterator[Effect]:
    """Tell the journal what a command did; what no person asked for needs no answer."""
    if command_id is not None:
        yield Send("journal", CommandDone(command_id, now, result, failed))


def _told(position: Position) -> str:
    contracts = shown(position.entry_contracts, 8, "down")
    price = "" if position.exit_price is None else f" at {shown(position.exit_price, 8, 'down')}"
    return f"{position.id}: {contracts} contracts{price} ({position.exit_reason}), net {dollars(position.net, 'down')}"


def _also(state: RiskState, but: str, words: str) -> str:
    others = [f"{source}: {reason}" for source, reason in sorted(state.halts.items()) if source != but]
    return f"{words} {', '.join(others)}" if others else ""
