from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import Kind
from arc_proxy.wire.exchange import HttpExchange, Reading, read_exchange
from arc_proxy.wire.openai_media import OPENAI_AUDIO, OPENAI_IMAGES
from arc_proxy.wire.stream import StreamEvent
from pricing.usage import Usage, normalise_usage

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


FORM = (
    b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n"
    b'--x\r\nContent-Disposition: form-data; name=file; filename="a.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\nRIFF\xff\r\n--x--\r\n"
)


def transcribe(body: bytes, content_type: str, status: int = 200) -> Reading:
    return read_exchange(
        HttpExchange(
            method="POST",
            url="https://api.openai.com/v1/audio/transcriptions",
            request_headers=(("Content-Type", "multipart/form-data; boundary=x"),),
            request_body=FORM,
            status=status,
            response_body=body,
            response_headers=(("content-type", content_type),),
        )
    )


def test_a_recording_in_a_form_names_its_model() -> None:
    reading = transcribe(b'{"text": "The sun."}', "application/json")
    assert (reading.kind, reading.endpoint, reading.dialect) == (Kind.MEDIA, "audio", "openai.audio")
    assert (reading.prompt.model, reading.reply.output_text) == ("whisper-1", "The sun.")
    [message] = reading.prompt.messages
    assert message.startswith(b'{"file":"arc-media;type=audio/wav;bytes=5;')


ANSWERS = {
    "a transcript as text": (b"The sun.", "text/plain", 200, "The sun."),
    "sound": (b"ID3\x00\x01", "audio/mpeg", 200, None),
    "an error's page": (b"Bad gateway", "text/html", 502, None),
}


@pytest.mark.parametrize(("body", "kind", "status", "text"), ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_json(body: bytes, kind: str, status: int, text: str | None) -> None:
    reply = transcribe(body, kind, status).reply
    assert (reply.output_text, reply.finished) == (text, True)


def test_a_picture_is_asked_for_and_not_kept() -> None:
    prompt = OPENAI_IMAGES.read_prompt({"model": "gpt-image-1", "prompt": "A harbor", "size": "1024x1024"})
    assert (prompt.messages, prompt.parameters) == ((b'{"prompt":"A harbor"}',), {"size": "1024x1024"})
    usage = {"input_tokens": 9, "output_tokens": 1056, "total_tokens": 1065}
    reply = OPENAI_IMAGES.read_reply({"data": [{"b64_json": "aGk="}], "usage": usage})
    assert (reply.usage, reply.message) == (usage, None)
    counted, _ = normalise_usage(usage, dialect="openai.images", provider="openai")
    assert counted == Usage(input_text=9, output_image=1056)
