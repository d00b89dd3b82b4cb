"""Fixes of what only hints at trouble: each says that it may be right as it is. Pure."""

from __future__ import annotations

import json

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.observed import Observed
from analysis.fixes.quote import plain

_NO_WORSE = "and reported outcomes do not get worse"


def refusal_phrase(observed: Observed) -> Remedy:
    return Remedy(
        title="Answers say that something cannot be done",
        what=f"An answer turned the user down, {observed.times}{observed.saying}.",
        why="Where a rule forbids it this is the right answer, so that it counts for no score. It is worth a "
        "look where it comes more often than before: a rule in the prompt is read too widely, or a tool that "
        "users expect is missing.",
        advice="Have the answer name the rule and what can be done instead.",
        guard=Snippet(
            """\
Before you say that you cannot do something:
1. Check that no tool of yours does it, in one step or in several.
2. If a rule forbids it, name the rule in half a sentence. If no rule does, try.
3. Say what you can do instead.""",
            "text",
        ),
        check=_fewer(observed, "turn the user down"),
    )


def claim_without_action(observed: Observed) -> Remedy:
    return Remedy(
        title="Answers say that something was done, and no tool did it",
        what=f"An answer tells of a change, {observed.times}{observed.saying}. In the whole run no tool was "
        "called that could have made it.",
        why="Either the model made it up, or it tells of a change that was made elsewhere. A user who is "
        "told so does not ask again.",
        advice="Let the model tell of a change only with the id or the state that a tool's result gave it.",
        guard=Snippet(
            """\
Say that something was done only if a tool's result in this conversation says so, and quote the id or the
state from that result. If you have not called the tool yet, call it now. If no tool can do it, say that it
was not done.""",
            "text",
        ),
        check=_fewer(observed, "tell of a change without a call that made it"),
    )


def handoff(observed: Observed) -> Remedy:
    tool = observed.called("the tool that hands over")
    schema = {
        "name": plain(observed.subject) or "hand_over",
        "parameters": {
            "type": "object",
            "properties": {
                "reason": {
                    "type": "string",
                    "enum": [
                        "the user asked for it",
                        "no tool can do it",
                        "a rule forbids it",
                        "a tool failed",
                    ],
                }
            },
            "required": ["reason"],
        },
    }
    return Remedy(
        title=f"Runs are handed over by {tool}",
        what=f"{tool} was called {observed.times}{observed.saying}.",
        why="To hand over is often right, so that it counts for no score. It is worth a look where it comes "
        "more often than before: each of them is work for somebody else.",
        advice=f"Have {tool} ask for a reason out of a list: the most frequent one is what the agent lacks.",
        guard=Snippet(json.dumps(schema, indent=2).replace("</", "<\\/"), "json"),
        check=_fewer(observed, f"call {tool}"),
    )


def frustration(observed: Observed) -> Remedy:
    return Remedy(
        title="Users are annoyed in the middle of a run",
        what=f"A user's turn sounds annoyed, {observed.times}{observed.saying}.",
        why="It may be about the matter and not about the agent, so that it counts for no score. It is worth "
        "a look where it comes more often than before: read the answer that stands before it.",
        advice="Tell the model what to do then, and report such runs: arc-proxy outcome RUN failure.",
        guard=Snippet(
            """\
If the user is annoyed or says that you are wrong:
1. Say in one sentence what they want, and ask nothing that they have told you already.
2. Do not try the same again. If there is no other way, say so and offer to hand over to a person.""",
            "text",
        ),
        check=_fewer(observed, "have such a turn"),
    )


def _fewer(observed: Observed, what: str) -> str:
    return f"fewer of the next {watched_runs(observed)} runs {what}, {_NO_WORSE}"
