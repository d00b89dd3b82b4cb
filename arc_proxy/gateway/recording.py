"""
What the journal gets to know of one exchange: its events in order, credentials cut, up to the ceiling.

Nothing here may cost traffic: a mistake in cutting or encoding ends the recording of that one exchange and
is counted, and its bytes go on.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

from arc_proxy.cut import BodyForm, Cutter, Fingerprints, Secrets, cut_query
from arc_proxy.gateway.config import Capture
from arc_proxy.gateway.encoded import EncodedCutter, make_cutter
from arc_proxy.gateway.framing import ResponseStart
from arc_proxy.gateway.headers import Fields, kept_fields
from arc_proxy.journal.head import End, Gap, RequestHead, ResponseHead
from arc_proxy.journal.record import Ended, Record, RecordKind
from arc_proxy.journal.tape import Tape

P = ParamSpec("P")

# Of a request that is not to be captured, what tells whose it is and of which kind.
_BARE_FIELDS = (b"content-type", b"user-agent")


@dataclass(slots=True)
class RecordingCounts:
    """Of one gateway, since it began."""

    broken_recordings: int = 0  # exchanges whose recording ended in a mistake of ours


def costs_no_traffic(
    method: Callable[Concatenate[Recording, P], None],
) -> Callable[Concatenate[Recording, P], None]:
    """Around every door of a recording: what goes wrong behind it stays there."""

    @functools.wraps(method)
    def guarded(recording: Recording, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if recording.is_over:
            return
        try:
            method(recording, *args, **kwargs)
        except Exception:  # noqa: BLE001 - the promise is that no mistake in capture costs traffic
            recording.is_over = True
            recording.counts.broken_recordings += 1

    return guarded


class _Side:
    """The body of one direction on its way to the journal."""

    __slots__ = ("bytes_left", "cutter", "dropped")

    def __init__(self, bytes_max: int) -> None:
        self.cutter: Cutter | EncodedCutter | None = None
        self.bytes_left = bytes_max
        self.dropped = 0  # bytes that were not written, because of a ceiling


class Recording:
    """
    One exchange's records. Call the methods in the order in which things happen, `end` last and once.
    """

    __slots__ = (
        "_bytes_max",
        "_capture",
        "_fingerprints",
        "_request",
        "_response",
        "_secrets",
        "_tape",
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
        self._tape = tape
        self._fingerprints = fingerprints
        self._secrets = Secrets(fingerprints)
        self._capture = capture
        self._bytes_max = body_bytes_max if capture is Capture.FULL else 0
        self._request = _Side(self._bytes_max)
        self._response = _Side(self._bytes_max)
        self.counts = counts
        self.exchange_id = tape.make_id()
        self.is_over = False

    @costs_no_traffic
    def request_head(
        self,
        *,
        upstream: str | None,
        url: str | None,
        connection: int,
        method: str,
        target: str,
        version: bytes,
        fields: Fields,
    ) -> None:
        kept = kept_fields(fields, self._fingerprints)
        self._secrets.add(kept.secrets)
        for each in (target, url):
            if each is not None and "?" in each:
                self._secrets.add(cut_query(each, self._fingerprints)[1])
        if self._capture is Capture.NONE:
            kept.fields = [pair for pair in kept.fields if _is_bare(pair[0])]
        head = RequestHead(
            upstream=upstream,
            url=None if url is None else self._kept_target(url),
            connection=connection,
            method=method.encode(),
            target=self._kept_target(target).encode(errors="surrogateescape"),
            version=version,
            headers=tuple(kept.fields),
        )
        self._offer(RecordKind.REQUEST_HEAD, self._secrets.cut(head.encode()))
        if self._bytes_max:
            self._request.cutter = _cutter_for(self._secrets, fields, is_request=True)

    @costs_no_traffic
    def request_body(self, piece: bytes, *, is_last: bool) -> None:
        self._body(RecordKind.REQUEST_BODY, self._request, piece, is_last=is_last)

    @costs_no_traffic
    def interim_head(self, start: ResponseStart) -> None:
        self._offer(RecordKind.INTERIM_HEAD, self._response_head(start, "upstream").encode())

    @costs_no_traffic
    def response_head(self, start: ResponseStart, *, origin: str) -> None:
        self._offer(RecordKind.RESPONSE_HEAD, self._secrets.cut(self._response_head(start, origin).encode()))
        if self._bytes_max:
            self._response.cutter = _cutter_for(self._secrets, start.fields, is_request=False)

    @costs_no_traffic
    def response_body(self, piece: bytes, *, is_last: bool) -> None:
        self._body(RecordKind.RESPONSE_BODY, self._response, piece, is_last=is_last)

    @costs_no_traffic
    def trailers(self, lines: bytes) -> None:
        if self._capture is not Capture.NONE:
            self._offer(RecordKind.TRAILERS, self._secrets.cut(lines))

    @costs_no_traffic
    def end(self, ended: Ended, detail: str = "") -> None:
        for side, kind, name in (
            (self._request, RecordKind.REQUEST_BODY, "request"),
            (self._response, RecordKind.RESPONSE_BODY, "response"),
        ):
            if side.cutter is not None:
                self._body(kind, side, b"", is_last=True)
            dropped = side.dropped + (side.cutter.dropped if isinstance(side.cutter, EncodedCutter) else 0)
            if dropped:
                self._offer(RecordKind.GAP, Gap(side=name, bytes_dropped=dropped).encode())
        content = End(ended=ended, detail=self._secrets.cut(detail.encode()).decode()).encode()
        self._offer(RecordKind.END, content)
        self.is_over = True

    def _body(self, kind: RecordKind, side: _Side, piece: bytes, *, is_last: bool) -> None:
        cutter = side.cutter
        if cutter is None:
            side.dropped += len(piece)
            return
        kept = cutter.finish(piece) if is_last else cutter.feed(piece)
        if len(kept) > side.bytes_left:
            side.dropped += len(kept) - side.bytes_left
            kept = kept[: side.bytes_left]
        side.bytes_left -= len(kept)
        if kept:
            self._offer(kind, kept)

    def _response_head(self, start: ResponseStart, origin: str) -> ResponseHead:
        kept = kept_fields(start.fields, self._fingerprints)
        self._secrets.add(kept.secrets)
        if self._capture is Capture.NONE:
            kept.fields = [pair for pair in kept.fields if _is_bare(pair[0])]
        return ResponseHead(
            origin=origin,
            status=start.status,
            reason=start.reason,
            version=start.version,
            headers=tuple(kept.fields),
        )

    def _kept_target(self, target: str) -> str:
        if "?" not in target:
            return target
        if self._capture is Capture.NONE:
            return target.partition("?")[0]
        return cut_query(target, self._fingerprints)[0]

    def _offer(self, kind: RecordKind, content: bytes) -> None:
        self._tape.offer(Record(kind, self.exchange_id, time.monotonic_ns(), content))


def _is_bare(name: bytes) -> bool:
    lower = name.lower()
    return lower in _BARE_FIELDS or lower.startswith(b"x-arc-")


def _cutter_for(secrets: Secrets, fields: Fields, *, is_request: bool) -> Cutter | EncodedCutter:
    kind, encoding = b"", None
    for name, value in fields:
        if len(name) == 12 and name.lower() == b"content-type":
            kind = value.lower()
        elif len(name) == 16 and name.lower() == b"content-encoding":
            encoding = value.decode("latin-1")
    if b"json" in kind or (is_request and not kind):
        form = BodyForm.JSON
    elif kind.startswith(b"application/x-www-form-urlencoded"):
        form = BodyForm.FORM
    else:
        form = BodyForm.NONE
    return make_cutter(secrets, form, encoding)
