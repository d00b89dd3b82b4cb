"""Reaching an upstream: TLS, proxies, and all the ways in which there is no connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.dial import bypasses_proxy, make_tls_context, parse_proxy
from arc_proxy.journal.record import Ended
from tests.fake_provider import FakeProvider
from tests.gateway.harness import Gateway, StartGateway

TLS = Path(__file__).parent / "tls"
AUTHORITY = str(TLS / "authority.pem")


@pytest.fixture
async def tls_provider() -> AsyncIterator[FakeProvider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "localhost.pem")
    async with FakeProvider(tls=context) as running:
        yield running


class ConnectProxy:
    """A proxy that takes CONNECT: what it was asked, and a pipe to that port, or to another."""

    def __init__(
        self,
        answer: bytes = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
        *,
        leads_to: int | None = None,
    ) -> None:
        self.answer = answer
        self.leads_to = leads_to
        self.heads: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ConnectProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        writer.write(self.answer)
        if b" 200 " in self.answer:
            port = self.leads_to or int(head.split()[1].rpartition(b":")[2])
            there = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
            there[1].close()
        writer.close()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def failure(gateway: Gateway, path: str = "/openai/v1/x") -> tuple[int, str, str]:
    """Status, code and message of the answer; the call is recorded with its request."""
    wire = await gateway.connect()
    await wire.send(gateway.request(path, method=b"POST", body=b'{"model":"x"}'))
    head = await wire.until(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    error = json.loads(await wire.exactly(length))["error"]
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.request_body) == (Ended.UPSTREAM_ERROR, b'{"model":"x"}')
    assert call.end.detail == error["message"]
    return int(head.split()[1]), error["code"], error["message"]


async def test_an_upstream_with_tls(start_gateway: StartGateway, tls_provider: FakeProvider) -> None:
    gateway = await start_gateway(
        upstreams={"openai": f"https://localhost:{tls_provider.port}"}, ca_bundle=AUTHORITY
    )
    wire = await gateway.get("/openai/v1/x")
    await wire.until(b"{}")
    assert tls_provider.requests[0].get(b"host") == f"localhost:{tls_provider.port}".encode()


async def test_a_certificate_that_nobody_vouches_for(
    start_gateway: StartGateway, tls_provider: FakeProvider
) -> None:
    gateway = await start_gateway(upstreams={"openai": tls_provider.url})
    status, code, message = await failure(gateway)
    assert (status, code) == (502, "upstream_tls")
    assert "certificate" in message
    assert tls_provider.requests == []


async def test_a_certificate_of_another_name(start_gateway: StartGateway, tls_provider: FakeProvider) -> None:
    async with FakeProvider(tls=tls_provider._tls, host="127.0.0.2") as other:
        gateway = await start_gateway(upstreams={"openai": other.url}, ca_bundle=AUTHORITY)
        assert (await failure(gateway))[:2] == (502, "upstream_tls")


async def test_an_upstream_that_speaks_no_tls(start_gateway: StartGateway) -> None:
    server = await asyncio.start_server(_say_nonsense, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    gateway = await start_gateway(upstreams={"openai": f"https://127.0.0.1:{port}"})
    assert (await failure(gateway))[:2] == (502, "upstream_tls")
    server.close()


async def _say_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_nobody_listens(start_gateway: StartGateway) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gateway = await start_gateway(upstreams={"openai": f"http://127.0.0.1:{unused.getsockname()[1]}"})
        status, code, message = await failure(gateway)
    assert (status, code) == (502, "upstream_unreachable")
    assert "refused" in message


async def test_a_name_that_does_not_exist(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(upstreams={"openai": "http://nosuch.invalid"})
    assert (await failure(gateway))[:2] == (502, "upstream_dns")


async def test_a_handshake_that_takes_too_long(start_gateway: StartGateway) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        gateway = await start_gateway(
            upstreams={"openai": f"https://127.0.0.1:{port}"}, connect_timeout_s=0.2
        )
        assert (await failure(gateway))[:2] == (502, "upstream_timeout")


async def test_a_client_that_leaves_while_we_connect(start_gateway: StartGateway) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        gateway = await start_gateway(upstreams={"openai": f"https://127.0.0.1:{port}"})
        wire = await gateway.get("/openai/v1/x")
        await asyncio.sleep(0.1)
        wire.writer.transport.abort()
        [call] = await gateway.ended()
        assert call.end is not None
        assert call.end.ended is Ended.CLIENT_CLOSED


FORBIDDEN = {
    "metadata": "http://169.254.169.254/latest",
    "link-local": "http://169.254.1.1",
    "link-local, version 6": "http://[fe80::1]",
    "metadata, version 6": "http://[fd00:ec2::254]",
    "metadata in disguise": "http://[::ffff:169.254.169.254]",
    "another cloud's metadata": "http://100.100.100.200",
}


@pytest.mark.parametrize("url", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_addresses_that_are_never_dialled(start_gateway: StartGateway, url: str) -> None:
    gateway = await start_gateway(upstreams={"openai": url})
    assert (await failure(gateway))[:2] == (502, "upstream_forbidden")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_we_do_not_dial_ourselves(start_gateway: StartGateway, host: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gateway = await start_gateway(upstreams={"openai": f"http://{host}:{port}"}, port=port)
    assert (await failure(gateway))[:2] == (502, "upstream_is_ourselves")


async def test_through_a_proxy(start_gateway: StartGateway, tls_provider: FakeProvider) -> None:
    async with ConnectProxy() as proxy:
        gateway = await start_gateway(
            upstreams={"openai": f"https://localhost:{tls_provider.port}"},
            ca_bundle=AUTHORITY,
            https_proxy=f"http://me:pass%20word@127.0.0.1:{proxy.port}",
        )
        wire = await gateway.get("/openai/v1/x")
        await wire.until(b"{}")
        [head] = proxy.heads
        assert head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % tls_provider.port)
        assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:pass word") in head
        assert tls_provider.requests[0].line == b"GET /v1/x HTTP/1.1"


async def test_past_a_proxy(start_gateway: StartGateway, tls_provider: FakeProvider) -> None:
    async with ConnectProxy() as proxy:
        gateway = await start_gateway(
            upstreams={"openai": f"https://localhost:{tls_provider.port}"},
            ca_bundle=AUTHORITY,
            https_proxy=f"http://127.0.0.1:{proxy.port}",
            no_proxy=["localhost"],
        )
        wire = await gateway.get("/openai/v1/x")
        await wire.until(b"{}")
        assert proxy.heads == []


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"nonsense\r\n\r\n"]
)
async def test_a_proxy_that_refuses(start_gateway: StartGateway, answer: bytes) -> None:
    async with ConnectProxy(answer) as proxy:
        gateway = await start_gateway(
            upstreams={"openai": "https://api.example"}, https_proxy=f"http://127.0.0.1:{proxy.port}"
        )
        assert (await failure(gateway))[:2] == (502, "proxy_refused")


BYPASSES = {
    "everything": ("api.example", 443, ["*"], True),
    "the name": ("api.example", 443, ["API.example"], True),
    "a subdomain": ("api.example", 443, [".example"], True),
    "a subdomain without a dot": ("api.example", 443, ["example"], True),
    "a star and a dot": ("api.example", 443, ["*.example"], True),
    "the port": ("api.example", 443, ["api.example:443"], True),
    "another port": ("api.example", 443, ["api.example:8443"], False),
    "the end of a name is no domain": ("api.example", 443, ["xample"], False),
    "an address": ("10.1.2.3", 443, [" 10.1.2.3 "], True),
    "a network": ("10.1.2.3", 443, ["10.0.0.0/8"], True),
    "another network": ("11.1.2.3", 443, ["10.0.0.0/8"], False),
    "version 6": ("::1", 443, ["::1"], True),
    "nothing": ("api.example", 443, ["", "other.example"], False),
}


@pytest.mark.parametrize(("host", "port", "no_proxy", "bypasses"), BYPASSES.values(), ids=BYPASSES)
def test_no_proxy(host: str, port: int, no_proxy: list[str], bypasses: bool) -> None:
    assert bypasses_proxy(host, port, no_proxy) is bypasses


@pytest.mark.parametrize("url", ["https://proxy:1", "socks5://proxy:1", "http://", "http://proxy:99999"])
def test_a_proxy_that_we_cannot_use(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_proxy(url)


def test_a_ca_bundle_that_is_none(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    for content in (None, b"nonsense"):
        if content is not None:
            bundle.write_bytes(content)
        with pytest.raises(ConfigError):
            make_tls_context(bundle)
