"""
Credentials that stand in a field of a body, cut before the body is stored anywhere but the journal. No I/O.

Anthropic's `mcp_servers` carry an `authorization_token`, OpenAI's MCP tools an `authorization` or `headers`,
Azure's data sources a search key, LiteLLM and OpenRouter an `api_key`, sign-in endpoints OAuth tokens. Only
fields so named are cut: what stands inside a text is masked on request, by pattern, elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

from arc_proxy.errors import WireError
from arc_proxy.wire.document import JsonObject

CUT = "cut"

_FIELDS = frozenset(
    {
        "authorization",
        "authorization_token",
        "proxy-authorization",
        "cookie",
        "api_key",
        "api-key",
        "apikey",
        "x-api-key",
        "x-goog-api-key",
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "connection_string",
    }
)
# As people write them: "authorization", "Authorization", "API_KEY", "apiKey".
_SPELLINGS = frozenset(
    spelling.encode()
    for field in _FIELDS
    for spelling in (field, field.upper(), field.title(), field.capitalize())
) | {b"apiKey"}
# The names of all fields that hold a text and are about as long as one of ours: quicker than to look for
# each of ours in either case.
_NAMES = re.compile(rb'"([A-Za-z_-]{6,20})"\s*:\s*"')
_KEY_TYPE = b'"api_key"'  # also as a value: {"type": "api_key", "key": "..."}, Azure's data sources


def may_hold_credentials(raw: bytes) -> bool:
    """Whether a document needs to be searched; nearly none does, and that is found out in microseconds."""
    return _KEY_TYPE in raw or not _SPELLINGS.isdisjoint(_NAMES.findall(raw))


def cut_credentials(body: JsonObject) -> JsonObject:
    """
    The same document with the value of each credential field replaced.

    Raises WireError for one nested too deep to be searched.
    """
    try:
        return {field: _cut_field(field, item) for field, item in body.items()}
    except RecursionError:
        raise WireError("nested too deep to be searched for credentials") from None


def _cut_field(field: str, value: Any) -> Any:
    if isinstance(value, str):
        return CUT if field.lower() in _FIELDS else value
    return _cut(value)


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, dict):
        cut = {field: _cut_field(field, item) for field, item in value.items()}
        if value.get("type") == "api_key" and "key" in value:
            cut["key"] = CUT
        return cut
    return value
