"""
The calls of a run, each with its cost shared: results by how often they were sent, and broken caches. Pure.

What is remembered of a run is bounded, however long it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from analysis.cache_break import CacheWatch
from analysis.call_share import Shares, share
from analysis.parts import Part, PartKind, Placed, cut_reply
from analysis.run_parts import RunParts
from arc_proxy.call import Call
from pricing.cost import CostGrade
from pricing.rate import Rate

RESULTS_MAX = 4096  # of a run that are told apart; all beyond count as sent for the first time

RateOf = Callable[[Call], Rate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """
    What a part of one call came to. `name`: the tool's, or of a broken cache the kind of what changed.

    Of a tool's result also which one: `result` counts the run's results from 1, 0 for all else; `sent` is how
    often it has been sent by now, 1 for the first time.
    """

    kind: PartKind
    name: str
    nanousd: int
    result: int = 0
    call_id: str = ""
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBreak:
    """
    A request whose beginning differs from the last one's, from this message and this part of it on.

    `nanousd`: what reading `tokens` again cost above what the cache would have.
    """

    message_index: int  # in the request's `messages`; -1: beside them, or in what the provider had stored
    kind: PartKind
    name: str
    tokens: int
    nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpend:
    """
    `shares` sum to `nanousd`; there are none where that is None: not known, or paid by a plan.

    `called`: tools that the reply calls, one entry per call, and once in a run those that only a reply which
    nobody saw can have called.
    """

    call_id: str
    nanousd: int | None
    shares: tuple[Share, ...] = ()
    cache_break: CacheBreak | None = None
    called: tuple[str, ...] = ()
    is_plan: bool = False


def share_call(call: Call, rate: Rate | None = None) -> CallSpend:
    """One call by itself: each result counts as sent for the first time."""
    return next(share_run([call], lambda _call: rate))


def share_run(calls: Iterable[Call], rate_of: RateOf | None = None) -> Iterator[CallSpend]:
    """
    `calls` of one run in the order in which they began.

    `rate_of`: the price row of a call's model. With it, a sum that a provider reports is divided by the
    model's own prices, and a cache that a changing prefix never let work is found, too.
    """
    run = _Run()
    for call in calls:
        yield run.spend(call, rate_of(call) if rate_of else None)


class _Run:
    def __init__(self) -> None:
        self._parts = RunParts()
        self._watch = CacheWatch()
        self._results: dict[int, tuple[int, int]] = {}  # by a hash: which result it is, how often it was sent
        self._called: set[str] = set()

    def spend(self, call: Call, rate: Rate | None) -> CallSpend:
        asked = self._parts.place(call)
        written = cut_reply(call.reply)
        called = self._calls(asked, written)
        if call.cost.nanousd == 0:  # refused, or a poll: what it sent was not read
            return CallSpend(call_id=call.call_id, nanousd=0, called=called)
        sent = self._send(asked)
        lost = self._watch.lost(call, asked, rate)
        is_plan = call.cost.grade is CostGrade.API_EQUIVALENT
        if call.cost.nanousd is None or is_plan:
            return CallSpend(call_id=call.call_id, nanousd=None, called=called, is_plan=is_plan)
        shares = share(call.cost, call.usage, asked, written, rate=rate, lost=lost[1] if lost else None)
        broken = _broken(shares, asked[lost[0]]) if lost and shares.broken else None
        return CallSpend(
            call_id=call.call_id,
            nanousd=call.cost.nanousd,
            shares=tuple(_listed(shares, asked, sent, broken)),
            cache_break=broken,
            called=called,
        )

    def _calls(self, asked: Sequence[Placed], written: Sequence[Part]) -> tuple[str, ...]:
        called = [part.name for part in written if part.kind is PartKind.ARGUMENTS]
        quoted = {placed.name for placed in asked if placed.part.kind is PartKind.EARLIER_ARGUMENTS}
        unseen = sorted(quoted - self._called)
        self._called.update(called, unseen)
        return (*called, *unseen)

    def _send(self, asked: Sequence[Placed]) -> dict[int, tuple[int, int]]:
        """By place of a result in the request: which it is, and how often it has been sent."""
        sent: dict[int, tuple[int, int]] = {}
        alike: dict[int, int] = {}  # in this request, where a format has no ids to tell them apart
        for at, (part, name, _) in enumerate(asked):
            if part.kind is PartKind.TOOL_RESULT:
                said = hash((name, part.call_id, part.content))
                alike[said] = alike.get(said, 0) + 1
                sent[at] = self._count(hash((said, alike[said])))
        return sent

    def _count(self, key: int) -> tuple[int, int]:
        which, times = self._results.get(key, (len(self._results) + 1, 0))
        if times or which <= RESULTS_MAX:
            self._results[key] = (which, times + 1)
        return which, times + 1


def _broken(shares: Shares, at: Placed) -> CacheBreak:
    return CacheBreak(
        message_index=at.message_index,
        kind=at.part.kind,
        name=at.name,
        tokens=shares.broken_tokens,
        nanousd=shares.broken,
    )


def _listed(
    shares: Shares, asked: Sequence[Placed], sent: dict[int, tuple[int, int]], broken: CacheBreak | None
) -> Iterator[Share]:
    """Results one by one, all else together by kind and name; what came to nothing is left out."""
    sums = dict(shares.beside)
    for at, nanousd in enumerate(shares.of_input):
        part, name, _ = asked[at]
        if not nanousd:
            continue
        if at in sent:
            which, times = sent[at]
            yield Share(
                kind=part.kind, name=name, nanousd=nanousd, result=which, call_id=part.call_id, sent=times
            )
        else:
            key = (part.kind, name)
            sums[key] = sums.get(key, 0) + nanousd
    if broken is not None:
        sums[PartKind.CACHE_BREAK, broken.kind.value] = broken.nanousd
    for (kind, name), nanousd in sums.items():
        yield Share(kind=kind, name=name, nanousd=nanousd)
