"""
All that went wrong in a run, each with the call and message that shows it. Pure.

What the wire cannot show is not claimed: a run whose every call went well may have failed all the same, and
says so by its outcome.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.argument_failure import argument_failures
from analysis.call_failure import call_failure
from analysis.conversation import conversations
from analysis.earlier import EarlierRuns, no_earlier_runs
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.grounding import ungrounded_failures
from analysis.hint_failure import hint_failures
from analysis.loop_failure import loop_failures
from analysis.output_failure import output_failures
from analysis.reliability import OUTAGES
from analysis.request import output_limit
from analysis.step_cap import capped_by_count, capped_by_word
from analysis.token_growth import WindowOf, no_window, token_growth
from analysis.tool_failure import tool_failures, uses_of
from analysis.tool_name import may_end
from arc_proxy.call import Call, Kind

_GIVEN_UP = re.compile(
    r"\b(?:(?:I|we) (?:was|were|am|are) (?:not able|unable) to|(?:I|we) (?:could|can)(?:not|n't| not) "
    r"(?:find|locate|determine|complete|access|retrieve|answer|solve)"
    r"|unable to (?:find|determine|complete|answer)|no answer (?:was|could be) found)\b",
    re.I,
)
_GIVEN_UP_CHARACTERS_MAX = 600  # a long answer that also says what was not found has an answer
# Trouble of the provider or the way to it, after which nothing came.
_INFRASTRUCTURE = OUTAGES | {FailureCode.QUOTA_EXHAUSTED, FailureCode.STREAM_ABORTED}
# What happened is said by the code; the words are of the moment.
_CAUSELESS = _INFRASTRUCTURE | {FailureCode.CLIENT_CLOSED, FailureCode.OUTPUT_TRUNCATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception out of the agent, as ArcTracer told it. `frame`: "function (file)", the user's own."""

    type: str
    message: str
    frame: str = ""


def run_failures(
    calls: Sequence[Call],
    *,
    is_over: bool,
    exceptions: Iterable[Raised] = (),
    earlier_runs: EarlierRuns = no_earlier_runs,
    window_of: WindowOf = no_window,
    hints: Collection[FailureCode] = (),
) -> tuple[Failure, ...]:
    """
    `calls`: of one run, whole, in the order in which they began; `is_over`: no more of them is awaited;
    `window_of`: the tokens that the model of a call takes at most, None where that is not known;
    `hints`: those of `HINTS` to look for.

    Ordered by call, those that are about no call last.
    """
    generations = [call for call in calls if call.kind is Kind.GENERATION]
    talks = conversations(generations)
    uses = uses_of(talks)
    of_calls = list(_of_calls(calls))
    told = {failure.call_id for failure in of_calls}  # an answer that was cut is not empty besides
    found = [
        *of_calls,
        *(each for call in generations for each in argument_failures(call)),
        *(each for call in generations if call.call_id not in told for each in output_failures(call)),
        *tool_failures(uses),
        *loop_failures(talks, uses),
        *ungrounded_failures(generations, uses),
        *token_growth(calls, talks, earlier_runs, window_of),
        *hint_failures(hints, generations, talks, uses),
    ]
    raised = [
        Failure(
            FailureCode.EXCEPTION,
            f"{each.type}: {each.message}"[:EVIDENCE_CHARACTERS_MAX],
            "exception",
            subject=each.frame,
            cause=each.type if each.frame else f"{each.type}: {each.message}",
        )
        for each in exceptions
    ]
    if is_over and generations and not raised:
        found += _of_ending(generations, found, earlier_runs)
    found += raised
    places = {call.call_id: place for place, call in enumerate(calls)}
    return tuple(sorted(found, key=lambda failure: places.get(failure.call_id, len(places))))


