"""
Sending one message to one target. It never raises for what a target does, and is over within `DELIVERY_S`.

A webhook that leads to our own listener is refused: an alert about a call that delivers an alert would never
end. Redirects are not followed, since what a webhook's URL holds is for that server alone. A name is looked
up in a thread that nothing waits for: one of the event loop's own would hold up its end, and the process's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from arc_proxy import __version__
from arc_proxy.alerts.message import Message, slack_payload, variables
from arc_proxy.alerts.targets import Command, Delivered, Target, Webhook
from arc_proxy.errors import ConfigError
from arc_proxy.gateway.dial import bypasses_proxy, can_be_bound, make_tls_context

DELIVERY_S = 10.0
CONNECT_S = 5.0
_REASON_BYTES_MAX = 200  # of an answer: Slack says in a word what is wrong


class _Sockets:
    """One for each address that a name resolved to, before it is connected to, but for our own listener's."""

    def __init__(self, own_port: int | None) -> None:
        self._own_port = own_port
        self.is_own = False

    def __call__(self, address: Any) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = address
        if port == self._own_port and can_be_bound(family, host):
            self.is_own = True
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Each name in a thread of its own, which may outlive the loop that asked."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def tell(addresses: list[ResolveResult], error: Exception | None) -> None:
            if found.done():  # nobody waits for it any more
                return
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)

        def look_up() -> None:
            addresses: list[ResolveResult] = []
            failed: Exception | None = None
            try:
                addresses = _addresses(host, port, family)
            except (OSError, ValueError) as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell, addresses, failed)

        threading.Thread(target=look_up, name="name look-up", daemon=True).start()
        return await found

    async def close(self) -> None:
        pass


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    reachable = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", ~0)  # some BSDs refuse others
    return [
        ResolveResult(
            hostname=host,
            # As a number, with the scope that a link-local one has.
            host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
            port=port,
            family=found,
            proto=protocol,
            flags=numeric,
        )
        for found, _, protocol, _, address in socket.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=reachable
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """
    What deliveries go by: the port of our own listener, None: there is none; the environment of commands,
    beside ARC_ALERT_*; and as the settings have it, how https goes out and whom it trusts.
    """

    own_port: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_bundle: Path | None = None

    def proxy_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.scheme != "https" or bypasses_proxy(parts.hostname or "", parts.port or 443, self.no_proxy):
            return None
        return self.https_proxy


async def deliver(target: Target, message: Message, means: Means) -> Delivered:
    try:
        async with asyncio.timeout(DELIVERY_S):
            if isinstance(target, Command):
                return await _run(target, message, means.environ)
            return await _post(target, message, means)
    except TimeoutError:
        return Delivered(False, f"took longer than {DELIVERY_S:g} s")
    except ConfigError as error:
        return Delivered(False, str(error))


async def _post(target: Webhook, message: Message, means: Means) -> Delivered:
    body = slack_payload(message) if target.is_slack else message
    headers = {
        "content-type": "application/json",
        "user-agent": f"arc-proxy/{__version__}",
        "idempotency-key": message["id"],
    }
    sockets = _Sockets(means.own_port)
    trusted = make_tls_context(means.ca_bundle)
    connector = aiohttp.TCPConnector(
        socket_factory=sockets, force_close=True, ssl=trusted, resolver=_Resolver()
    )
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(
                target.url,
                data=orjson.dumps(body),
                headers=headers | dict(target.headers),
                allow_redirects=False,
                proxy=means.proxy_of(target.url),
            ) as answer,
        ):
            return await _answered(answer)
    except aiohttp.ClientConnectorError as error:
        if sockets.is_own:
            return Delivered(False, "refused: it leads back to this proxy")
        return Delivered(False, f"no connection: {_why(error.os_error)}")
    except aiohttp.ClientHttpProxyError as error:
        return Delivered(False, f"no connection: the proxy answered {error.status}")
    except TimeoutError:
        return Delivered(False, f"no connection within {CONNECT_S:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Delivered(False, f"broke off: {type(error).__name__}")  # its text may quote the URL


def _why(error: OSError) -> str:
    """`Connection refused`, `Name or service not known`: asyncio's own words have the address in them."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    if error.errno is not None and error.errno > 0 and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


async def _answered(answer: aiohttp.ClientResponse) -> Delivered:
    if 200 <= answer.status < 300:
        return Delivered(True, f"answered {answer.status}")
    if 300 <= answer.status < 400:
        return Delivered(False, f"answered {answer.status}: redirects are not followed, give the last URL")
    reason = (await answer.content.read(_REASON_BYTES_MAX)).decode(errors="replace").strip()
    is_word = reason.replace("_", "").isalnum() and len(reason) < 60  # `invalid_payload`, and no page
    return Delivered(False, f"answered {answer.status}" + (f": {reason}" if is_word else ""))


async def _run(target: Command, message: Message, environ: Mapping[str, str]) -> Delivered:
    program = os.path.basename(target.arguments[0])  # noqa: PTH119  a name, which need not be a path
    try:
        process = await asyncio.create_subprocess_exec(
            *target.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**environ, **variables(message)},
            start_new_session=True,
        )
    except OSError as error:
        return Delivered(False, f"{program} cannot be run: {error.strerror}")
    try:
        await process.communicate(orjson.dumps(message))
    finally:
        if process.returncode is None:  # it took too long, or we are stopping: with all that it started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode == 0:
        return Delivered(True, f"{program} ran")
    return Delivered(False, f"{program} ended with exit code {process.returncode}")
