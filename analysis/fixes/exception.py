"""
Fixes of exceptions that came out of an agent, as the tracer saw them. Pure.

Sources: https://docs.python.org/3/library/exceptions.html,
https://docs.langchain.com/oss/python/langgraph/errors/GRAPH_RECURSION_LIMIT,
https://openai.github.io/openai-agents-python/running_agents/#exceptions,
https://ai.pydantic.dev/api/exceptions/
"""

from __future__ import annotations

import re

from analysis.fixes.causes import UNKNOWN, cause_of
from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.idiom import idiom_of, language_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import name, plain
from analysis.fixes.settings import steps_line

_STEPS = 50
_CAPS = re.compile(r"GraphRecursionError|MaxTurnsExceeded|UsageLimitExceeded|max_?iterations", re.I)
_BEHAVIOUR = re.compile(r"UnexpectedModelBehavior|ModelBehaviorError|OutputParser|NoObjectGenerated", re.I)
_SDK = re.compile(
    r"\b(?:RateLimit|APIConnection|APITimeout|APIStatus|InternalServer|Overloaded|Authentication|BadRequest)"
    r"Error",
    re.I,
)


def raised(observed: Observed) -> Remedy:
    kind = _kind(observed)
    place = _place(observed)
    at = f" at {place}" if place else ""
    why, advice = _reason(observed)
    return Remedy(
        title=f"{kind} ends the run{at}",
        what=f"The agent raised {kind}{at} {observed.times}{observed.saying}.",
        why=why,
        advice=advice,
        guard=_change(observed, kind, place),
        check=f"no {kind}{at} in the next {watched_runs(observed)} runs",
    )


def _kind(observed: Observed) -> str:
    found = re.match(r"\s*([A-Za-z_][\w.]{1,80})", observed.seen)
    return found[1] if found else "an exception"


def _place(observed: Observed) -> str:
    return name(observed.subject) or name(observed.fact("traceback"))


def _reason(observed: Observed) -> tuple[str, str]:
    if _CAPS.search(observed.seen):
        return (
            (
                "The framework's cap on steps was reached before the agent was done: a long task, or a loop. "
                "Look in the run's timeline whether its last steps repeat."
            ),
            "If they do not repeat, raise the cap; if they do, refuse repeated calls.",
        )
    if _BEHAVIOUR.search(observed.seen):
        return (
            (
                "The model answered in a form that the framework cannot use: a wrong tool name, wrong "
                "arguments or no valid output, more often than it is allowed to retry."
            ),
            "Allow one more retry, and look at the run's last answer for what did not fit.",
        )
    if _SDK.search(observed.seen):
        return (
            (
                "An error of the provider went up through the agent. The call that it is about shows the "
                "answer, and an issue of its own says what to do about that."
            ),
            "Catch it where a run begins, and end the run with what it has.",
        )
    cause = cause_of(observed)
    if cause is UNKNOWN:
        return (
            "The agent's own code raised it, and nothing above caught it, so that the run was lost.",
            "Reproduce it with the input of one of these runs, and handle it where it is raised.",
        )
    text = cause.filled(cause.why).replace("the tool", "the code")
    return f"{text[:1].upper()}{text[1:]}.", cause.advice


def _change(observed: Observed, kind: str, place: str) -> Snippet:
    if _CAPS.search(observed.seen):
        return steps_line(observed, max(2 * (observed.number("steps") or 0), _STEPS))
    where = plain(place, 120) or "where a run begins"
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            f"""\
// {where}
try {{
  return await run(input);
}} catch (error) {{
  console.error("run lost", error); // with its stack
  return {{ error: String(error) }};
}}""",
            "typescript",
        )
    key = re.search(r"KeyError:? ?\(?['\"]([^'\"]{1,80})['\"]", observed.seen)
    if key:
        return Snippet(_keyed(where, plain(key[1], 80)))
    caught = (
        kind if re.fullmatch(r"(?:[A-Z]\w+)?(?:Error|Exception)", kind) and kind in _BUILT_IN else "Exception"
    )
    return Snippet(
        f"""\
# {where}
import logging


def run_or_tell(run, *args, **kwargs):
    try:
        return run(*args, **kwargs)
    except {caught}:
        logging.exception("run lost")  # with its traceback and, by `extra`, the run's input
        return "The task failed; it can be tried again.\""""
    )


def _keyed(where: str, key: str) -> str:
    return f"""\
# {where}
KEY = {key!r}

if KEY not in record:
    raise ValueError(f"no {{KEY}}; there are: {{', '.join(map(str, record))}}")
value = record[KEY]"""


_BUILT_IN = frozenset(
    {"ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "RuntimeError", "TimeoutError"}
    | {
        "ConnectionError",
        "FileNotFoundError",
        "PermissionError",
        "ZeroDivisionError",
        "OSError",
        "LookupError",
    }
)
