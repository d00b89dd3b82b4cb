"""
How the steps of one run grew dearer: an early step against a late one, and what has grown between. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from analysis.parts import PartKind
from analysis.run_share import CallSpend
from analysis.step_growth import Grown, RunGrowth
from arc_proxy.call import Call, Kind

STEPS_MIN = 8
ENDS = 3  # steps at either end, of which the median counts

_GROWN = {
    PartKind.TOOL_RESULT: Grown.TOOL_RESULTS,
    PartKind.USER: Grown.HISTORY,
    PartKind.EARLIER_TEXT: Grown.HISTORY,
    PartKind.EARLIER_REASONING: Grown.HISTORY,
    PartKind.EARLIER_ARGUMENTS: Grown.HISTORY,
    PartKind.OUTPUT: Grown.ANSWERS,
    PartKind.REASONING: Grown.ANSWERS,
    PartKind.ARGUMENTS: Grown.ANSWERS,
    PartKind.CACHE_BREAK: Grown.CACHE_BREAKS,
}


def run_growth(calls: Sequence[Call], spends: Sequence[CallSpend]) -> RunGrowth | None:
    """
    `spends`: what each of the calls of a run came to, in their order. None where fewer than `STEPS_MIN` have
    a cost. Only the model that made most of them counts: a cheap one beside it is another kind of step.
    """
    priced = [(call, spend) for call, spend in zip(calls, spends, strict=True) if _is_step(call, spend)]
    if not priced:
        return None
    ((model, _),) = Counter(call.reply.model for call, _ in priced).most_common(1)
    steps = [pair for pair in priced if pair[0].reply.model == model]
    if len(steps) < STEPS_MIN:
        return None
    costs = [spend.nanousd or 0 for _, spend in steps]
    early = round(median(costs[:ENDS]))
    sent = sum(call.usage.input_tokens for call, _ in steps[-ENDS:])
    cached = sum(call.usage.cache_read for call, _ in steps[-ENDS:])
    return RunGrowth(
        steps=len(steps),
        early=early,
        late=round(median(costs[-ENDS:])),
        whole=sum(costs),
        above=max(0, sum(costs) - early * len(costs)),
        grown=_grown([spend for _, spend in steps]),
        cached=cached / sent if sent else 0.0,
    )


def _is_step(call: Call, spend: CallSpend) -> bool:
    return call.kind is Kind.GENERATION and call.attempt_of is None and (spend.nanousd or 0) > 0


def _grown(steps: Sequence[CallSpend]) -> Grown:
    """What the late steps spend more on than the early ones, the most of it."""
    more: Counter[Grown] = Counter()
    for sign, ends in ((-1, steps[:ENDS]), (1, steps[-ENDS:])):
        for share in (share for step in ends for share in step.shares):
            more[_GROWN.get(share.kind, Grown.OTHER)] += sign * share.nanousd
    return max(more, key=lambda each: (more[each], each), default=Grown.OTHER)
