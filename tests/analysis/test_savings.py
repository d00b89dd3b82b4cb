from __future__ import annotations

from datetime import date

import pytest

from analysis.savings import ModelSpend, best_swap
from pricing.rate import Rate
from pricing.usage import Usage


def rate(model, input_text, output_text=None, **more):
    picousd = {"input_text": input_text, "output_text": output_text or 5 * input_text}
    return Rate(provider="p", model=model, recorded=date(2026, 1, 1), source="test", picousd=picousd, **more)


def spend(model, nanousd, calls=10, usage=None):
    usage = usage or Usage(input_text=10_000, output_text=1_000)
    return ModelSpend(provider="p", dialect="d", model=model, calls=calls, usage=usage, nanousd=nanousd)


BIG, MIDDLE, SMALL, TINY = (
    rate("ox-big", 100),
    rate("ox-middle", 90),
    rate("ox-small", 40),
    rate("ox-tiny", 1),
)

SWAPS = {
    "the dearest that is clearly cheaper": (
        [spend("ox-big", 1000)],
        [BIG, MIDDLE, SMALL, TINY],
        ("ox-small", 400),
    ),
    "the cheapest where none is clearly cheaper": (
        [spend("ox-big", 1000)],
        [BIG, MIDDLE],
        ("ox-middle", 900),
    ),
    "nothing worth a thought": ([spend("ox-big", 1000)], [rate("ox-x", 98)], None),
    "nothing cheaper": ([spend("ox-big", 1000)], [rate("ox-x", 200)], None),
    "no candidates": ([spend("ox-big", 1000)], [], None),
    "one that is given away says nothing": ([spend("ox-big", 1000)], [rate("ox-free", 0)], None),
    "nothing spent": ([spend("ox-big", 0)], [TINY], None),
    "no calls": ([], [TINY], None),
    "the family first": ([spend("ox-big", 1000)], [SMALL, rate("goat-small", 50)], ("ox-small", 400)),
    "another family if there is none": (
        [spend("ox-big", 1000)],
        [rate("goat-small", 50)],
        ("goat-small", 500),
    ),
    "none for a special purpose": ([spend("ox-big", 1000)], [rate("ox-guard-1", 40)], None),
    "the latest of equals": ([spend("ox-big", 1000)], [rate("ox-1", 40), rate("ox-2", 40)], ("ox-2", 400)),
    "only the costliest model is swapped": (
        [spend("ox-big", 1000), spend("ox-middle", 500)],
        [SMALL],
        ("ox-small", 900),
    ),
    "what a batch saves, it saves there too": ([spend("ox-big", 500)], [SMALL], ("ox-small", 200)),
}


@pytest.mark.parametrize(("spent", "candidates", "swap"), SWAPS.values(), ids=SWAPS)
def test_same_tokens(spent, candidates, swap):
    found = best_swap(spent, lambda _spend: BIG, lambda _spend: candidates)
    assert (found and (found.model, found.nanousd_after)) == swap


def test_a_model_without_a_price_of_its_own_is_compared_with_nothing():
    assert best_swap([spend("ox-big", 1000)], lambda _spend: None, lambda _spend: [TINY]) is None


def test_a_candidate_that_does_not_price_all_that_was_used_is_none():
    usage = Usage(input_audio=5_000, input_text=10_000, output_text=1_000)
    audio = Rate(
        provider="p",
        model="ox-big",
        recorded=date(2026, 1, 1),
        source="t",
        picousd={**BIG.picousd, "input_audio": 9},
    )
    assert (
        best_swap([spend("ox-big", 1000, usage=usage)], lambda _spend: audio, lambda _spend: [SMALL]) is None
    )


def test_steps_for_long_prompts_apply_to_the_average_call_not_to_the_sum():
    stepped = rate("ox-small", 40, over=((100_000, {"input_text": 400}),))
    usage = Usage(input_text=1_000_000, output_text=1_000)
    found = best_swap(
        [spend("ox-big", 1000, calls=100, usage=usage)], lambda _spend: BIG, lambda _spend: [stepped]
    )
    assert found.nanousd_after == pytest.approx(400, abs=2)
    assert found.ratio == pytest.approx(-0.6, abs=0.01)