def _of_calls(calls: Sequence[Call]) -> Iterator[Failure]:
    """Errors, cut streams, limits that were hit; one that a later attempt made good is recovered."""
    made_good = _made_good(calls)
    for call in calls:
        failure = call_failure(
            status=call.status,
            ended=call.ended,
            error=call.reply.error,
            finish_reason=call.reply.finish_reason,
            kind=call.kind,
            detail=call.ended_detail,
        )
        if failure is not None and call.kind is not Kind.AUXILIARY:
            yield replace(
                failure,
                evidence=_evidence(call, failure)[:EVIDENCE_CHARACTERS_MAX],
                call_id=call.call_id,
                subject=_subject(call, failure),
                cause="" if failure.code in _CAUSELESS else failure.evidence,
                is_recovered=call.call_id in made_good,
            )


def _made_good(calls: Iterable[Call]) -> frozenset[str]:
    """Calls that failed, and whose later attempt went well."""
    firsts: dict[str, list[Call]] = {}
    for call in calls:
        firsts.setdefault(call.attempt_of or call.call_id, []).append(call)
    return frozenset(
        attempt.call_id for attempts in firsts.values() if _is_good(attempts[-1]) for attempt in attempts[:-1]
    )


def _is_good(call: Call) -> bool:
    return call.status is not None and call.status < 400 and call.reply.error is None


def _evidence(call: Call, failure: Failure) -> str:
    limit = output_limit(call.prompt.parameters)
    if failure.code is FailureCode.OUTPUT_TRUNCATED and limit is not None:
        return f"{failure.evidence} at {limit[0]}={limit[1]}"
    return failure.evidence


def _subject(call: Call, failure: Failure) -> str:
    """What trouble of a provider is about: who it is. What is about the answer has its limit, or nothing."""
    if failure.code.value.startswith(("provider.", "stream.")):
        return call.provider
    limit = output_limit(call.prompt.parameters)
    if failure.code is FailureCode.OUTPUT_TRUNCATED and limit is not None:
        return f"{limit[0]}={limit[1]}"
    return ""


def _of_ending(
    generations: Sequence[Call], found: Iterable[Failure], earlier_runs: EarlierRuns
) -> Iterator[Failure]:
    last = generations[-1]
    of_last = [failure for failure in found if failure.call_id == last.call_id and not failure.is_recovered]
    broken = next((failure for failure in of_last if failure.code in _INFRASTRUCTURE), None)
    if broken is not None:
        yield Failure(
            FailureCode.INFRA_ABORT,
            broken.evidence,
            broken.field,
            call_id=last.call_id,
            subject=broken.subject,
            follows=broken.code,
        )
    elif last.reply.tool_calls and _is_good(last):
        if not any(may_end(call.name) for call in last.reply.tool_calls):
            yield capped_by_count(generations, earlier_runs) or _no_answer(last)
    elif any(failure.code is FailureCode.CLIENT_CLOSED for failure in of_last):
        yield Failure(
            FailureCode.NO_FINAL_ANSWER,
            "the client left the last answer",
            "ended",
            call_id=last.call_id,
            subject=last.provider,
            follows=FailureCode.CLIENT_CLOSED,
        )
    else:
        capped = capped_by_word(generations)
        if capped is not None:
            yield capped
        yield from _given_up(last)


def _no_answer(last: Call) -> Failure:
    names = [call.name for call in last.reply.tool_calls]
    message = f"the last answer calls {', '.join(names)}, and nothing came after it"
    return Failure(
        FailureCode.NO_FINAL_ANSWER,
        message[:EVIDENCE_CHARACTERS_MAX],
        "reply.tool_calls",
        call_id=last.call_id,
        subject=names[0],
    )


def _given_up(last: Call) -> Iterator[Failure]:
    text = last.reply.output_text or ""
    said = _GIVEN_UP.search(text)
    if said is not None and len(text) <= _GIVEN_UP_CHARACTERS_MAX:
        yield Failure(
            FailureCode.FINAL_GIVEUP,
            text[:EVIDENCE_CHARACTERS_MAX],
            "reply.output_text",
            call_id=last.call_id,
        )
