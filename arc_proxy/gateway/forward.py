"""
One request and its response, from the parsed head to the last byte.

    client data   -> records, upstream    as far as the upstream takes it
    upstream data -> records, client      behind the tape's write, see `outbox`

Either side may stop, break or end first; whatever happens, the exchange ends once, with an END record, and
the other side sees what it would have seen without us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import TYPE_CHECKING, Protocol

from aiohttp.streams import StreamReader

from arc_proxy.gateway.answer import (
    CONSOLE_DOWN,
    PROBE,
    WELCOME,
    Answer,
    health_answer,
    refusal_answer,
)
from arc_proxy.gateway.config import OnClientClose
from arc_proxy.gateway.decide import BAD_REQUEST, Action
from arc_proxy.gateway.dial import DialError
from arc_proxy.gateway.framing import (
    Body,
    ChunkedBody,
    ClosingBody,
    FramingError,
    ResponseStart,
    body_of,
    find_head_end,
    has_length,
    parse_start,
    stays_open,
)
from arc_proxy.gateway.headers import response_head
from arc_proxy.gateway.refusal import NO_RETRY, Refusal, Shape
from arc_proxy.gateway.repeat import Asked
from arc_proxy.gateway.upstream import UpstreamConnection
from arc_proxy.journal.record import Ended, id_text
from arc_proxy.verdict import Question

if TYPE_CHECKING:
    from arc_proxy.gateway.client import ClientConnection

# A chunk of a request longer than this is passed on in several.
CHUNK_HELD_MAX = 64 * 1024

_COMPLETE = Ended.COMPLETE
_NOTHING: Set[bytes] = frozenset()
_LENGTH: Set[bytes] = frozenset({b"content-length"})


class Payload(Protocol):
    """The body of a request as it comes."""

    def read_nowait(self) -> bytes: ...
    def is_eof(self) -> bool: ...


class Exchange:
    """`begin` once; then every event of either side, until `is_over`."""

    __slots__ = (
        "_body",
        "_client",
        "_closes",
        "_connection",
        "_decision",
        "_fields",
        "_gateway",
        "_head",
        "_is_alone",
        "_is_answered",
        "_is_sent",
        "_is_upstream_full",
        "_message",
        "_payload",
        "_recording",
        "_room",
        "_task",
        "is_over",
        "touched",
    )

    def __init__(self, client: ClientConnection, asked: Asked, payload: Payload) -> None:
        self.touched = client.loop.time()
        self.is_over = False
        self._client = client
        self._gateway = client.gateway
        self._message = message = asked.message
        self._payload = payload
        self._decision = asked.decision
        self._fields = asked.fields
        self._recording = self._gateway.record(asked, client.number)
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None  # dialing, or passing on chunks
        self._room: asyncio.Future[None] | None = None  # set while a chunk waits for the upstream
        self._head = b""  # the beginning of a response head
        self._body: Body | None = None  # of the response, once its head is there
        self._is_sent = False  # all of the request has gone
        self._is_answered = False  # all of the response has come
        self._is_upstream_full = False
        self._is_alone = False  # the client has left, the upstream is read to its end
        self._closes = bool(message.should_close)

    @property
    def is_uploading(self) -> bool:
        return not self._payload.is_eof()

    # What the client's side does.

    def begin(self) -> None:
        decision = self._decision
        if decision.route is not None and decision.refusal is None:
            if decision.question is None:
                self._reach(decision.route.upstream.origin)
            else:
                self._task = self._client.loop.create_task(self._reach_if_allowed(decision.question))
            return
        match decision.action:
            case Action.CONSOLE:
                self._reach(self._gateway.config.console_socket)
            case Action.REFUSE:
                assert decision.refusal is not None
                self._refuse(decision.refusal, Ended.REFUSED)
            case Action.PROBE:
                self._answer(PROBE, Ended.COMPLETE)
            case Action.HEALTH:
                self._answer(health_answer(self._gateway.health()), Ended.COMPLETE)
            case Action.WELCOME:
                self._answer(WELCOME, Ended.COMPLETE)

    def client_data(self) -> None:
        """More of the body may have come, or its end."""
        self.touched = self._client.loop.time()
        if self._connection is not None and not self._is_sent and not self._message.chunked:
            self._pass_on(b"")

    def client_broke_framing(self) -> None:
        """The body's chunks are none."""
        self._drop_upstream()
        if self._body is None:
            self._refuse(BAD_REQUEST, Ended.REFUSED)
        else:
            self._end(Ended.CLIENT_CLOSED, "the request's chunks are broken")
            self._client.break_off(is_reset=False)

    def client_left(self, *, is_reset: bool) -> None:
        self._is_alone = True
        if self._is_answered:
            self._end(Ended.COMPLETE)
        elif self._is_sent and self._drains():
            assert self._connection is not None
            self._client.give_away(self._connection)
            self._connection.resume()
            self._gateway.alone.add(self)
        else:
            self._drop_upstream()
            self._end(Ended.CLIENT_CLOSED)

    def _drains(self) -> bool:
        """Whether the rest of a call is worth reading for its record alone."""
        return self._recording is not None and self._gateway.config.on_client_close is OnClientClose.DRAIN

    def client_full(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def client_ready(self) -> None:
        self.touched = self._client.loop.time()
        if self._connection is not None:
            self._connection.resume()

    def silent_for(self, seconds: float) -> None:
        """Neither side has moved for too long."""
        was_reached = self._connection is not None
        self._drop_upstream()
        if self._is_alone:
            self._end(Ended.CLIENT_CLOSED, f"the upstream was silent for {seconds:g} s")
        elif self._body is None and was_reached and self._is_sent:
            message = f"The upstream was silent for {seconds:g} s."
            self._refuse(self._trouble("upstream_timeout", message), Ended.UPSTREAM_ERROR, message)
        else:
            ended = Ended.TRUNCATED if self._is_sent else Ended.CLIENT_CLOSED
            self._end(ended, f"silent for {seconds:g} s")
            self._client.break_off(is_reset=False)

    def cut_off(self) -> None:
        """The gateway stops: no END, so that the reader of the journal sees who broke it off."""
        self.is_over = True
        self._drop_upstream()

    # Towards the upstream.

    def _reach(self, key: object) -> None:
        connection = self._client.upstream(key)
        if connection is not None:
            self._speak(connection)
        else:
            self._task = self._client.loop.create_task(self._dial(key))

    async def _reach_if_allowed(self, question: Question) -> None:
        judge, route = self._gateway.judge, self._decision.route
        assert judge is not None, "only where there is one is anything asked"
        assert route is not None
        objection = await judge.objection(question, route.upstream.shape)
        self._task = None
        if objection is None:
            self._reach(route.upstream.origin)
        else:
            self._object(objection)

    def _object(self, refusal: Refusal) -> None:
        """Refuse what was decided to go on when its head came: see `server.Gateway.record` for the others."""
        self._gateway.counts.refused += 1
        self._refuse(refusal, Ended.REFUSED)

    async def _dial(self, key: object) -> None:
        connection = UpstreamConnection(self._client, key)
        try:
            if self._decision.action is Action.CONSOLE:
                await self._gateway.dial_console(connection)
            else:
                assert self._decision.route is not None
                await self._gateway.dialer.dial(self._decision.route.upstream, connection)
        except DialError as error:
            self._task = None
            self._unreachable(error)
            return
        except asyncio.CancelledError:
            connection.hang_up()  # it may have been made this very moment
            raise
        self._task = None
        self._client.keep_upstream(connection)
        self._speak(connection)

    def _unreachable(self, error: DialError) -> None:
        if self._decision.action is Action.CONSOLE:
            self._answer(CONSOLE_DOWN, Ended.UPSTREAM_ERROR)
        else:
            trouble = self._trouble(error.code, str(error), is_final=error.is_final)
            self._refuse(trouble, Ended.UPSTREAM_ERROR, str(error))

    def _speak(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.speaker = self
        self.touched = self._client.loop.time()
        if self._client.is_full:
            connection.pause()
        message = self._message
        target = message.path if self._decision.route is None else self._decision.route.path
        line = f"{message.method} {target} HTTP/{message.version.major}.{message.version.minor}\r\n"
        head = b"".join((line.encode(errors="surrogateescape"), *self._fields.sent, b"\r\n"))
        if message.chunked:
            connection.write(head)
            self._task = self._client.loop.create_task(self._pass_on_chunks(connection))
        else:
            self._pass_on(head)

    def _pass_on(self, head: bytes) -> None:
        """Send what has come of a body that has no chunks."""
        assert self._connection is not None
        if self._is_upstream_full and not head:
            return
        data = self._payload.read_nowait()
        is_last = self._payload.is_eof()
        if (data or is_last) and self._recording is not None:
            self._recording.request_body(data, is_last)
            self._gateway.outbox.nudge()
        if head or data:
            self._connection.write(head + data if head else data)
        if is_last:
            self._is_sent = True
            self._settle()

    async def _pass_on_chunks(self, connection: UpstreamConnection) -> None:
        """Send a chunked body with the client's own chunks, as far as they are not huge."""
        assert isinstance(self._payload, StreamReader), "a repeated head has no chunks"
        waiting = b""
        async for data, ends_chunk in self._payload.iter_chunks():
            self.touched = self._client.loop.time()
            waiting += data
            if waiting and (ends_chunk or len(waiting) >= CHUNK_HELD_MAX):
                self._send_chunk(connection, waiting)
                waiting = b""
                if self._is_upstream_full:
                    self._room = self._client.loop.create_future()
                    await self._room
        if waiting:
            self._send_chunk(connection, waiting)
        if self._recording is not None:
            self._recording.request_body(b"", True)
            self._gateway.outbox.nudge()
        connection.write(b"0\r\n\r\n")
        self._task = None
        self._is_sent = True
        self._settle()

    def _send_chunk(self, connection: UpstreamConnection, data: bytes) -> None:
        if self._recording is not None:
            self._recording.request_body(data, False)
            self._gateway.outbox.nudge()
        connection.write(b"%x\r\n%b\r\n" % (len(data), data))

    # What the upstream's side does.

    def upstream_data(self, data: bytes) -> None:
        self.touched = self._client.loop.time()
        body, sent = self._body, b""
        if body is None:
            try:
                body, sent, data = self._take_heads(data)
            except FramingError as error:
                self._drop_upstream()
                message = f"The upstream's answer is no HTTP response: {error}."
                self._refuse(self._trouble("upstream_protocol", message), Ended.UPSTREAM_ERROR, message)
                return
            if body is None:
                self._send(sent)
                return
        self._take_body(body, sent, data)

    def upstream_lost(self, error: Exception | None) -> None:
        if self.is_over:
            return
        self._closes = True
        is_reset = isinstance(error, ConnectionError)
        if self._is_answered:
            self._finish()
        elif self._body is None:
            detail = "reset before an answer" if is_reset else "closed before an answer"
            self._break_off(Ended.UPSTREAM_ERROR, f"the connection was {detail}", is_reset=is_reset)
        elif self._body.ends_with_connection() and error is None:
            self._is_answered = True
            if self._recording is not None:
                self._recording.response_body(b"", True)
            self._finish()
        else:
            detail = "the connection was reset" if is_reset else "the connection was closed"
            self._break_off(Ended.TRUNCATED, detail, is_reset=is_reset)

    def upstream_ended(self) -> bool:
        return False

    def upstream_full(self) -> None:
        self._is_upstream_full = True
        self._client.hold_upload()

    def upstream_ready(self) -> None:
        self.touched = self._client.loop.time()
        self._is_upstream_full = False
        self._client.release_upload()
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None
        elif not self._is_sent and not self._message.chunked:
            self._pass_on(b"")

    # Towards the client.

    def _take_heads(self, data: bytes) -> tuple[Body | None, bytes, bytes]:
        """
        The response's body if its head is among them, the heads to send, and what of the data stands behind
        them. Raises FramingError.
        """
        sent = b""
        seen = len(self._head)
        data = self._head + data if seen else data
        while (end := find_head_end(data, seen)) != -1:
            start = parse_start(data[:end])
            data, seen, self._head = data[end:], 0, b""
            if start.status >= 200:
                body = body_of(start, is_head=self._message.method == "HEAD")
                return body, sent + self._open_response(start, body), data
            if start.status == 101:
                body, head = self._switch(start)
                return body, sent + head, data
            if self._recording is not None:
                self._recording.interim_head(start)
            if self._message.version >= (1, 1):
                sent += response_head(start, b"")
        self._head = data
        return None, sent, b""

    def _switch(self, start: ResponseStart) -> tuple[Body, bytes]:
        """What follows a 101, and its head as the client gets it. Raises FramingError."""
        raise FramingError("it switches protocols, though nobody asked it to")

    def _open_response(self, start: ResponseStart, body: Body) -> bytes:
        """The final head as the client gets it."""
        dropped = self._dropped(start, body)
        if isinstance(body, ClosingBody) or dropped or not stays_open(start):
            self._closes = True
        self._body = body
        if self._recording is not None:
            self._recording.response_head(start, "upstream")
        return response_head(start, self._added_fields(), dropped)

    def _dropped(self, start: ResponseStart, body: Body) -> Set[bytes]:
        """The fields of the head that do not hold for what the client gets."""
        if isinstance(body, ChunkedBody | ClosingBody) and has_length(start):
            return _LENGTH  # a Transfer-Encoding stands beside it and overrides it
        return _NOTHING

    def _take_body(self, body: Body, sent: bytes, data: bytes) -> None:
        try:
            used, content = body.feed(data)
            shown = self._shown(body, content, data if used == len(data) else data[:used])
        except FramingError as error:
            # Nobody can tell any more where it ends; the client's parser will say so too.
            self._drop_upstream()
            self._send(sent + data)
            self._break_off(Ended.TRUNCATED, f"the response's framing is broken: {error}", is_reset=False)
            return
        recording = self._recording
        if recording is not None:
            if content or body.is_done:
                recording.response_body(content, body.is_done)
            if body.is_done and body.trailers:
                recording.trailers(body.trailers)
        sent = sent + shown if sent else shown
        if body.is_done:
            self._is_answered = True
            if used < len(data):  # bytes that answer nothing
                self._closes = True
            # Ended first: the END is written together with the last piece, before the client has it.
            self._settle(sent)
        else:
            self._send(sent)

    def _shown(self, body: Body, content: bytes, raw: bytes) -> bytes:
        """What the client gets of a piece of the body: `raw`, as it came, with its framing."""
        return raw

    def _send(self, data: bytes) -> None:
        if self._is_alone:
            self._gateway.outbox.nudge()
        elif data:
            self._gateway.outbox.send(self._client.deliver, data)

    def _settle(self, last: bytes = b"") -> None:
        """End the exchange if both sides are through. `last`: bytes that the client still has to get."""
        if self._is_answered and self._is_sent:
            self._finish(last)
        elif last:
            self._send(last)

    def _finish(self, last: bytes = b"") -> None:
        connection = self._connection
        self._end(Ended.CLIENT_CLOSED if self._is_alone else _COMPLETE)
        self._send(last)
        if connection is not None:
            connection.speaker = None
            if self._closes or self._is_alone:
                connection.hang_up()
            elif self._client.is_full:
                connection.resume()
        if not self._is_alone:
            self._client.exchange_over(closes=self._closes, has_rest=self.is_uploading)

    def _break_off(self, ended: Ended, detail: str, *, is_reset: bool) -> None:
        self._end(Ended.CLIENT_CLOSED if self._is_alone else ended, detail)
        if not self._is_alone:
            self._client.break_off(is_reset=is_reset)

    # Answers of our own.

    def _refuse(self, refusal: Refusal, ended: Ended, detail: str = "") -> None:
        self._answer(refusal_answer(refusal), ended, detail or refusal.code)

    def _answer(self, answer: Answer, ended: Ended, detail: str = "") -> None:
        if self._recording is not None and not self._is_sent:
            arrived = b"" if self._message.chunked else self._payload.read_nowait()
            self._recording.request_body(arrived, True)
        has_rest = self.is_uploading
        self._closes = self._closes or has_rest or self._message.upgrade
        head = answer.head(self._added_fields(), closes=self._closes)
        body = b"" if self._message.method == "HEAD" else answer.body
        if self._recording is not None:
            self._recording.response_head(parse_start(head), "proxy")
            self._recording.response_body(body, True)
        self._end(ended, detail)
        self._send(head + body)
        if not self._is_alone:
            self._client.exchange_over(closes=self._closes, has_rest=has_rest)

    def _trouble(self, code: str, message: str, *, is_final: bool = False) -> Refusal:
        route = self._decision.route
        return Refusal(
            status=502,
            code=code,
            message=message,
            shape=Shape.OPENAI if route is None else route.upstream.shape,
            fields=(NO_RETRY,) if is_final else (),
        )

    def _added_fields(self) -> bytes:
        """What of ours a response carries."""
        if self._recording is None:
            return b""
        added = b"x-arc-call-id: %b\r\n" % id_text(self._recording.exchange_id).encode()
        run_id = self._decision.run_id
        return added if run_id is None else added + b"x-arc-run-id: %b\r\n" % run_id.encode()

    # The end.

    def _drop_upstream(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._connection is not None:
            self._connection.hang_up()
            self._connection = None

    def _end(self, ended: Ended, detail: str = "") -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self in self._gateway.alone:
            self._gateway.alone.discard(self)
            self._gateway.note_end()
        if self._recording is not None:
            self._recording.end(ended, detail)
            self._gateway.outbox.nudge()
