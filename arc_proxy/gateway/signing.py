"""
An exchange with Bedrock that is signed anew with this machine's credentials.

    client's body, all of it -> its hash -> signature -> head, body -> upstream

The signature covers the body and stands in the head, so the head waits for the body. The journal keeps what
the client sent, its own signature cut as all credentials are; ours is in no record. The answer is relayed as
any other.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from arc_proxy.gateway.answer import CONTINUE
from arc_proxy.gateway.aws_credentials import NoCredentials
from arc_proxy.gateway.bedrock import BODY_BYTES_MAX, SERVICE, TOO_LARGE, caller_refusal, no_credentials
from arc_proxy.gateway.forward import Exchange, Payload
from arc_proxy.gateway.repeat import Asked
from arc_proxy.gateway.sigv4 import Credentials, Fields, sign
from arc_proxy.gateway.upstream import UpstreamConnection

if TYPE_CHECKING:
    from arc_proxy.gateway.client import ClientConnection


class SigningExchange(Exchange):
    __slots__ = ("_held", "_held_bytes", "_is_holding", "_sha256")

    def __init__(self, client: ClientConnection, asked: Asked, payload: Payload) -> None:
        super().__init__(client, asked, payload)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_holding = False
        self._sha256 = hashlib.sha256()

    # What the client's side does.

    def begin(self) -> None:
        headers = self._message.headers
        refusal = caller_refusal(self._client.peer, headers, self._gateway.secret_key)
        if refusal is not None:
            self._object(refusal)
            return
        if "Expect" in headers and self._message.version >= (1, 1):
            self._send(CONTINUE)  # who waits for it would wait for us
        self._is_holding = True
        self._hold()

    def client_data(self) -> None:
        if self._is_holding:
            self.touched = self._client.loop.time()
            self._hold()
        else:
            super().client_data()

    def _hold(self) -> None:
        piece, is_whole = self._payload.read_nowait(), self._payload.is_eof()
        self._held_bytes += len(piece)
        if self._held_bytes > BODY_BYTES_MAX:
            self._is_holding = False
            self._held.clear()
            self._object(TOO_LARGE)
            return
        if piece:
            self._held.append(piece)
            self._sha256.update(piece)
            if self._recording is not None:
                self._recording.request_body(piece, False)
                self._gateway.outbox.nudge()
        if is_whole:
            self._is_holding = False
            self._task = self._client.loop.create_task(self._sign_and_reach())

    # Towards the upstream.

    async def _sign_and_reach(self) -> None:
        assert self._gateway.credentials is not None, "only where there are some is anything signed"
        try:
            credentials = await self._gateway.credentials.get()
        except NoCredentials as error:
            self._task = None
            self._object(no_credentials(str(error)))
            return
        self._task = None
        self._sign(credentials)
        super().begin()

    def _sign(self, credentials: Credentials) -> None:
        route, region = self._decision.route, self._decision.sign_for
        assert route is not None
        assert region is not None
        signed = sign(
            self._message.method.encode(),
            route.path.encode(errors="surrogateescape"),
            _read_fields(b"".join(self._fields.sent)),
            self._sha256.hexdigest(),
            credentials,
            region=region,
            service=SERVICE,
            now=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()).encode(),
        )
        self._fields = replace(self._fields, sent=[b"%b: %b\r\n" % pair for pair in signed])
        if self._recording is not None:
            # Amazon quotes what it found in the request where a signature does not fit.
            self._recording.also_cut(
                [each.encode() for each in (credentials.access_key_id, credentials.session_token) if each]
            )

    def _pass_on(self, head: bytes) -> None:
        self._write_whole(b"%b%b" % (head, b"".join(self._held)))

    async def _pass_on_chunks(self, connection: UpstreamConnection) -> None:
        body = b"".join(self._held)
        self._task = None
        self._write_whole(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n")

    def _write_whole(self, data: bytes) -> None:
        assert self._connection is not None
        if self._recording is not None:
            self._recording.request_body(b"", True)
            self._gateway.outbox.nudge()
        self._connection.write(data)
        self._held.clear()
        self._is_sent = True
        self._settle()


def _read_fields(lines: bytes) -> Fields:
    pairs = (line.partition(b":") for line in lines.split(b"\r\n") if line)
    # Its expectation has been met here.
    return [(name, value.strip()) for name, _, value in pairs if name.lower() != b"expect"]
