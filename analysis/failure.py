"""
The noun Failure: one occurrence of something that went wrong, with a stable code and its evidence.

Codes are names that people write into alerts and scripts: append, never rename.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    FATAL = "fatal"  # to the run
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class FailureCode(StrEnum):
    AUTH = "provider.auth"
    BAD_REQUEST = "provider.bad_request"
    CONNECTION = "provider.connection"
    CONTEXT_OVERFLOW = "provider.context_overflow"
    OVERLOADED = "provider.overloaded"
    QUOTA_EXHAUSTED = "provider.quota_exhausted"
    RATE_LIMITED = "provider.rate_limited"
    SERVER_ERROR = "provider.server_error"
    TIMEOUT = "provider.timeout"
    TOOL_PARSER_FAILED = "provider.tool_parser_failed"
    TOOL_SCHEMA_REJECTED = "provider.tool_schema_rejected"
    OUTPUT_EMPTY = "output.empty"
    OUTPUT_INVALID_JSON = "output.invalid_json"
    OUTPUT_REFUSAL = "output.refusal"
    OUTPUT_TRUNCATED = "output.truncated"
    TOOL_CALL_AS_TEXT = "output.tool_call_as_text"
    STREAM_ABORTED = "stream.aborted"
    CLIENT_CLOSED = "stream.client_closed"
    PROXY_REFUSED = "proxy.refused"  # arc-proxy itself would not forward it
    TOOL_ERROR = "tool.error"
    TOOL_EMPTY_RESULT = "tool.empty_result"
    TOOL_ERROR_REPEATED = "tool.error_repeated"
    TOOL_ERROR_CONSECUTIVE = "tool.error_consecutive"
    TOOL_ERROR_UNRECOVERED = "tool.error_unrecovered"
    TOOL_UNKNOWN_NAME = "tool.unknown_name"
    TOOL_ARGS_INVALID_JSON = "tool.args_invalid_json"
    TOOL_ARGS_MISSING = "tool.args_missing"
    TOOL_ARGS_SCHEMA_INVALID = "tool.args_schema_invalid"
    TOOL_ARGS_UNGROUNDED = "tool.args_ungrounded"
    REPEATED_CALL = "loop.repeated_call"
    REPEATED_TEXT = "loop.repeated_text"
    NO_FINAL_ANSWER = "run.no_final_answer"
    INFRA_ABORT = "run.infra_abort"
    STEP_CAP = "run.step_cap"
    TOKEN_GROWTH = "run.token_growth"  # noqa: S105  no secret
    FINAL_GIVEUP = "run.final_giveup"
    EXCEPTION = "agent.exception"  # as ArcTracer saw it
    REFUSAL_PHRASE = "output.refusal_phrase"
    CLAIM_WITHOUT_ACTION = "output.claim_without_action"
    HANDOFF = "run.handoff"
    FRUSTRATION = "user.frustration"


# Looked for where somebody asks for them, and counted by no score, see `analysis.hint_failure`.
HINTS = frozenset(
    {
        FailureCode.REFUSAL_PHRASE,
        FailureCode.CLAIM_WITHOUT_ACTION,
        FailureCode.HANDOFF,
        FailureCode.FRUSTRATION,
    }
)


# Of what was seen; more of it is in the call.
EVIDENCE_CHARACTERS_MAX = 300

SEVERITY = {
    FailureCode.AUTH: Severity.FATAL,
    FailureCode.BAD_REQUEST: Severity.FATAL,
    FailureCode.CONNECTION: Severity.FATAL,
    FailureCode.CONTEXT_OVERFLOW: Severity.FATAL,
    FailureCode.OVERLOADED: Severity.WARNING,
    FailureCode.QUOTA_EXHAUSTED: Severity.FATAL,
    FailureCode.RATE_LIMITED: Severity.WARNING,
    FailureCode.SERVER_ERROR: Severity.WARNING,
    FailureCode.TIMEOUT: Severity.ERROR,
    FailureCode.TOOL_PARSER_FAILED: Severity.ERROR,
    FailureCode.TOOL_SCHEMA_REJECTED: Severity.FATAL,
    FailureCode.OUTPUT_EMPTY: Severity.ERROR,
    FailureCode.OUTPUT_INVALID_JSON: Severity.ERROR,
    FailureCode.OUTPUT_REFUSAL: Severity.ERROR,
    FailureCode.OUTPUT_TRUNCATED: Severity.ERROR,
    FailureCode.TOOL_CALL_AS_TEXT: Severity.FATAL,
    FailureCode.STREAM_ABORTED: Severity.FATAL,
    FailureCode.CLIENT_CLOSED: Severity.INFO,
    FailureCode.PROXY_REFUSED: Severity.FATAL,
    FailureCode.TOOL_ERROR: Severity.WARNING,
    FailureCode.TOOL_EMPTY_RESULT: Severity.INFO,
    FailureCode.TOOL_ERROR_REPEATED: Severity.ERROR,
    FailureCode.TOOL_ERROR_CONSECUTIVE: Severity.ERROR,
    FailureCode.TOOL_ERROR_UNRECOVERED: Severity.ERROR,
    FailureCode.TOOL_UNKNOWN_NAME: Severity.ERROR,
    FailureCode.TOOL_ARGS_INVALID_JSON: Severity.ERROR,
    FailureCode.TOOL_ARGS_MISSING: Severity.ERROR,
    FailureCode.TOOL_ARGS_SCHEMA_INVALID: Severity.WARNING,
    FailureCode.TOOL_ARGS_UNGROUNDED: Severity.WARNING,
    FailureCode.REPEATED_CALL: Severity.WARNING,
    FailureCode.REPEATED_TEXT: Severity.ERROR,
    FailureCode.NO_FINAL_ANSWER: Severity.ERROR,
    FailureCode.INFRA_ABORT: Severity.FATAL,
    FailureCode.STEP_CAP: Severity.ERROR,
    FailureCode.TOKEN_GROWTH: Severity.WARNING,
    FailureCode.FINAL_GIVEUP: Severity.WARNING,
    FailureCode.EXCEPTION: Severity.FATAL,
    FailureCode.REFUSAL_PHRASE: Severity.INFO,
    FailureCode.CLAIM_WITHOUT_ACTION: Severity.WARNING,
    FailureCode.HANDOFF: Severity.INFO,
    FailureCode.FRUSTRATION: Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """
    `evidence` is what was seen, `field` where: "error.message", "finish_reason", "ended", "status" ...

    Of a run's failures: `call_id` is the call that shows it, `message_index` the place in that call's
    request, `subject` what it is about (a tool, a field, a parameter), `cause` the message that issues are
    told apart by, `times` how often it came in a row, `raised` a severity above the code's own.
    """

    code: FailureCode
    evidence: str
    field: str
    call_id: str = ""
    message_index: int | None = None
    tool_call_id: str | None = None
    subject: str = ""
    cause: str = ""
    times: int = 1
    is_recovered: bool = False  # what failed was tried again, and went well
    raised: Severity | None = None
    follows: FailureCode | None = None  # what it is a consequence of: one issue, not two

    @property
    def severity(self) -> Severity:
        return self.raised or SEVERITY[self.code]
