"""Failed calls, put together by agent and by what went wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.call_failure import call_failure
from analysis.failure import Failure, FailureCode, Severity
from arc_proxy.report.model import FailureReport
from arc_proxy.store.failed import FailedCall

_ORDER = list(Severity)


def group_failures(calls: Iterable[FailedCall]) -> tuple[FailureReport, ...]:
    """`calls`: the latest first. The worst come first, of those alike the most frequent."""
    groups: dict[tuple[str | None, FailureCode], list[tuple[FailedCall, Failure]]] = {}
    for call in calls:
        failure = call_failure(
            status=call.status,
            ended=call.ended,
            error=call.error,
            finish_reason=call.finish_reason,
            kind=call.kind,
        )
        if failure is not None:
            groups.setdefault((call.agent, failure.code), []).append((call, failure))
    found = [
        FailureReport(
            agent=agent,
            failure=each[0][1],
            calls=len(each),
            runs=len({call.run_key for call, _ in each}),
            last_ns=each[0][0].started_ns,
            last_call_id=each[0][0].call_id,
        )
        for (agent, _), each in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.failure.severity), -each.calls)))
