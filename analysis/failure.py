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
    OUTPUT_REFUSAL = "output.refusal"
    OUTPUT_TRUNCATED = "output.truncated"
    STREAM_ABORTED = "stream.aborted"
    CLIENT_CLOSED = "stream.client_closed"
    PROXY_REFUSED = "proxy.refused"  # arc-proxy itself would not forward it


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
    FailureCode.OUTPUT_REFUSAL: Severity.ERROR,
    FailureCode.OUTPUT_TRUNCATED: Severity.ERROR,
    FailureCode.STREAM_ABORTED: Severity.FATAL,
    FailureCode.CLIENT_CLOSED: Severity.INFO,
    FailureCode.PROXY_REFUSED: Severity.FATAL,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """`evidence` is what was seen, `field` where: "error.message", "finish_reason", "ended", "status"."""

    code: FailureCode
    evidence: str
    field: str

    @property
    def severity(self) -> Severity:
        return SEVERITY[self.code]
