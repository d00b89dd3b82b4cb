"""
What the calls around a failure say that its fix may need: limits, arguments, results, headers. Pure.

The names are those of `analysis.fixes.observed`. What was not seen is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from analysis.conversation import conversations
from analysis.failure import Failure, FailureCode
from analysis.grounding import made_up
from analysis.request import offered_tools, output_limit
from analysis.token_growth import growth_told, percentile
from analysis.tool_failure import Used, uses_of
from analysis.tool_result import Verdict
from arc_proxy.call import Call

VALUE_CHARACTERS_MAX = 2_000
_LIMITS = (
    ("x-ratelimit-limit-requests", "requests a minute"),
    ("x-ratelimit-limit-tokens", "tokens a minute"),
    ("anthropic-ratelimit-requests-limit", "requests a minute"),
    ("anthropic-ratelimit-input-tokens-limit", "input tokens a minute"),
)


def facts_of(
    failure: Failure,
    calls: Sequence[Call],
    *,
    whole_outputs: Sequence[int] = (),
    durations_ns: Sequence[int] = (),
    good_steps: Sequence[int] = (),
) -> Mapping[str, str]:
    """
    `calls`: of the run that shows the failure, in order. `whole_outputs`: tokens of answers of the same kind
    that came whole, `durations_ns`: how long those calls took, `good_steps`: of runs that ended with a text.
    """
    call = next((each for each in calls if each.call_id == failure.call_id), None)
    facts = {
        "p99_output_tokens": _top(whole_outputs),
        "p99_duration": _top([duration // 10**9 for duration in durations_ns]),
        "steps": str(len(calls)),
    }
    needs_uses = call is not None or failure.code is FailureCode.TOKEN_GROWTH
    uses = list(uses_of(conversations(calls))) if needs_uses else []
    if call is not None:
        facts |= _of_call(call)
        facts |= _of_tool(failure, uses)
        for made in call.reply.tool_calls:
            if made.id is not None and made.id == failure.tool_call_id:
                facts["arguments"] = made.arguments
    match failure.code:
        case FailureCode.TOOL_ARGS_UNGROUNDED:
            facts |= made_up(failure)
        case FailureCode.TOKEN_GROWTH:
            facts |= growth_told(failure) | {"largest_tool": _largest_tool(uses)}
        case FailureCode.STEP_CAP:
            facts |= {"steps": failure.subject.partition(" ")[0], "p95_good_steps": _top(good_steps, 95)}
    return {name: value[:VALUE_CHARACTERS_MAX] for name, value in facts.items() if value}


def _of_call(call: Call) -> dict[str, str]:
    headers = {name.lower(): value for name, value in call.response_headers}
    limit = output_limit(call.prompt.parameters)
    return {
        "tools": ",".join(offered_tools(call.prompt)),
        "max_tokens": str(limit[1]) if limit else "",
        "prompt_tokens": str(call.usage.input_tokens or ""),
        "host": urlsplit(call.url or "").hostname or "",
        "status": str(call.status or ""),
        "retry_after": headers.get("retry-after", ""),
        "limit": next((f"{headers[name]} {unit}" for name, unit in _LIMITS if name in headers), ""),
    }


def _of_tool(failure: Failure, uses: Iterable[Used]) -> dict[str, str]:
    """Of the use that failed, and of the last one of the same tool that went well."""
    same = [used for used in uses if used.use.name == failure.subject]
    failed = [used for used in same if used.use.call_id and used.use.call_id == failure.tool_call_id]
    failed = failed or [used for used in same if used.message_index == failure.message_index]
    worked = [used for used in same if used.read.verdict is Verdict.ANSWER]
    return {
        "arguments": failed[0].use.arguments if failed else "",
        "result": (failed[0].use.result or "") if failed else "",
        "working_arguments": worked[-1].use.arguments if worked else "",
    }


def _largest_tool(uses: Iterable[Used]) -> str:
    """Whose results are the longest together; "" without any."""
    sizes: Counter[str] = Counter()
    for used in uses:
        sizes[used.use.name] += len(used.use.result or "")
    return max(sizes, key=lambda name: sizes[name], default="")


def _top(numbers: Sequence[int], percent: int = 99) -> str:
    """That percentile; "" without enough to speak of one."""
    return str(percentile(numbers, percent)) if len(numbers) >= 20 else ""
