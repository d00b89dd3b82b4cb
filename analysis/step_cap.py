"""
Runs that a cap on steps ended: the agent says so to the model, or its runs show it. Pure.

A cap shows in runs that stop at the same number of calls, each in the middle of its work, while no run since
the first of them took more. Tasks of equal length end too, but with an answer, or with a tool that they call
once and last. Frameworks that ask for a last answer at their cap say so in words of their own: CrewAI's
`force_final_answer` (https://github.com/crewAIInc/crewAI), smolagents' `final_answer`
(https://github.com/huggingface/smolagents) and OpenCode's `max-steps.txt` (https://github.com/sst/opencode).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from analysis.earlier import EarlierRun, EarlierRuns, steps_of
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.request import opening, read_object, texts_of
from arc_proxy.call import Call

STEPS_MIN = 4  # shorter runs are as long as their tasks
TIMES_MIN = 3
_DECLARED = re.compile(
    r"\s*(?:now it's time you must give your absolute best final answer"
    r"|an agent tried to answer an? user query but it got stuck and failed to do so\. you are tasked with"
    r"|critical - maximum steps reached)",
    re.I,
)


def capped_by_count(generations: Sequence[Call], earlier_runs: EarlierRuns) -> Failure | None:
    """Of a run that is over, and whose last answer asks for a tool that ends nothing."""
    steps, last = steps_of(generations), generations[-1]
    if steps < STEPS_MIN:
        return None
    asked = tuple(call.name for call in last.reply.tool_calls)
    stopped = [asked, *_stopped_before(steps, earlier_runs())]
    used = {made.name for call in generations[:-1] for made in call.reply.tool_calls}
    # A tool that each run calls once and last is how its work ends.
    is_amid = len(set(stopped)) > 1 or bool(used.intersection(asked))
    if len(stopped) < TIMES_MIN or not is_amid:
        return None
    tools, times = ", ".join(asked), len(stopped)
    said = f"{steps} calls, the last one asking for {tools}: {times} runs stopped so, and none took more"
    return Failure(
        FailureCode.STEP_CAP,
        said[:EVIDENCE_CHARACTERS_MAX],
        "reply.tool_calls",
        call_id=last.call_id,
        subject=f"{steps} calls",
        times=times,
    )


def _stopped_before(steps: int, earlier: Iterable[EarlierRun]) -> list[tuple[str, ...]]:
    """What runs asked for that stopped there since one took more; [] if as many stopped elsewhere."""
    here: list[tuple[str, ...]] = []
    elsewhere = 0
    for run in earlier:
        if run.steps > steps:
            break
        if run.has_no_end and run.steps == steps:
            here.append(run.asks)
        elif run.has_no_end:
            elsewhere += 1
    return here if len(here) > elsewhere else []


def capped_by_word(generations: Sequence[Call]) -> Failure | None:
    """Of a run whose last request tells the model that there are no more steps."""
    last = generations[-1]
    # At the end of the conversation, or as a system prompt of its own.
    messages = last.prompt.messages
    telling = map(read_object, (*messages[: opening(last.prompt)], *messages[-1:]))
    said = next((text for message in telling for text in texts_of(message) if _DECLARED.match(text)), None)
    if said is None:
        return None
    steps = steps_of(generations)
    return Failure(
        FailureCode.STEP_CAP,
        f"after {steps} calls the agent asks for a last answer: {' '.join(said.split())}"[
            :EVIDENCE_CHARACTERS_MAX
        ],
        "messages",
        call_id=last.call_id,
        subject=f"{steps} calls",
        is_recovered=bool(last.reply.output_text),
    )
