"""What an issue is called: one line that names what it is about and says what happened. Pure."""

from __future__ import annotations

from analysis.failure import SEVERITY, FailureCode, Severity

TITLE_CHARACTERS_MAX = 120
# How much a run that has it is worth beside others, for the order of issues.
_WEIGHT = {Severity.FATAL: 1.0, Severity.ERROR: 0.5, Severity.WARNING: 0.1, Severity.INFO: 0.03}

# {subject} is a tool, a provider, a limit or nothing, {cause} the message without what varies.
_TITLES = {
    FailureCode.AUTH: "{subject} refuses the key: {cause}",
    FailureCode.BAD_REQUEST: "{subject} refuses the request: {cause}",
    FailureCode.CONNECTION: "no connection to {subject}",
    FailureCode.CONTEXT_OVERFLOW: "the prompt is too long for the model: {cause}",
    FailureCode.OVERLOADED: "{subject} is overloaded",
    FailureCode.QUOTA_EXHAUSTED: "the quota at {subject} is used up",
    FailureCode.RATE_LIMITED: "{subject} limits the rate",
    FailureCode.SERVER_ERROR: "{subject} fails by itself",
    FailureCode.TIMEOUT: "{subject} does not answer in time",
    FailureCode.TOOL_PARSER_FAILED: "a tool call that {subject} cannot read: {cause}",
    FailureCode.TOOL_SCHEMA_REJECTED: "{subject} rejects a tool's schema: {cause}",
    FailureCode.OUTPUT_EMPTY: "answers with nothing in them",
    FailureCode.OUTPUT_INVALID_JSON: "answers that are not the JSON asked for: {cause}",
    FailureCode.OUTPUT_REFUSAL: "the model refuses: {cause}",
    FailureCode.OUTPUT_TRUNCATED: "answer cut at {subject}",
    FailureCode.TOOL_CALL_AS_TEXT: "tool calls written as text: {cause}",
    FailureCode.STREAM_ABORTED: "a stream of {subject} breaks off",
    FailureCode.CLIENT_CLOSED: "the client leaves before the answer ends",
    FailureCode.PROXY_REFUSED: "arc-proxy does not forward it: {cause}",
    FailureCode.TOOL_ERROR: "{cause} in {subject}",
    FailureCode.TOOL_EMPTY_RESULT: "{cause} in {subject}",
    FailureCode.TOOL_UNKNOWN_NAME: "calls {subject}, which is no tool of it",
    FailureCode.TOOL_ARGS_INVALID_JSON: "arguments of {subject} are no JSON",
    FailureCode.TOOL_ARGS_MISSING: "{subject} called without what it needs: {cause}",
    FailureCode.TOOL_ARGS_SCHEMA_INVALID: "{subject} called against its schema: {cause}",
    FailureCode.TOOL_ARGS_UNGROUNDED: "{subject} called with a value from nowhere: {cause}",
    FailureCode.REPEATED_CALL: "{subject} called again with the same result",
    FailureCode.REPEATED_TEXT: "says the same again",
    FailureCode.NO_FINAL_ANSWER: "ends without an answer after calling {subject}",
    FailureCode.INFRA_ABORT: "broken off by {subject}: {cause}",
    FailureCode.STEP_CAP: "stops at {subject}",
    FailureCode.TOKEN_GROWTH: "the prompt grows {cause}",
    FailureCode.FINAL_GIVEUP: "gives up",
    FailureCode.EXCEPTION: "{cause} in {subject}",
    FailureCode.REFUSAL_PHRASE: "turns the user down",
    FailureCode.CLAIM_WITHOUT_ACTION: "says that it did what no tool did",
    FailureCode.HANDOFF: "handed over by {subject}",
    FailureCode.FRUSTRATION: "users are annoyed",
}
# Where there is no subject or no cause.
_BARE = {
    FailureCode.OUTPUT_TRUNCATED: "answer cut at its limit",
    FailureCode.NO_FINAL_ANSWER: "ends without an answer",
}


def title(code: FailureCode, subject: str, cause: str) -> str:
    """`Empty DataFrame in calculation`, `answer cut at max_tokens=256`; 120 characters at most."""
    form = _TITLES.get(code, "{cause}")
    if not subject and "{subject}" in form:
        form = _BARE.get(code, form.replace(" in {subject}", "").replace("{subject}", "the provider"))
    if not cause:
        form = form.replace(": {cause}", "")
    said = form.format(subject=subject, cause=cause or str(code))
    return said if len(said) <= TITLE_CHARACTERS_MAX else said[: TITLE_CHARACTERS_MAX - 1] + "…"


def impact(code: FailureCode, runs: int) -> float:
    """What issues are ordered by: how bad it is, times the runs that have it."""
    return _WEIGHT[SEVERITY[code]] * runs
