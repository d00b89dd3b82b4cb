"""
Answers of our own, in the shape in which the asked provider reports errors. No I/O.

An SDK reads the message out of a body that it knows and shows it to its user, who otherwise would see
a bare status.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any


class Shape(StrEnum):
    """How a provider words an error."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock"


# https://platform.claude.com/docs/en/api/errors
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
}
# https://cloud.google.com/apis/design/errors#handling_errors
_GEMINI_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 502: "UNAVAILABLE"}
# The header names the exception, the body has nothing but a message: AWS's restJson1 protocol.
# https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html#API_runtime_InvokeModel_Errors
_BEDROCK_TYPE = b"x-amzn-ErrorType"
_BEDROCK_TYPES = {
    402: b"ServiceQuotaExceededException",
    403: b"AccessDeniedException",
    404: b"ResourceNotFoundException",
    502: b"ServiceUnavailableException",
    503: b"ServiceUnavailableException",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """
    `code` is for programs and never changes its meaning, `message` is for people: what is wrong and
    what to do. Neither holds anything that a request brought but what was checked to be harmless.
    """

    status: int
    code: str
    message: str
    shape: Shape = Shape.OPENAI
    fields: tuple[tuple[bytes, bytes], ...] = ()  # more header fields

    def body(self) -> bytes:
        return json.dumps(self._error(), ensure_ascii=False).encode()

    def head_fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """What of the answer stands in its head."""
        if self.shape is not Shape.BEDROCK:
            return self.fields
        return ((_BEDROCK_TYPE, _BEDROCK_TYPES.get(self.status, b"ValidationException")), *self.fields)

    def reason(self) -> bytes:
        return HTTPStatus(self.status).phrase.encode()

    def _error(self) -> dict[str, Any]:
        match self.shape:
            case Shape.ANTHROPIC:
                kind = _ANTHROPIC_TYPES.get(self.status, "api_error")
                return {
                    "type": "error",
                    "error": {"type": kind, "message": self.message, "code": self.code},
                }
            case Shape.GEMINI:
                status = _GEMINI_STATUSES.get(self.status, "FAILED_PRECONDITION")
                return {
                    "error": {
                        "code": self.status,
                        "message": self.message,
                        "status": status,
                        "details": [{"reason": self.code, "domain": "arc-proxy"}],
                    }
                }
            case Shape.BEDROCK:
                return {"message": self.message}
            case _:
                return {
                    "error": {
                        "message": self.message,
                        "type": "arc_proxy_error",
                        "param": None,
                        "code": self.code,
                    }
                }


# Asking again would change nothing: the setting or the request has to. Both vendors' SDKs heed it.
NO_RETRY = (b"x-should-retry", b"false")
