"""A mistake in capture costs the recording, not the call; and what is said of it quotes nobody."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from arc_proxy.cut import Fingerprints
from arc_proxy.gateway.config import Capture
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
    recording.end(Ended.COMPLETE)
    tape.close()
    assert counts.broken_recordings == 1
    assert "UnicodeEncodeError" in caplog.text
    assert KEY not in caplog.text


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
