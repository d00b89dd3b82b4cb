"""Calls that state no usage are counted, in a real process, and stored with how it was done."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.call import Call
from arc_proxy.ingest import counter as counting
from arc_proxy.ingest.counter import CannotCount, TokenCounter
from arc_proxy.ingest.estimate import BATCH, RELEARN_S, Estimator, estimate_waiting
from arc_proxy.ingest.follower import Follower
from arc_proxy.ingest.recost import recost
from arc_proxy.journal.record import Ended
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import iter_calls
from arc_proxy.store.rollup import check
from arc_proxy.store.write import save
from pricing.book import PriceBook
from pricing.cost import CostGrade
from pricing.usage import Usage, UsageGrade
from tests.ingest.dump import dump
from tests.store.conftest import build_call

# "be brief" and "hi" are three tokens, two messages and the reply's beginning eleven; "hello" is one.
ASKED, ANSWERED = 14, 1


@pytest.fixture(scope="module")
def counter() -> Iterator[TokenCounter]:
    """One process for all tests: to start it takes a second. Who ends it finds another."""
    with TokenCounter() as running:
        yield running


def silent(number: int = 1, **fields: Any) -> Call:
    """A call that states no usage."""
    unknown = {"cost_grade": CostGrade.UNKNOWN, "cost_nanousd": None, "cost_lines": ()}
    call = build_call(number, **unknown | {"usage_grade": UsageGrade.NONE} | fields)
    return dataclasses.replace(call, usage=Usage(), reply=dataclasses.replace(call.reply, usage=None))


def stored(store: Store) -> list[Any]:
    return list(iter_calls(store))


def test_prompt_and_reply_are_counted_and_priced(either: Store, book: PriceBook) -> None:
    save(either, [silent()])
    estimate_waiting(either, book)
    [call] = stored(either)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (ASKED, ANSWERED)
    assert (call.usage_grade, call.cost_grade) == (UsageGrade.ESTIMATED, CostGrade.ESTIMATED)
    assert call.cost_nanousd == ASKED * 150 + ANSWERED * 600
    assert call.estimated_by == "o200k_base, table 1"
    assert call.cost_reason.endswith("(o200k_base, table 1)")
    assert check(either) == ()


def estimate_all(store: Store, book: PriceBook, counter: TokenCounter) -> None:
    estimator = Estimator(store, book, counter)
    while estimator.step():
        pass


def test_counting_again_and_pricing_again_change_nothing(
    either: Store, book: PriceBook, counter: TokenCounter, tmp_path: Path
) -> None:
    save(either, [silent(), silent(2, prompt_messages=())])
    estimate_all(either, book, counter)
    before = dump(either)
    estimate_all(either, book, counter)
    assert recost(tmp_path, either, book, apply=True).changed == 0
    assert dump(either) == before


LOWER_BOUNDS = {
    "a stream that was cut": {"ended": Ended.CLIENT_CLOSED},
    "a model that thinks unseen": {"reply_model": "gpt-5-mini", "prompt_model": "gpt-5-mini"},
}


@pytest.mark.parametrize("fields", LOWER_BOUNDS.values(), ids=LOWER_BOUNDS)
def test_what_is_not_all_that_is_billed_is_a_lower_bound(
    either: Store, book: PriceBook, counter: TokenCounter, fields: dict[str, Any]
) -> None:
    save(either, [silent(**fields)])
    estimate_all(either, book, counter)
    [call] = stored(either)
    assert (call.usage_grade, call.cost_grade) == (UsageGrade.PARTIAL, CostGrade.PARTIAL)
    assert call.cost_nanousd > 0


PICTURE = b'{"content":[{"image_url":{"url":"x"},"type":"image_url"}],"role":"user"}'
UNCOUNTED = {
    "a picture": ({"prompt_messages": (PICTURE,)}, "not counted: image_url"),
    "bodies that were not kept": ({"prompt_messages": ()}, "not counted: it has no messages that were kept"),
}


@pytest.mark.parametrize(("fields", "why"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_what_cannot_be_counted_stays_unknown_and_says_why(
    either: Store, book: PriceBook, counter: TokenCounter, fields: dict[str, Any], why: str
) -> None:
    save(either, [silent(**fields)])
    estimate_all(either, book, counter)
    [call] = stored(either)
    assert (call.usage_grade, call.cost_grade, call.cost_nanousd) == ("none", "unknown", None)
    assert call.estimated_by == why
    assert why in call.cost_reason


ALONE = {
    "an error": {"status": 429},
    "a call that goes on": {"duration_ns": None},
    "usage that is stated": {"usage_grade": UsageGrade.REPORTED},
}


@pytest.mark.parametrize("fields", ALONE.values(), ids=ALONE)
def test_other_calls_are_left_alone(
    either: Store, book: PriceBook, counter: TokenCounter, fields: dict[str, Any]
) -> None:
    save(either, [silent(**fields)])
    before = dump(either)
    estimate_all(either, book, counter)
    assert dump(either) == before


def test_what_a_model_reports_elsewhere_mends_the_count(
    either: Store, book: PriceBook, counter: TokenCounter
) -> None:
    reported = [
        build_call(number, usage=Usage(input_text=ASKED + 40, output_text=5)) for number in range(1, 6)
    ]
    other = [build_call(number, provider="azure", usage=Usage(input_text=999)) for number in range(6, 12)]
    save(either, [*reported, *other, silent(20)])
    estimate_all(either, book, counter)
    call = stored(either)[-1]
    assert call.usage.input_tokens == ASKED + 40
    assert call.estimated_by == "o200k_base, table 1, x1.00 +40 learned from 5 calls, input ±0.0%"


def test_more_calls_than_one_step_takes(either: Store, book: PriceBook, counter: TokenCounter) -> None:
    save(either, [silent(number) for number in range(1, 2 * BATCH + 2)])
    estimator = Estimator(either, book, counter, clock=lambda: 0.0)
    assert [estimator.step(), estimator.step(), estimator.step()] == [True, True, False]
    assert {call.usage_grade for call in stored(either)} == {UsageGrade.ESTIMATED}


def test_a_call_that_ends_after_later_ones_is_counted_too(
    either: Store, book: PriceBook, counter: TokenCounter
) -> None:
    save(either, [silent(1, duration_ns=None), silent(2)])
    estimator = Estimator(either, book, counter)
    estimator.step()
    save(either, [silent(1)])
    estimator.step()
    assert {call.usage_grade for call in stored(either)} == {UsageGrade.ESTIMATED}


def test_a_step_takes_no_longer_than_ingest_can_wait(
    either: Store, book: PriceBook, counter: TokenCounter
) -> None:
    save(either, [silent(number) for number in range(1, 5)])
    hours = iter(range(0, 10**6, 3600))
    estimator = Estimator(either, book, counter, clock=lambda: float(next(hours)))
    steps = []
    while not steps or steps[-1]:
        steps.append(estimator.step())
        grades = [call.usage_grade for call in stored(either)]
        assert grades.count(UsageGrade.ESTIMATED) == len(steps)
    assert steps == [True, True, True, False]


def test_what_is_learned_grows_with_the_calls(either: Store, book: PriceBook, counter: TokenCounter) -> None:
    now = 0.0
    estimator = Estimator(either, book, counter, clock=lambda: now)
    save(either, [silent(1)])
    estimator.step()
    more = Usage(input_text=ASKED + 40, output_text=5)
    save(either, [*(build_call(number, usage=more) for number in range(2, 8)), silent(20)])
    estimator.step()
    now = RELEARN_S
    save(either, [silent(21)])
    estimator.step()
    counted = [call.usage.input_tokens for call in stored(either) if call.estimated_by]
    assert counted == [ASKED, ASKED, ASKED + 40]


def test_any_text_can_be_counted(counter: TokenCounter) -> None:
    lone_surrogate = "a\ud800b"
    long = "word " * (counting.TEXT_CHARS_MAX // 2)
    assert counter.count([]) == []
    counts = counter.count(["", lone_surrogate, "\0", long])
    assert counts[0] == 0
    assert counts[3] == pytest.approx(len(long) / 5, rel=0.01)


def test_a_process_that_dies_is_said_and_started_again(counter: TokenCounter) -> None:
    counter.count(["x"])
    process = counter._process
    assert process is not None
    process.kill()
    process.wait()
    with pytest.raises(CannotCount):
        counter.count(["x"])
    assert counter.count(["x"]) == [1]


def test_a_process_that_hangs_is_ended(counter: TokenCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    counter.count(["x"])
    process = counter._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(counting, "COUNT_S_MAX", 0.2)
    with pytest.raises(CannotCount):
        counter.count(["x"])


def test_the_console_counts_what_comes(tmp_path: Path, book: PriceBook) -> None:
    with contextlib.closing(open_store(tmp_path / "arc.db")) as store:
        save(store, [silent(number) for number in range(1, BATCH + 5)])
        follower = Follower(tmp_path, lambda: open_store(tmp_path / "arc.db"), lambda: book)
        thread = threading.Thread(target=follower.run_forever)
        thread.start()
        try:
            assert follower.catch_up(30)
            assert {call.usage_grade for call in stored(store)} == {UsageGrade.ESTIMATED}
        finally:
            follower.stop()
            thread.join(30)
    assert not thread.is_alive()
