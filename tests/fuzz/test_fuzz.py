"""A short fuzz of every reader of what comes from outside: it may refuse it, nothing else (`scripts/fuzz` is long)."""

from random import Random

import msgspec
import pytest

from tests.fuzz.mutation import ODD, Mutator
from tests.fuzz.run import Found, attempt
from tests.fuzz.targets import opened

SEED = 20261122


@pytest.mark.parametrize(("target", "cases"), [("frames", 2000), ("rest", 150), ("config", 150), ("files", 600)])
def test_whatever_comes_from_outside_is_taken_or_refused_with_an_error_of_our_own(target: str, cases: int) -> None:
    found = Found()
    with opened(target, None) as reader:
        for number in range(cases):
            attempt(reader, SEED, number, found)
    assert found.findings == []
    assert sum(found.ended.values()) == cases
    assert found.ended["taken"] >= cases // 100, f"hardly anything is right enough to be read: {found.ended}"
    assert found.ended["taken"] <= cases * 3 // 4, f"hardly anything is wrong: {found.ended}"


def test_an_error_that_is_not_our_own_is_a_finding() -> None:
    class Careless:
        shown = "what it was given"

        def case(self, random: Random) -> None:
            raise KeyError("product_id")

    found = Found()
    attempt(Careless(), SEED, 7, found)
    assert found.ended["finding"] == 1
    (finding,) = found.findings
    assert "case 7 of seed 20261122: KeyError('product_id')\nwhat it was given\nTraceback" in finding


def test_a_case_is_named_by_seed_and_number() -> None:
    tree = {"channel": "ticker", "events": [{"type": "update", "tickers": [{"price": "64700.5", "size": 1}]}]}
    made = [[Mutator(Random(f"{seed}:{number}")).json(tree) for number in range(200)] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) > 150
    assert tree == {"channel": "ticker", "events": [{"type": "update", "tickers": [{"price": "64700.5", "size": 1}]}]}


def test_a_case_is_the_same_whatever_was_made_before_it() -> None:
    before = repr(ODD)
    for number in range(5000):
        Mutator(Random(number)).tree({"a": [1, 2, 3], "b": "x"})
    assert repr(ODD) == before


def test_most_mutated_trees_are_still_json() -> None:
    tree = {"channel": "ticker", "events": [{"type": "update", "tickers": [{"price": "64700.5", "size": 1}]}]}

    def parses(raw: bytes) -> bool:
        try:
            msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    whole = sum(parses(Mutator(Random(number)).json(tree)) for number in range(500))
    assert 150 < whole < 450
