"""
What the journal gets to know of one exchange: its events in order, credentials cut, up to the ceiling.

Nothing here may cost traffic: a mistake in cutting or encoding ends the recording of that one exchange and
is counted, and its bytes go on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVarTuple, Unpack

from arc_proxy.cut import (
    BodyForm,
    Cutter,
    Fingerprints,
    MultipartCutter,
    Secrets,
    cut_query,
    cut_whole,
    is_secret_header,
)
from arc_proxy.gateway.config import Capture
from arc_proxy.gateway.encoded import EncodedCutter, make_cutter
from arc_proxy.gateway.framing import ResponseStart
from arc_proxy.gateway.headers import RequestFields, kept_response_lines
from arc_proxy.gateway.mistake import log_mistake
from arc_proxy.journal.head import End, Gap, encode_request_head, encode_response_head
from arc_proxy.journal.record import Ended, RecordKind
from arc_proxy.journal.tape import Tape

Arguments = TypeVarTuple("Arguments")

# Looking a member up in its class costs more than what it is for.
_REQUEST_HEAD, _REQUEST_BODY = RecordKind.REQUEST_HEAD, RecordKind.REQUEST_BODY
_RESPONSE_HEAD, _RESPONSE_BODY, _END = RecordKind.RESPONSE_HEAD, RecordKind.RESPONSE_BODY, RecordKind.END
_TUNNEL_UP, _TUNNEL_DOWN = RecordKind.TUNNEL_UP, RecordKind.TUNNEL_DOWN
_FULL, _NONE = Capture.FULL, Capture.NONE
_JSON, _FORM, _MULTIPART, _OTHER = BodyForm.JSON, BodyForm.FORM, BodyForm.MULTIPART, BodyForm.NONE

_ENDS = {ended: End(ended=ended).encode() for ended in Ended}
_HOLD_JSON = (b"text/", b"application/vnd.amazon.eventstream")
# Of a request that is not to be captured, what tells whose it is and of which kind.
_BARE_FIELDS = (b"content-type:", b"user-agent:", b"x-arc-")


@dataclass(slots=True)
class RecordingCounts:
    """Of one gateway, since it began."""

    broken_recordings: int = 0  # exchanges whose recording ended in a mistake of ours


def costs_no_traffic(
    method: Callable[[Recording, Unpack[Arguments]], None],
) -> Callable[[Recording, Unpack[Arguments]], None]:
    """Around every door of a recording: what goes wrong behind it stays there."""

    @functools.wraps(method)
    def guarded(recording: Recording, /, *arguments: *Arguments) -> None:
        if recording.is_over:
            return
        try:
            method(recording, *arguments)
        except Exception as error:  # noqa: BLE001 - no mistake in capture may cost traffic
            recording.is_over = True
            recording.counts.broken_recordings += 1
            log_mistake(error)

    return guarded


class _Side:
    """The body of one direction on its way to the journal."""

    __slots__ = ("bytes_left", "cutter", "dropped", "encoding", "form", "is_over", "kind")

    def __init__(self, kind: RecordKind, bytes_max: int, form: BodyForm, encoding: bytes) -> None:
        self.kind = kind
        self.bytes_left = bytes_max
        self.form = form
        self.encoding = encoding
        # Once a first piece was not the last.
        self.cutter: Cutter | MultipartCutter | EncodedCutter | TunnelCutter | None = None
        self.dropped = 0  # bytes that were not written, because of a ceiling
        self.is_over = False


class TunnelCutter:
    """Like `cut.Cutter`, for a side of a tunnel: it holds nothing back and changes no length."""

    __slots__ = ("_secrets", "dropped")

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.dropped = 0

    def feed(self, piece: bytes) -> bytes:
        return self._secrets.overwrite(piece)

    finish = feed


class Recording:
    """One exchange's records. Call the methods in the order in which things happen, `end` last and once."""

    __slots__ = (
        "_bytes_max",
        "_capture",
        "_fingerprints",
        "_offer",
        "_request",
        "_response",
        "_secrets",
        "counts",
        "exchange_id",
        "is_over",
    )

    def __init__(
        self,
        tape: Tape,
        fingerprints: Fingerprints,
        counts: RecordingCounts,
        *,
        capture: Capture,
        body_bytes_max: int,
    ) -> None:
        self._offer = tape.offer_event
        self._fingerprints = fingerprints
        self._secrets = Secrets(fingerprints)
        self._capture = capture
        self._bytes_max = body_bytes_max if capture is _FULL else 0
        self._request: _Side | None = None
        self._response: _Side | None = None
        self.counts = counts
        self.exchange_id = tape.make_id()
        self.is_over = False

    @property
    def keeps_bodies(self) -> bool:
        return self._bytes_max > 0

    @costs_no_traffic
    def request_head(
        self,
        upstream: str | None,
        url: str | None,
        connection: int,
        method: str,
        target: str,
        version: bytes,
        fields: RequestFields,
    ) -> None:
        secrets = self._secrets
        secrets.add(fields.secrets)
        if "?" in target:
            target = self._kept_target(target)
        if url is not None and "?" in url:
            url = self._kept_target(url)
        lines = fields.kept
        if self._capture is _NONE:
            lines = [line for line in lines if _is_bare(line)]
        content = encode_request_head(
            upstream=upstream,
            url=url,
            connection=connection,
            line=b"%b %b %b" % (method.encode(), target.encode(errors="surrogateescape"), version),
            field_lines=b"".join(lines),
        )
        self._offer(_REQUEST_HEAD, self.exchange_id, secrets.cut(content))
        kind = fields.content_type
        self._request = _Side(_REQUEST_BODY, self._bytes_max, _form_of(kind), fields.content_encoding)

    @costs_no_traffic
    def also_cut(self, secrets: list[bytes]) -> None:
        """What we have put into the request, should it come back."""
        self._secrets.add(secrets)

    @costs_no_traffic
    def request_body(self, piece: bytes, is_last: bool) -> None:
        self._body(self._request, piece, is_last)

    @costs_no_traffic
    def interim_head(self, start: ResponseStart) -> None:
        self._offer(RecordKind.INTERIM_HEAD, self.exchange_id, self._response_head(start, "upstream"))

    @costs_no_traffic
    def response_head(self, start: ResponseStart, origin: str) -> None:
        form = _form_of(start.content_type)
        if form is not _OTHER or start.status >= 400:
            self._secrets.expect_base64()
        self._offer(_RESPONSE_HEAD, self.exchange_id, self._response_head(start, origin))
        self._response = _Side(_RESPONSE_BODY, self._bytes_max, form, start.content_encoding)

    @costs_no_traffic
    def switch(self) -> None:
        """From now on the bodies are the two directions of a tunnel."""
        self._request = _Side(_TUNNEL_UP, self._bytes_max, _OTHER, b"")
        self._response = _Side(_TUNNEL_DOWN, self._bytes_max, _OTHER, b"")
        self._request.cutter = self._response.cutter = TunnelCutter(self._secrets)

    @costs_no_traffic
    def response_body(self, piece: bytes, is_last: bool) -> None:
        self._body(self._response, piece, is_last)

    @costs_no_traffic
    def trailers(self, lines: bytes) -> None:
        if self._capture is not _NONE:
            kept = b"".join(map(self._kept_trailer, lines.splitlines(keepends=True)))
            self._offer(RecordKind.TRAILERS, self.exchange_id, self._secrets.cut(kept))

    @costs_no_traffic
    def end(self, ended: Ended, detail: str = "") -> None:
        self._end_side(self._request, "request")
        self._end_side(self._response, "response")
        content = _ENDS[ended] if not detail else self._secrets.cut(End(ended=ended, detail=detail).encode())
        self._offer(_END, self.exchange_id, content)
        self.is_over = True

    def _body(self, side: _Side | None, piece: bytes, is_last: bool) -> None:
        if side is None:
            return
        side.is_over = is_last
        if not self._bytes_max:
            side.dropped += len(piece)
            return
        cutter = side.cutter
        if cutter is not None:
            kept = cutter.finish(piece) if is_last else cutter.feed(piece)
        elif is_last and not side.encoding and side.form is not _MULTIPART:
            kept = cut_whole(piece, self._secrets, side.form)
        else:
            cutter = side.cutter = make_cutter(self._secrets, side.form, side.encoding)
            kept = cutter.finish(piece) if is_last else cutter.feed(piece)
        size = len(kept)
        if size > side.bytes_left:
            side.dropped += size - side.bytes_left
            kept = kept[: side.bytes_left]
            size = side.bytes_left
        if size:
            side.bytes_left -= size
            self._offer(side.kind, self.exchange_id, kept)

    def _end_side(self, side: _Side | None, name: str) -> None:
        if side is None:
            return
        cutter = side.cutter
        if cutter is not None and not side.is_over:
            self._body(side, b"", True)
        dropped = side.dropped if cutter is None else side.dropped + cutter.dropped
        if dropped:
            self._offer(RecordKind.GAP, self.exchange_id, Gap(side=name, bytes_dropped=dropped).encode())

    def _response_head(self, start: ResponseStart, origin: str) -> bytes:
        lines, secrets = kept_response_lines(start, self._fingerprints)
        self._secrets.add(secrets)
        if self._capture is _NONE:
            lines = [line for line in lines if _is_bare(line)]
        content = encode_response_head(
            origin=origin,
            line=b"%b %d %b" % (start.version, start.status, start.reason),
            field_lines=b"".join(lines),
        )
        return self._secrets.cut(content)

    def _kept_trailer(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b":")
        if not is_secret_header(name):
            return line
        text = value.strip()
        cut, secrets = self._fingerprints.cut_header(name, text)
        self._secrets.add(secrets)
        return name + colon + value.replace(text, cut) if text else line

    def _kept_target(self, target: str) -> str:
        """A target or URL with a query, without the secrets in it."""
        kept, secrets = cut_query(target, self._fingerprints)
        self._secrets.add(secrets)
        return kept.partition("?")[0] if self._capture is _NONE else kept


def _is_bare(line: bytes) -> bool:
    return line.lower().startswith(_BARE_FIELDS)


def _form_of(content_type: bytes) -> BodyForm:
    """What says nothing, or "text", is often JSON all the same, and streams of events are made of it."""
    if b"json" in content_type or not content_type or content_type.startswith(_HOLD_JSON):
        return _JSON
    if content_type.startswith(b"application/x-www-form-urlencoded"):
        return _FORM
    return _MULTIPART if content_type.startswith(b"multipart/") else _OTHER
