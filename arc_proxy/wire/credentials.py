"""
Credentials that stand in a field of a body, cut before the body is stored anywhere but the journal. No I/O.

Anthropic's `mcp_servers` carry an `authorization_token`, OpenAI's MCP tools an `authorization` or `headers`,
Azure's data sources a search key, LiteLLM and OpenRouter an `api_key`, sign-in endpoints OAuth tokens. What
is cut is what `arc_proxy.cut` cuts on its way to the journal, which other writers (ArcTracer, the mitmproxy
addon) leave in: what stands inside a text is masked on request, by pattern, elsewhere.
"""

from __future__ import annotations

from typing import Any

from arc_proxy.cut.fields import holds_credentials, is_field, is_group, is_group_field
from arc_proxy.cut.names import KEY, KEY_BYTES_MAX
from arc_proxy.errors import WireError
from arc_proxy.wire.document import JsonObject

CUT = "cut"


def may_hold_credentials(raw: bytes) -> bool:
    """Whether a document needs to be searched; nearly none does, and that is found out in microseconds."""
    return holds_credentials(raw)


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
    name = field.encode(errors="surrogatepass")
    if isinstance(value, str):
        return CUT if is_field(name) or _is_key(value) else value
    if isinstance(value, list) and is_field(name):
        return [CUT if isinstance(item, str) else _cut(item) for item in value]
    if isinstance(value, dict) and is_group(name):
        return {
            key: CUT if _is_secret_member(key, item) else _cut_field(key, item) for key, item in value.items()
        }
    return _cut(value)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return CUT if _is_key(value) else value
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, dict):
        return {field: _cut_field(field, item) for field, item in value.items()}
    return value


def _is_secret_member(field: str, value: Any) -> bool:
    return isinstance(value, str) and is_group_field(field.encode(errors="surrogatepass"))


def _is_key(text: str) -> bool:
    # A prompt need not be encoded to be seen as none.
    return len(text) <= KEY_BYTES_MAX and KEY.fullmatch(text.encode(errors="surrogatepass")) is not None
