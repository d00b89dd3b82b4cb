"""
One gateway worker: what all its connections share, and its life from the socket to the last byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cut import Fingerprints, load_secret_key
from arc_proxy.errors import ConfigError
from arc_proxy.foreign import capture_asked
from arc_proxy.gateway.aws_credentials import AwsCredentials
from arc_proxy.gateway.client import ClientConnection
from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.gateway.decide import Desk, lowered
from arc_proxy.gateway.dial import Dialer, DialError, parse_proxy
from arc_proxy.gateway.forward import Exchange
from arc_proxy.gateway.headers import read_request_fields
from arc_proxy.gateway.include_usage import may_ask
from arc_proxy.gateway.judge import Judge
from arc_proxy.gateway.mistake import report_mistake
from arc_proxy.gateway.outbox import Outbox
from arc_proxy.gateway.parsed import ParsedHead
from arc_proxy.gateway.recording import Recording, RecordingCounts
from arc_proxy.gateway.repeat import Asked
from arc_proxy.gateway.upstream import UpstreamConnection
from arc_proxy.journal.segment import writer_name
from arc_proxy.journal.standing import write_standing
from arc_proxy.journal.tape import Tape

log = logging.getLogger("arc_proxy.gateway")

# How often to look for connections on which nothing moves, as a part of how long that is allowed.
SWEEPS_PER_TIMEOUT = 8
BACKLOG = 4096
STANDING_EVERY_S = 2.0


@dataclass(slots=True)
class GatewayCounts:
    """Of one worker, since it began."""

    connections: int = 0
    calls: int = 0
    refused: int = 0
    malformed_names: int = 0


class Gateway:
    """What the connections of one worker share. Belongs to one event loop."""

    def __init__(
        self,
        config: GatewayConfig,
        loop: asyncio.AbstractEventLoop,
        *,
        own_address: tuple[str, int] | None,
    ) -> None:
        """Raises ConfigError."""
        self.config = config
        self.loop = loop
        self.desk = Desk(config)
        self.dialer = Dialer(
            loop,
            own_address=own_address,
            ca_bundle=config.ca_bundle,
            proxy=parse_proxy(config.https_proxy) if config.https_proxy else None,
            no_proxy=config.no_proxy,
            timeout_s=config.connect_timeout_s,
        )
        self.secret_key = _secret_key(config)
        self.fingerprints = Fingerprints(self.secret_key)
        self.credentials = AwsCredentials(loop, loop.time) if config.bedrock else None
        self.judge = None if config.guard_socket is None else Judge(loop, config.guard_socket)
        self.tape = Tape(config.journal_dir)
        self.outbox = Outbox(loop, self.tape)
        self.counts = GatewayCounts()
        self.recording_counts = RecordingCounts()
        self.clients: set[ClientConnection] = set()
        self.alone: set[Exchange] = set()  # whose client has left
        self.unasked: set[str] = set()  # origins that are not asked for usage, as they refused it
        self.is_draining = False
        self._is_quiet = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        self._standing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sweep_later()
        if self.credentials is not None:
            self.credentials.look()
        if self.config.console_socket is not None:
            folder = Path(self.config.console_socket).parent
            self._standing = self.loop.create_task(self._keep_standing(folder))

    def _sweep_later(self) -> None:
        self._sweep = self.loop.call_later(self.config.idle_timeout_s / SWEEPS_PER_TIMEOUT, self._look_around)

    async def _keep_standing(self, folder: Path) -> None:
        """Write down what was lost where a report finds it while the journal cannot be written."""
        writer, written = writer_name(self.tape.writer_id), dict[str, int]()
        while True:
            await asyncio.sleep(STANDING_EVERY_S)
            counts = {name: count for name, count in self.tape.counts().items() if name != "is_secure"}
            counts["unjudged_calls"] = self.unjudged_calls
            if any(counts.values()) and counts != written:
                try:
                    await self.loop.run_in_executor(None, write_standing, folder, writer, counts)
                except OSError as error:
                    log.warning("gateway.counts_not_written reason=%s", error.strerror)
                written = counts

    def accept(self) -> ClientConnection:
        return ClientConnection(self)

    def next_connection(self) -> int:
        self.counts.connections += 1
        return self.counts.connections

    def client_gone(self, client: ClientConnection) -> None:
        self.clients.discard(client)
        self.note_end()

    def note_end(self) -> None:
        """A connection or an exchange is over: perhaps it was the last."""
        if self.is_draining and not self.clients and not self.alone:
            self._is_quiet.set()

    def ask(self, message: ParsedHead) -> Asked:
        """What a request's head asks for."""
        decision = self.desk.decide(message)
        if decision.route is None:
            host, may_be_gateway = message.headers.get("Host", "").encode(errors="surrogateescape"), True
        else:
            upstream = decision.route.upstream
            host, may_be_gateway = upstream.host_field, upstream.may_be_gateway
        fields = read_request_fields(
            message.raw_headers,
            host,
            self.fingerprints,
            may_be_gateway=may_be_gateway,
            switches=decision.switches,
        )
        return Asked(message, decision, fields)

    def may_ask_usage(self, asked: Asked) -> bool:
        """Whether a request may be made to ask for its usage: configured, of its form, and never refused."""
        if not self.config.include_usage:
            return False
        message, route = asked.message, asked.decision.route
        return (
            route is not None
            and asked.decision.refusal is None
            and route.upstream.origin not in self.unasked
            and may_ask(message.method, route.path, asked.fields.content_type, message.raw_headers)
        )

    def record(self, asked: Asked, connection: int) -> Recording | None:
        """The recording of a call, begun; None for what is no call."""
        message, decision, fields = asked.message, asked.decision, asked.fields
        if not decision.is_call:
            return None
        self.counts.calls += 1
        self.counts.malformed_names += decision.malformed
        if decision.refusal is not None:
            self.counts.refused += 1
        less = capture_asked(fields.asks) if fields.asks else None
        recording = Recording(
            self.tape,
            self.fingerprints,
            self.recording_counts,
            capture=decision.capture if less is None else lowered(decision.capture, less),
            body_bytes_max=self.config.capture_body_bytes_max,
        )
        route = decision.route
        recording.request_head(
            None if route is None else route.upstream.name,
            None if route is None or decision.refusal is not None else route.url,
            connection,
            message.method,
            message.path,
            b"HTTP/%d.%d" % message.version,
            fields,
        )
        self.outbox.nudge()
        return recording

    async def dial_console(self, connection: UpstreamConnection) -> None:
        """Raises DialError while the console is not there."""
        if self.config.console_socket is None:
            raise DialError("console_down", "There is no console.")
        try:
            await self.dialer.dial_socket(self.config.console_socket, connection)
        except OSError as error:
            raise DialError("console_down", "The console is not running.") from error

    def health(self) -> dict[str, Any]:
        return {
            "status": "draining" if self.is_draining else "ok",
            "version": self.config.version,
            "pid": os.getpid(),
            "worker": self.config.worker,
            "data_dir": self.config.data_dir_id,
            "counts": {
                **self.tape.counts(),
                "connections": self.counts.connections,
                "calls": self.counts.calls,
                "refused": self.counts.refused,
                "malformed_names": self.counts.malformed_names,
                "broken_recordings": self.recording_counts.broken_recordings,
                "judged_calls": 0 if self.judge is None else self.judge.judged,
                "unjudged_calls": self.unjudged_calls,
            },
        }

    @property
    def unjudged_calls(self) -> int:
        """Calls that went on without the verdict that they had waited for."""
        return 0 if self.judge is None else self.judge.unjudged

    async def drain(self) -> None:
        """Let what is open come to its end, for as long as configured; then cut it off."""
        self.is_draining = True
        for client in list(self.clients):
            client.close_idle()
        self.note_end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_s):
                await self._is_quiet.wait()
        for exchange in [client.exchange for client in self.clients if client.exchange] + list(self.alone):
            exchange.cut_off()
        for client in list(self.clients):
            client.abort()

    async def close(self) -> None:
        """Write down what is known."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._standing is not None:
            self._standing.cancel()
        if self.judge is not None:
            self.judge.close()
        if self.credentials is not None:
            self.credentials.close()
        self.outbox.close()
        await self.loop.run_in_executor(None, self.tape.close)

    def _look_around(self) -> None:
        """End what has not moved for too long."""
        self._sweep_later()
        longest = self.config.idle_timeout_s
        before = self.loop.time() - longest
        for exchange in [client.exchange for client in self.clients if client.exchange] + list(self.alone):
            if exchange.touched < before:
                exchange.silent_for(longest)
        for client in list(self.clients):
            if client.touched < before:
                client.close_idle()


async def serve_gateway(config: GatewayConfig, sock: socket.socket, *, stop: asyncio.Event) -> None:
    """
    Serve on a bound socket until `stop` is set and what is open has drained.

    Raises ConfigError before anything is accepted.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(report_mistake)
    name = sock.getsockname()
    gateway = Gateway(config, loop, own_address=(name[0], name[1]) if isinstance(name, tuple) else None)
    server = await loop.create_server(gateway.accept, sock=sock, backlog=BACKLOG)
    gateway.start()
    log.info("gateway.ready worker=%d pid=%d", config.worker, os.getpid())
    try:
        await stop.wait()
        began = time.monotonic()
        server.close()
        await gateway.drain()
        log.info("gateway.drained worker=%d seconds=%.1f", config.worker, time.monotonic() - began)
    finally:
        server.close()
        await gateway.close()


def _secret_key(config: GatewayConfig) -> bytes:
    try:
        return load_secret_key(config.secret_key_file)
    except OSError as error:
        # Fingerprints then hold for this process only; nothing else depends on the file.
        log.warning("gateway.no_secret_key reason=%s", error.strerror or type(error).__name__)
        return os.urandom(32)
    except ValueError as error:
        raise ConfigError(str(error)) from error
