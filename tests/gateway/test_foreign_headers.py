"""What other products' headers become on their way up, over real sockets, and in the journal."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.fake_provider import FakeProvider
from tests.foreign_rows import FORWARDED, KEY, ROWS, Row
from tests.gateway.harness import StartGateway

# Servers of models, by our own table, with the ports of this machine that are theirs.
SERVERS = {"sglang": 30000, "lmstudio": 1234, "llamacpp": 8080, "vllm": 8000}
CODING_AGENTS = {
    "x-claude-code-session-id": "s",
    "x-claude-code-agent-id": "a",
    "x-claude-code-parent-agent-id": "p",
    "session-id": "s",
    "thread-id": "s",
    "session_id": "s",
    "conversation_id": "s",
    "x-codex-turn-metadata": '{"session_id":"s"}',
    "x-codex-window-id": "s:0",
    "x-codex-parent-thread-id": "s",
    "x-session-affinity": "ses_1",
    "x-parent-session-id": "ses_1",
    "x-opencode-session": "ses_1",
    "x-opencode-request": "msg_1",
    "X-Hermes-Session-Key": "telegram:42",
    "X-Hermes-Code-Session-Id": "h",
    "x-dynamo-session-id": "d",
    "x-dynamo-parent-session-id": "d",
    "x-dynamo-session-final": "true",
}


async def _listen(ports: dict[str, int]) -> tuple[FakeProvider, str]:
    """A provider at the first of these ports that is free, and its prefix."""
    for name, port in ports.items():
        provider = FakeProvider()
        provider.port = port
        with contextlib.suppress(OSError):
            await provider.start()
            return provider, name
    pytest.skip(f"none of the ports {list(ports.values())} is free")


@pytest.fixture
async def server() -> AsyncIterator[tuple[FakeProvider, str]]:
    """A provider's own host, and its prefix."""
    provider, name = await _listen(SERVERS)
    yield provider, name
    await provider.stop()


async def sent_up(
    start: StartGateway, provider: FakeProvider, prefix: str
) -> dict[str, list[tuple[bytes, bytes]]]:
    """By row, the fields that arrived when its header was sent."""
    gateway = await start()
    wire = await gateway.connect()
    arrived = {}
    for row in ROWS:
        line = f"{row.name}: {row.value}".encode()
        await wire.send(gateway.request(f"/{prefix}/v1/x", line, b"Authorization: Bearer sk-0123456789ab"))
        await wire.until(b"{}")
        arrived[f"{row.name}: {row.value}"] = provider.requests[-1].fields
    return arrived


async def test_a_provider_gets_all_but_what_is_meant_for_a_gateway(
    start_gateway: StartGateway, server: tuple[FakeProvider, str]
) -> None:
    arrived = await sent_up(start_gateway, *server)
    for row in ROWS:
        field = (row.name.encode(), row.value.encode())
        fields = arrived[f"{row.name}: {row.value}"]
        assert (field in fields) is (row.fate is FORWARDED), row
        assert (b"Authorization", b"Bearer sk-0123456789ab") in fields
        assert len(fields) == (3 if row.fate is FORWARDED else 2), row


async def test_an_upstream_of_ones_own_may_be_that_gateway_and_gets_all(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    arrived = await sent_up(start_gateway, provider, "openai")
    for row in ROWS:
        assert (row.name.encode(), row.value.encode()) in arrived[f"{row.name}: {row.value}"]


async def test_a_gateway_by_our_own_table_gets_its_keys(start_gateway: StartGateway) -> None:
    provider, _ = await _listen({"litellm": 4000})
    gateway = await start_gateway()
    wire = await gateway.get("/litellm/v1/x", b"x-litellm-api-key: Bearer sk-0123456789ab")
    await wire.until(b"{}")
    assert provider.requests[0].get(b"x-litellm-api-key") == b"Bearer sk-0123456789ab"
    await provider.stop()


async def test_coding_agents_headers_pass(
    start_gateway: StartGateway, server: tuple[FakeProvider, str]
) -> None:
    provider, prefix = server
    gateway = await start_gateway()
    lines = [f"{name}: {value}".encode() for name, value in CODING_AGENTS.items()]
    wire = await gateway.get(f"/{prefix}/v1/x", *lines)
    await wire.until(b"{}")
    fields = provider.requests[0].fields
    assert [line for line in lines if tuple(line.split(b": ", 1)) not in fields] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.fate is KEY], ids=lambda row: row.name)
async def test_no_gateways_key_reaches_the_journal(
    start_gateway: StartGateway, provider: FakeProvider, row: Row
) -> None:
    gateway = await start_gateway()
    secret = "canary-0123456789abcdef"
    wire = await gateway.get("/openai/v1/x", f"{row.name}: {secret}".encode())
    await wire.until(b"{}")
    (call,) = await gateway.ended()
    value = dict(call.request.headers)[row.name.encode()]
    assert value.startswith(b"cut-")
    assert all(secret.encode() not in record.content for record in gateway.records())


CAPTURES = {
    "nothing is asked": ([], "full", True),
    "the request is not to be kept": ([b"Helicone-Omit-Request: true"], "full", False),
    "a request cannot ask for more": ([b"x-portkey-debug: true"], "metadata", False),
    "nor undo what another field asks": (
        [b"x-bf-disable-content-logging: true", b"x-arc-capture: full"], "full", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "capture", "has_body"), CAPTURES.values(), ids=CAPTURES)
async def test_a_request_may_ask_that_less_is_kept(
    start_gateway: StartGateway, provider: FakeProvider, lines: list[bytes], capture: str, has_body: bool
) -> None:
    gateway = await start_gateway(capture=capture)
    wire = await gateway.connect()
    await wire.send(gateway.request("/openai/v1/x", *lines, method=b"POST", body=b"the prompt"))
    await wire.until(b"{}")
    (call,) = await gateway.ended()
    assert (call.request_body, call.response_body) == ((b"the prompt", b"{}") if has_body else (b"", b""))
    arrived = [b"%b: %b" % field for field in provider.requests[0].fields]
    assert all(line in arrived for line in lines if not line.startswith(b"x-arc-"))


async def test_of_a_call_that_is_not_to_be_logged_no_headers_are_kept(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway()
    wire = await gateway.get("/openai/v1/x", b"cf-aig-collect-log: false", b"X-Title: private")
    await wire.until(b"{}")
    (call,) = await gateway.ended()
    assert call.request.headers == ()
