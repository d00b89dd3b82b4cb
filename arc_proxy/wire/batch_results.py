"""
What a fetched document says of a batch: replies, each as the call of its own that it stands for. No I/O.

    OpenAI       GET /v1/files/{id}/content
                 lines of {"custom_id", "response": {"status_code", "body"}}
    Anthropic    GET /v1/messages/batches/{id}/results
                 lines of {"custom_id", "result": {"type", "message"}}
    Gemini       GET /v1beta/batches/{id}
                 {"response": {"inlinedResponses": {"inlinedResponses": [{"metadata", "response"}]}}}
                 GET /download/v1beta/files/{id}:download
                 lines of {"key", "response"}

Of a document that was not kept whole, the lines that are whole count. Sources:
https://platform.openai.com/docs/guides/batch (Mistral's are the same),
https://docs.anthropic.com/en/docs/build-with-claude/batch-processing, https://ai.google.dev/api/batch-api.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

# A batch has 100,000 requests at most; of a longer file the rest is left.
RESULTS_MAX = 100_000

# What a reply calls itself, and the path by which it is read.
_PATHS = {
    "chat.completion": "/v1/chat/completions",
    "response": "/v1/responses",
    "text_completion": "/v1/completions",
    "list": "/v1/embeddings",
    "message": "/v1/messages",
}


class Result(NamedTuple):
    """`path`: where a request for the same reply would have gone."""

    custom_id: str
    path: str
    status: int
    body: bytes


def is_results(method: str, path: str) -> bool:
    """Whether what is fetched there may be results."""
    segments = [segment for segment in path.split("/") if segment]
    if method != "GET" or len(segments) < 2:
        return False
    return (
        (segments[-3:-2] == ["files"] and segments[-1] == "content")
        or (segments[-4:-2] == ["messages", "batches"] and segments[-1] == "results")
        or (segments[-2] == "batches" and segments[-3:-2] == ["v1beta"])
        or (segments[-2] == "files" and segments[-1].endswith(":download"))
    )


def read_results(body: bytes) -> Iterator[Result]:
    """The replies in a document, in its order; none where it is something else."""
    inlined = _inlined(body)
    if inlined is not None:
        yield from inlined
        return
    for line in body.split(b"\n")[:RESULTS_MAX]:
        if b'"custom_id"' not in line and b'"response"' not in line:
            continue
        row = _object(line)  # the last one of a file that was cut is none
        found = None if row is None else _result(row)
        if found is not None:
            yield found


def _object(document: bytes) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _inlined(body: bytes) -> Iterator[Result] | None:
    """The replies that Gemini's batch has in itself; None where the document is no such batch."""
    if b'"inlinedResponses"' not in body:
        return None
    found: Any = _object(body)
    for name in ("response", "inlinedResponses", "inlinedResponses"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        return None
    rows = (row for row in found[:RESULTS_MAX] if isinstance(row, dict))
    return (result for row in rows if (result := _result(row)) is not None)


def _result(row: Mapping[str, Any]) -> Result | None:
    response, result = row.get("response"), row.get("result")
    if isinstance(response, dict) and isinstance(response.get("body"), dict):
        return _named(
            row.get("custom_id"), response["body"], response.get("status_code"), _PATHS["chat.completion"]
        )
    if isinstance(response, dict) and "candidates" in response:
        return _of_gemini(row, response)
    if isinstance(result, dict) and result.get("type") == "succeeded":
        return _named(row.get("custom_id"), result.get("message"), 200, _PATHS["message"])
    if isinstance(result, dict) and result.get("type") == "errored":
        return _named(row.get("custom_id"), result.get("error"), 400, _PATHS["message"])
    return None  # it was never run: expired or cancelled


def _named(custom_id: object, inner: object, status: object, path: str) -> Result | None:
    if not isinstance(inner, dict):
        return None
    kind = str(inner.get("object") or inner.get("type") or "")
    return Result(
        custom_id=str(custom_id or ""),
        path=_PATHS.get(kind, path),
        status=status if isinstance(status, int) else 200,
        body=orjson.dumps(inner),
    )


def _of_gemini(row: Mapping[str, Any], response: Mapping[str, Any]) -> Result:
    metadata = row.get("metadata")
    key = row.get("key") or (metadata.get("key") if isinstance(metadata, dict) else None)
    model = quote(str(response.get("modelVersion") or "unknown").rpartition("/")[2])
    return Result(
        custom_id=str(key or ""),
        path=f"/v1beta/models/{model}:generateContent",
        status=200,
        body=orjson.dumps(response),
    )
