from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.errors import WireError
from arc_proxy.wire.credentials import cut_credentials, may_hold_credentials

KEY = "canary-1234567890"

PLACES: dict[str, dict[str, Any]] = {
    "anthropic's MCP servers": {"mcp_servers": [{"url": "https://mcp.example", "authorization_token": KEY}]},
    "openai's MCP tools": {"tools": [{"type": "mcp", "authorization": KEY}]},
    "and their headers": {
        "tools": [{"type": "mcp", "headers": {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY}}]
    },
    "azure's data sources": {
        "data_sources": [{"parameters": {"authentication": {"type": "api_key", "key": KEY}}}]
    },
    "litellm's body": {"api_key": KEY},
    "an OAuth answer": {"access_token": KEY, "refresh_token": KEY, "id_token": KEY},
    "an OAuth request": {"client_secret": KEY},
    "a field in capitals": {"API_KEY": KEY},
    "a list of keys": {"api_keys": [KEY, KEY]},
    "a session's secret": {"client_secret": {"value": KEY, "expires_at": 1}},
    "any field, if it is a key by its form": {"metadata": {"note": "sk-ant-api03-" + KEY}},
}


@pytest.mark.parametrize("body", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("indent", [None, orjson.OPT_INDENT_2], ids=["compact", "indented"])
def test_cuts_the_key_in(body: dict[str, Any], indent: int | None) -> None:
    raw = orjson.dumps(body, option=indent)
    assert may_hold_credentials(raw)
    cut = orjson.dumps(cut_credentials(body))
    assert KEY.encode() not in cut
    assert b'"cut"' in cut


def test_leaves_the_rest_as_it_is() -> None:
    body = {"model": "m", "mcp_servers": [{"url": "u", "authorization_token": KEY}], "n": [1, {"a": None}]}
    cut = cut_credentials(body)
    assert cut == body | {"mcp_servers": [{"url": "u", "authorization_token": "cut"}]}
    assert body["mcp_servers"] == [{"url": "u", "authorization_token": KEY}]


def test_the_schema_of_a_tool_that_takes_a_token_is_no_credential() -> None:
    schema = {"properties": {"access_token": {"type": "string"}}, "required": ["access_token"]}
    assert not may_hold_credentials(orjson.dumps(schema))
    assert cut_credentials(schema) == schema


def test_a_tower_of_objects_is_a_wire_error() -> None:
    deep = orjson.loads(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    with pytest.raises(WireError):
        cut_credentials(deep)
