"""
Usage for calls whose response states none: tokens counted by us, graded so, with how they were counted.

Mostly these are streams of clients that did not ask for usage. Prompt and reply are counted by `o200k_base`,
scaled by the model's family, and mended by what the same model's other calls report. What cannot be counted
(pictures, what the provider has stored) is written down as such and stays unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog

from arc_proxy.call import Call
from arc_proxy.errors import ArcError
from arc_proxy.ingest.counter import TokenCounter
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.ingest.priced import price_again
from arc_proxy.journal.record import Ended
from arc_proxy.store.engine import Store
from arc_proxy.store.uncounted import reported_like, uncounted_calls
from arc_proxy.store.write import save
from arc_proxy.tokens.family import TABLE_VERSION, Family, class_of, family_of
from arc_proxy.tokens.learned import Correction, Sample, learn
from arc_proxy.tokens.parts import Parts, hides_thoughts, prompt_parts, reply_parts
from pricing.book import PriceBook
from pricing.usage import Usage, UsageGrade

# Ingest waits as long as a step takes.
BATCH = 20
STEP_S = 0.5
# How long what was learned of a model holds, and of how many.
RELEARN_S = 600.0
KINS_MAX = 1000
_SHOWN_UNCOUNTED = 3
_UNDER_WAY = ("queued", "in_progress")  # of a response that is made in the background

_log = structlog.get_logger()

Kin = tuple[str, str, str, bool]  # provider, dialect, model, with tools: calls whose counts are off alike


@dataclass(slots=True)
class Estimator:
    """Counts what waits. What it has learned of a model it keeps for a while."""

    store: Store
    book: PriceBook
    counter: TokenCounter
    clock: Callable[[], float] = time.monotonic
    _learned: dict[Kin, tuple[float, Correction]] = field(default_factory=dict)  # and when
    _after: int = 0

    def step(self) -> bool:
        """
        Estimate some of what waits, from where the last step ended; True if there is more.

        Raises CannotCount and StoreError: what was stored until then stays.
        """
        waiting = uncounted_calls(self.store, after=self._after, limit=BATCH)
        until = self.clock() + STEP_S
        estimated: list[Call] = []
        for key, call in waiting:
            estimated.append(self._estimated_or_not(call))
            self._after = key
            if self.clock() > until:
                break
        if estimated:
            save(self.store, estimated)
        if len(estimated) < len(waiting) or len(waiting) == BATCH:
            return True
        self._after = 0  # a call that goes on has a lower key than those that ended before it
        return False

    def _estimated_or_not(self, call: Call) -> Call:
        try:
            return self._estimated(call)
        except ArcError:
            raise
        except Exception as error:  # noqa: BLE001  a bug in counting costs an estimate, not all that follow
            _log.error("call.uncounted", call_id=call.call_id, **describe_bug(error))
            return self._priced(replace(call, estimated_by="not counted: this version cannot"))

    def _estimated(self, call: Call) -> Call:
        prompt, reply = prompt_parts(call.prompt, call.dialect), reply_parts(call.reply)
        why_not = _why_not(call, prompt)
        if why_not:
            return self._priced(replace(call, estimated_by=f"not counted: {why_not}"))
        family = family_of(call.reply.model or call.prompt.model)
        correction = self._correction(call, family)
        asked = correction.apply(self._count(prompt, family))
        answered = self._count(reply, family)
        is_lower_bound = call.ended is not Ended.COMPLETE or hides_thoughts(
            call.reply.model or call.prompt.model
        )
        return self._priced(
            replace(
                call,
                usage=replace(Usage(), input_text=asked, output_text=answered),
                usage_grade=UsageGrade.PARTIAL if is_lower_bound else UsageGrade.ESTIMATED,
                estimated_by=_said(family, correction),
            )
        )

    def _priced(self, call: Call) -> Call:
        return replace(call, cost=price_again(call, self.book))

    def _count(self, parts: Parts, family: Family) -> int:
        counts = self.counter.count(parts.texts)
        tokens = sum(
            count * family.ratio(class_of(text)) for count, text in zip(counts, parts.texts, strict=True)
        )
        return round(tokens) + parts.beside

    def _correction(self, call: Call, family: Family) -> Correction:
        kin, now = _kin(call), self.clock()
        at, correction = self._learned.get(kin, (now - RELEARN_S, Correction()))
        if now - at >= RELEARN_S:
            correction = learn(list(self._samples(reported_like(self.store, call), kin, family)))
            if len(self._learned) >= KINS_MAX:
                self._learned.clear()
            self._learned[kin] = now, correction
        return correction

    def _samples(self, calls: Sequence[Call], kin: Kin, family: Family) -> Iterator[Sample]:
        for call in calls:
            parts = prompt_parts(call.prompt, call.dialect)
            if _kin(call) == kin and parts.texts and not parts.uncounted:
                yield Sample(self._count(parts, family), call.usage.input_tokens)


def estimate_waiting(store: Store, book: PriceBook) -> None:
    """Estimate all that waits, under the ingest lock. Raises as a step does."""
    with TokenCounter() as counter:
        estimator = Estimator(store, book, counter)
        while estimator.step():
            pass


def _why_not(call: Call, prompt: Parts) -> str:
    if call.reply.finish_reason in _UNDER_WAY:
        return "its answer was not fetched yet"
    if not call.prompt.messages:
        return "it has no messages that were kept"
    return ", ".join(sorted(prompt.uncounted)[:_SHOWN_UNCOUNTED])


def _kin(call: Call) -> Kin:
    messages = call.prompt.messages
    has_tools = bool(messages) and messages[0].startswith(b'{"tools":')
    return (call.provider, call.dialect, call.reply.model or call.prompt.model or "", has_tools)


def _said(family: Family, correction: Correction) -> str:
    """`o200k_base, table 1, x1.04 +12 learned from 40 calls, ±3%`."""
    name = f"{family.name}{' assumed' if family.assumed else ''}, table {TABLE_VERSION}"
    if correction.error is None:
        return name
    return (
        f"{name}, x{correction.factor:.2f} {correction.beside:+d} "
        f"learned from {correction.samples} calls, input ±{correction.error:.1%}"
    )
