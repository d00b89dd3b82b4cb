"""
When a run has ended. No I/O, and nothing that is kept: a late call reopens a run by being its last one.

    outcome    somebody said how it went, after its last call
    closed     ArcTracer reported its end
    exited     the program that `arc-proxy run` had launched is over
    answered   its last call gave an answer that asks for no tool, or was refused as it would be again, and
               nothing has come for SILENCE_NS
    timeout    nothing has come for TIMEOUT_NS, whatever it was waiting for
"""

from __future__ import annotations

from enum import StrEnum

_MINUTE_NS = 60 * 1_000_000_000
SILENCE_NS = 2 * _MINUTE_NS  # longer than a person takes to say the next thing to an agent that waits for it
TIMEOUT_NS = 30 * _MINUTE_NS  # tools run for minutes; a model's own turn is at most some


# A provider says so of the request itself, so that no later attempt gets another answer.
REFUSED_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422})


class Ending(StrEnum):
    OUTCOME = "outcome"
    CLOSED = "closed"
    EXITED = "exited"
    ANSWERED = "answered"
    TIMEOUT = "timeout"


def how_it_ended(
    *,
    last_ns: int,
    is_final: bool,
    outcome_ns: int | None,
    now_ns: int,
    exited_ns: int | None = None,
    closed_ns: int | None = None,
) -> Ending | None:
    """
    None: the run goes on, as far as can be told.

    `last_ns` is when its last call was heard of last, `is_final` whether that call was answered or refused,
    `outcome_ns` when its outcome was reported, `closed_ns` when its end was, and `exited_ns` when the program
    was over that it ran in.
    """
    how, wait_ns = awaited_end(
        last_ns=last_ns, is_final=is_final, outcome_ns=outcome_ns, exited_ns=exited_ns, closed_ns=closed_ns
    )
    return how if not wait_ns or now_ns - last_ns >= wait_ns else None


def awaited_end(
    *,
    last_ns: int,
    is_final: bool,
    outcome_ns: int | None,
    exited_ns: int | None = None,
    closed_ns: int | None = None,
) -> tuple[Ending, int]:
    """
    How a run ends if nothing more comes of it, and how many nanoseconds after its last call.

    0: it has been said that it is over. What is given is as of `how_it_ended`.
    """
    for how, said_ns in (
        (Ending.OUTCOME, outcome_ns),
        (Ending.CLOSED, closed_ns),
        (Ending.EXITED, exited_ns),
    ):
        if said_ns is not None and said_ns >= last_ns:
            return how, 0
    return (Ending.ANSWERED, SILENCE_NS) if is_final else (Ending.TIMEOUT, TIMEOUT_NS)
