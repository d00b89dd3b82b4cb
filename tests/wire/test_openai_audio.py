from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import Kind
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from arc_proxy.wire.openai_audio import OPENAI_AUDIO
from arc_proxy.wire.stream import StreamEvent

USAGE = {"type": "tokens", "input_tokens": 54, "output_tokens": 16, "total_tokens": 70}
STREAM: list[dict[str, Any]] = [
    {"type": "transcript.text.delta", "delta": "The sun "},
    {"type": "transcript.text.delta", "delta": "was setting."},
    {"type": "transcript.text.done", "text": "The sun was setting.", "usage": USAGE},
]


def test_reads_what_was_said() -> None:
    reply = OPENAI_AUDIO.read_reply({"text": "The sun was setting.", "usage": USAGE})
    assert (reply.output_text, reply.usage, reply.finished) == ("The sun was setting.", USAGE, True)


@pytest.mark.parametrize(
    ("events", "text", "finished"), [(3, "The sun was setting.", True), (1, "The sun ", False)]
)
def test_reads_a_stream(events: int, text: str, finished: bool) -> None:
    reply = OPENAI_AUDIO.read_stream([StreamEvent("message", orjson.dumps(each)) for each in STREAM[:events]])
    assert (reply.output_text, reply.finished, reply.events) == (text, finished, events)


def test_a_text_to_read_aloud_is_the_message() -> None:
    prompt = OPENAI_AUDIO.read_prompt({"model": "tts-1", "input": "Hello", "voice": "alloy"})
    assert (prompt.messages, prompt.parameters) == ((b'{"input":"Hello"}',), {"voice": "alloy"})


def test_a_recording_in_a_form_is_a_call_with_a_note() -> None:
    reading = read_exchange(
        HttpExchange(
            method="POST",
            url="https://api.openai.com/v1/audio/transcriptions",
            request_body=b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nRIFF\xff\r\n--x--\r\n",
            status=200,
            response_body=b"The sun was setting.",
            response_headers=(("content-type", "text/plain"),),
        )
    )
    assert (reading.kind, reading.endpoint, reading.dialect) == (Kind.MEDIA, "audio", "openai.audio")
