"""Where the price tags beside a chart stand: each as near to its level as it can be without touching another."""

from collections.abc import Sequence


def spread(levels: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Return a place for each level, in the same order: `apart` from one another at least, all within [low, high].

    Levels keep their order from the top. Where there is not room for all of them, they stand evenly.
    """
    order = sorted(range(len(levels)), key=lambda one: (levels[one], one))
    if len(order) > 1 and (len(order) - 1) * apart >= high - low:
        step = (high - low) / (len(order) - 1)
        return [low + order.index(one) * step for one in range(len(levels))]
    places: list[float] = []
    for one in order:
        least = low if not places else places[-1] + apart
        places.append(max(levels[one], least))
    # What was pushed over the edge is pushed back; what is above it makes room. Then clusters are centred.
    limit = high
    for place in reversed(range(len(places))):
        places[place] = min(places[place], limit)
        limit = places[place] - apart
    _centre([levels[one] for one in order], places, apart, low, high)
    found = [0.0] * len(levels)
    for one, stand in zip(order, places, strict=True):
        found[one] = stand
    return found


def _centre(levels: Sequence[float], places: list[float], apart: float, low: float, high: float) -> None:
    """Move each run of touching tags so that it lies around its levels, as far as its neighbours let it."""
    begin = 0
    while begin < len(places):
        end = begin + 1
        while end < len(places) and places[end] - places[end - 1] < apart + 1e-6:
            end += 1
        wanted = sum(levels[begin:end]) / (end - begin) - sum(places[begin:end]) / (end - begin)
        above = places[begin] - (low if begin == 0 else places[begin - 1] + apart)
        below = (high if end == len(places) else places[end] - apart) - places[end - 1]
        moved = min(max(wanted, -max(above, 0.0)), max(below, 0.0))
        for place in range(begin, end):
            places[place] += moved
        begin = end
