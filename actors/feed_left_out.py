"""Products the exchange leaves out of its acknowledgement, without a word (coinbase.md 0.4).

A product can be delisted while ATLAS runs. The others, and the positions in them, must not be blind for it: when
connection after connection leaves the same products out, the feed goes on without them, and asks again later.
"""

from collections.abc import Mapping

from actors.feed_state import FeedState, canonical


def goes_on_without(state: FeedState, lacking: Mapping[str, tuple[str, ...]], asked: int, refusals: int) -> bool:
    """Count what a connection's whole acknowledgement lacks (channel → products); return whether it will do all the
    same. Then `state.connection.without` names what is left out of the `asked` products.
    """
    left_out = dict.fromkeys(product_id for ids in lacking.values() for product_id in ids)
    state.refused = {product_id: state.refused.get(product_id, 0) + 1 for product_id in left_out}
    if "heartbeats" in lacking or len(left_out) == asked or min(state.refused.values()) < refusals:
        return False
    state.connection.without = tuple(left_out)
    return True


def is_left_out(state: FeedState, product_id: str) -> bool:
    """Return whether the connection goes on without the product that frames carry under this id."""
    return any(canonical(name) == product_id for name in state.connection.without)


def warning(names: str) -> str:
    """Return what the owner is told. Such a product stays unverified, so that nothing is entered in it."""
    return (
        f"The exchange does not acknowledge {names}: the feed goes on without. Nothing is entered there, and what is "
        f"open there sees no price; see whether it is still listed"
    )
