"""
Connecting to an upstream: names, addresses that are refused, a proxy on the way, TLS.

The address is looked at after the name has been resolved, so that no name can lead to what is refused.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.routes import Upstream

# https://www.rfc-editor.org/rfc/rfc8305#section-8: how long one address is tried before the next joins in.
ATTEMPT_DELAY_S = 0.25
PROXY_HEAD_BYTES_MAX = 16 * 1024

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]
_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer with credentials to whoever asks. 169.254.0.0/16 and fe80::/10 are link-local anyway.
_METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)


class DialError(Exception):
    """
    No connection. The text is for the caller of the API, `code` for programs.

    `is_final`: asking again cannot help, because configuration or network forbid it.
    """

    def __init__(self, code: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A proxy that takes CONNECT. `authorization` is the value of Proxy-Authorization."""

    host: str
    port: int
    authorization: bytes | None


def parse_proxy(url: str) -> HttpProxy:
    """Raises ConfigError for anything but http://[user:password@]host[:port]."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"HTTPS_PROXY: {error}") from error
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError("HTTPS_PROXY: a proxy is http://[user:password@]host[:port]")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return HttpProxy(parts.hostname, port or 80, authorization)


def bypasses_proxy(host: str, port: int, no_proxy: Iterable[str]) -> bool:
    """Whether NO_PROXY speaks of this host: `*`, a name and its subdomains, an address, a network, a port."""
    host = host.lower()
    for entry in no_proxy:
        entry = entry.strip().lower()
        if entry == "*":
            return True
        name, _, entry_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        if entry_port and entry_port != str(port):
            continue
        name = (name or entry).lstrip("*").lstrip(".").strip("[]")
        if name and (host == name or host.endswith(f".{name}") or _is_in_network(host, name)):
            return True
    return False


def make_tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Verifies against the system's authorities and those of the bundle. Raises ConfigError."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=str(ca_bundle))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the CA bundle {ca_bundle} cannot be read: {error}") from error
    return context


class Dialer:
    """Opens connections for one gateway. `own_address` is where it listens itself."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        own_address: tuple[str, int] | None,
        ca_bundle: Path | None,
        proxy: HttpProxy | None,
        no_proxy: Sequence[str],
        timeout_s: float,
    ) -> None:
        """Raises ConfigError if the CA bundle is none."""
        self._loop = loop
        self._own_address = own_address
        self._ca_bundle = ca_bundle
        # To read the system's authorities takes long, so it is done once there is need, off the loop.
        self._tls: asyncio.Future[ssl.SSLContext] | None = None
        if ca_bundle is not None:
            self._tls = loop.create_future()
            self._tls.set_result(make_tls_context(ca_bundle))
        self._proxy = proxy
        self._no_proxy = no_proxy
        self._timeout_s = timeout_s

    async def dial(self, upstream: Upstream, protocol: asyncio.Protocol) -> None:
        """Connect the protocol. Raises DialError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._dial(upstream, protocol)
        except TimeoutError as error:
            message = f"{upstream.host} did not accept a connection within {self._timeout_s:g} s."
            raise DialError("upstream_timeout", message) from error
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message or "certificate not trusted"
            message = f"The certificate of {upstream.host} was not accepted: {reason}."
            raise DialError("upstream_tls", message) from error
        except ssl.SSLError as error:
            raise DialError(
                "upstream_tls", f"No TLS connection to {upstream.host}: {error.reason or 'failed'}."
            ) from error
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
            raise DialError(
                "upstream_unreachable", f"No connection to {upstream.authority}: {reason}."
            ) from error

    async def dial_socket(self, path: Path, protocol: asyncio.Protocol) -> None:
        """Connect the protocol to a Unix socket. Raises OSError, TimeoutError among them."""
        async with asyncio.timeout(self._timeout_s):
            await self._loop.create_unix_connection(lambda: protocol, str(path))

    async def _dial(self, upstream: Upstream, protocol: asyncio.Protocol) -> None:
        host, port = upstream.host, upstream.port
        if upstream.is_tls and self._proxy and not bypasses_proxy(host, port, self._no_proxy):
            if (literal := _ip_address(host)) is not None:
                self._refuse_address(literal, port)
            connection = await self._connect_through(self._proxy, host, port)
        else:
            connection = await self._connect(host, port)
        try:
            await self._loop.create_connection(
                lambda: protocol,
                sock=connection,
                ssl=await self._tls_context() if upstream.is_tls else None,
                server_hostname=host if upstream.is_tls else None,
            )
        except BaseException:
            connection.close()
            raise

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._loop.run_in_executor(None, make_tls_context, self._ca_bundle)
        return await asyncio.shield(self._tls)

    async def _connect(self, host: str, port: int, *, is_proxy: bool = False) -> socket.socket:
        addresses = await self._resolve(host, port)
        if not is_proxy:
            for _, address in addresses:
                self._refuse_address(ipaddress.ip_address(str(address[0]).partition("%")[0]), port)
        return await self._race(addresses)

    async def _resolve(self, host: str, port: int) -> list[_Address]:
        literal = _ip_address(host)
        if literal is not None:
            family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
            return [(family, (str(literal), port))]
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise DialError("upstream_dns", f"The name {host} was not found.") from error
        return [(socket.AddressFamily(family), address) for family, _, _, _, address in found]

    def _refuse_address(self, address: _IpAddress, port: int) -> None:
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_link_local or plain.is_multicast or plain in _METADATA:
            raise DialError(
                "upstream_forbidden",
                "The upstream's address is link-local or a metadata service.",
                is_final=True,
            )
        if self._own_address is not None and port == self._own_address[1]:
            own = _ip_address(self._own_address[0])
            is_wide = own is None or own.is_unspecified
            if plain == own or plain.is_unspecified or (is_wide and _is_this_machine(plain)):
                raise DialError(
                    "upstream_is_ourselves",
                    "The upstream is arc-proxy itself. Move it with --upstream NAME=URL.",
                    is_final=True,
                )

    async def _race(self, addresses: Sequence[_Address]) -> socket.socket:
        """The first address that answers; each has a head start over the next."""
        attempts: set[asyncio.Task[socket.socket]] = set()
        waiting = list(addresses)
        failure: OSError = OSError("no address")
        try:
            while waiting or attempts:
                if waiting:
                    attempts.add(self._loop.create_task(self._attempt(*waiting.pop(0))))
                done, attempts = await asyncio.wait(
                    attempts,
                    timeout=ATTEMPT_DELAY_S if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in done:
                    error = attempt.exception()
                    if error is None:
                        return attempt.result()
                    failure = error if isinstance(error, OSError) else OSError(str(error))
        finally:
            for attempt in attempts:
                attempt.add_done_callback(_close_late)
                attempt.cancel()
        raise failure

    async def _attempt(self, family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await self._loop.sock_connect(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _connect_through(self, proxy: HttpProxy, host: str, port: int) -> socket.socket:
        """A tunnel, by CONNECT (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)."""
        connection = await self._connect(proxy.host, proxy.port, is_proxy=True)
        try:
            shown = f"[{host}]" if ":" in host else host
            request = f"CONNECT {shown}:{port} HTTP/1.1\r\nHost: {shown}:{port}\r\n".encode()
            if proxy.authorization is not None:
                request += b"Proxy-Authorization: " + proxy.authorization + b"\r\n"
            await self._loop.sock_sendall(connection, request + b"\r\n")
            status = await self._read_proxy_status(connection)
        except BaseException:
            connection.close()
            raise
        if not 200 <= status < 300:
            connection.close()
            raise DialError(
                "proxy_refused", f"The proxy {proxy.host}:{proxy.port} answered {status} for {host}:{port}."
            )
        return connection

    async def _read_proxy_status(self, connection: socket.socket) -> int:
        """Reads byte by byte: what follows the head belongs to TLS, and the proxy answers once."""
        head = b""
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            byte = await self._loop.sock_recv(connection, 1)
            head += byte
            if not byte or len(head) > PROXY_HEAD_BYTES_MAX:
                raise DialError("proxy_refused", "The proxy's answer to CONNECT is no HTTP response.")
        words = head.split(b" ", 2)
        if not head.startswith(b"HTTP/1.") or len(words) < 2 or not words[1][:3].isdigit():
            raise DialError("proxy_refused", "The proxy's answer to CONNECT is no HTTP response.")
        return int(words[1][:3])


def _close_late(attempt: asyncio.Task[socket.socket]) -> None:
    """Of a race that another won."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _ip_address(host: str) -> _IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_in_network(host: str, network: str) -> bool:
    address = _ip_address(host)
    if address is None or "/" not in network:
        return False
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _is_this_machine(address: _IpAddress) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return address.is_loopback or can_be_bound(family, str(address))


def can_be_bound(family: int, host: str) -> bool:
    """Whether an address is one of this machine's: a socket can be bound to those only."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
