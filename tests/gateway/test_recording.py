"""A mistake in capture costs the recording, not the call; and what is said of it quotes nobody."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

import pytest

from arc_proxy.cut import Fingerprints
from arc_proxy.gateway.config import Capture
from arc_proxy.gateway.framing import parse_start
from arc_proxy.gateway.headers import RequestFields
from arc_proxy.gateway.mistake import report_mistake
from arc_proxy.gateway.recording import Recording, RecordingCounts
from arc_proxy.journal.record import Ended
from arc_proxy.journal.tape import Tape

KEY = "sk-canary-4f1e9a7c2b8d6035e1"


def test_a_mistake_ends_the_recording_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape(tmp_path / "journal")
    counts = RecordingCounts()
    recording = Recording(tape, Fingerprints(b"k" * 32), counts, capture=Capture.FULL, body_bytes_max=1000)
    # A method that no parser lets through, so that the encoding of the head fails.
    method = f"\ud800{KEY}"
    recording.request_head(None, None, 1, method, "/", b"HTTP/1.1", RequestFields([], [], []))
    recording.request_body(b"x", True)
    recording.end(Ended.COMPLETE, "")
    tape.close()
    assert counts.broken_recordings == 1
    assert "UnicodeEncodeError" in caplog.text
    assert KEY not in caplog.text


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*.seg"))


@pytest.mark.parametrize("content_type", [b"", b"text/plain; charset=utf-8", b"application/problem+json"])
def test_a_body_may_be_json_without_saying_so(tmp_path: Path, content_type: bytes) -> None:
    tape = Tape(tmp_path / "journal")
    recording = new_recording(tape)
    fields = RequestFields([], [], [], content_type=content_type)
    recording.request_head(None, None, 1, "POST", "/", b"HTTP/1.1", fields)
    recording.request_body(b'{"authentication":{"type":"api_key","key":"%b"}}' % KEY.encode(), True)
    line = b"Content-Type: %b\r\n" % content_type if content_type else b""
    recording.response_head(parse_start(b"HTTP/1.1 200 OK\r\n%b\r\n" % line), "upstream")
    recording.response_body(b'{"access_token":"another-%b"}' % KEY[::-1].encode(), True)
    recording.end(Ended.COMPLETE, "")
    tape.close()
    written = everything_written(tmp_path)
    assert written.count(b'"cut-') == 2
    assert KEY.encode() not in written
    assert KEY[::-1].encode() not in written


def test_an_error_may_quote_a_key_in_base64(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "journal")
    recording = new_recording(tape)
    fields = RequestFields([], [], [KEY.encode()])
    recording.request_head(None, None, 1, "POST", "/", b"HTTP/1.1", fields)
    recording.request_body(b"", True)
    recording.response_head(parse_start(b"HTTP/1.1 401 Unauthorized\r\n\r\n"), "upstream")
    quoted = base64.b64encode(b"Bearer " + KEY.encode())
    recording.response_body(b"bad: " + quoted[:9], False)
    recording.response_body(quoted[9:], True)
    recording.end(Ended.COMPLETE, "")
    tape.close()
    written = everything_written(tmp_path)
    assert b"cut-" in written
    assert quoted[12:-4] not in written


def new_recording(tape: Tape) -> Recording:
    fingerprints = Fingerprints(b"k" * 32)
    return Recording(tape, fingerprints, RecordingCounts(), capture=Capture.FULL, body_bytes_max=10_000)


async def test_the_event_loops_mistakes_quote_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(report_mistake)
    loop.call_soon(fail)
    await asyncio.sleep(0.01)
    assert "type=ValueError at=fail:" in caplog.text
    assert KEY not in caplog.text
    loop.set_exception_handler(None)


def fail() -> None:
    raise ValueError(KEY)
