"""Forwarding, byte by byte on both sides of real sockets."""

from __future__ import annotations

from tests.fake_provider import BODY, FakeProvider, reply
from tests.gateway.harness import Gateway


async def test_smoke(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play(BODY, reply(b'{"a":1}'))
    wire = await gateway.connect()
    await wire.send(gateway.request("/openai/v1/x", method=b"POST", body=b"{}"))
    print(await wire.until(b"}"))
    print(provider.requests[0].raw)
    print(await gateway.ended())
