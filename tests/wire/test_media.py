from __future__ import annotations

import base64
import hashlib
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.document import canonical
from arc_proxy.wire.media import stub_media

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(9000)
JPEG = b"\xff\xd8\xff\xe0" + random.Random(2).randbytes(9001)
NOISE = random.Random(3).randbytes(9002)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def stub(content: bytes, media_type: str) -> str:
    return f"arc-media;type={media_type};bytes={len(content)};sha256={hashlib.sha256(content).hexdigest()}"


PLACES: dict[str, tuple[Any, Any]] = {
    "openai's image": (
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{text(JPEG)}", "detail": "low"}},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/jpeg;base64,{stub(JPEG, 'image/jpeg')}", "detail": "low"},
        },
    ),
    "openai's file": (
        {
            "type": "file",
            "file": {"file_data": f"data:application/pdf;base64,{text(NOISE)}", "filename": "a"},
        },
        {
            "type": "file",
            "file": {
                "file_data": f"data:application/pdf;base64,{stub(NOISE, 'application/pdf')}",
                "filename": "a",
            },
        },
    ),
    "openai's sound": (
        {"type": "input_audio", "input_audio": {"data": text(NOISE), "format": "wav"}},
        {
            "type": "input_audio",
            "input_audio": {"data": stub(NOISE, "application/octet-stream"), "format": "wav"},
        },
    ),
    "a responses image": (
        {"type": "input_image", "image_url": f"data:image/png;base64,{text(PNG)}"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{stub(PNG, 'image/png')}"},
    ),
    "a generated image": (
        {"type": "image_generation_call", "result": text(PNG)},
        {"type": "image_generation_call", "result": stub(PNG, "image/png")},
    ),
    "anthropic's image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": text(NOISE)}},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/webp", "data": stub(NOISE, "image/webp")},
        },
    ),
    "one of an undeclared type": (
        {"type": "image", "source": {"type": "base64", "data": text(JPEG)}},
        {"type": "image", "source": {"type": "base64", "data": stub(JPEG, "image/jpeg")}},
    ),
    "gemini's image": (
        {"inlineData": {"mimeType": "image/heic", "data": text(NOISE)}},
        {"inlineData": {"mimeType": "image/heic", "data": stub(NOISE, "image/heic")}},
    ),
    "titan's image": ({"inputImage": text(PNG)}, {"inputImage": stub(PNG, "image/png")}),
    "ollama's images": (
        {"role": "user", "images": [text(PNG), "abc", text(JPEG)]},
        {"role": "user", "images": [stub(PNG, "image/png"), "abc", stub(JPEG, "image/jpeg")]},
    ),
    "two in one message": (
        [{"data": text(PNG)}, {"data": text(JPEG)}],
        [{"data": stub(PNG, "image/png")}, {"data": stub(JPEG, "image/jpeg")}],
    ),
    "base64 wrapped at 76 characters": (
        {"data": base64.encodebytes(PNG).decode()},
        {"data": stub(PNG, "image/png")},
    ),
    "base64 of the URL alphabet, without padding": (
        {"data": base64.urlsafe_b64encode(PNG).decode().rstrip("=")},
        {"data": stub(PNG, "image/png")},
    ),
    "a data URL inside a tool's arguments": (
        {"arguments": canonical({"url": f"data:image/png;base64,{text(PNG)}"}).decode()},
        {"arguments": canonical({"url": f"data:image/png;base64,{stub(PNG, 'image/png')}"}).decode()},
    ),
    "a data URL without a type": (
        {"url": f"data:;base64,{text(PNG)}"},
        {"url": f"data:;base64,{stub(PNG, 'image/png')}"},
    ),
}


@pytest.mark.parametrize(("message", "stubbed"), PLACES.values(), ids=PLACES)
def test_stubs(message: Any, stubbed: Any) -> None:
    assert orjson.loads(stub_media(canonical(message))) == stubbed


KEPT = {
    "a small image": {"data": text(PNG[:2000])},
    "a long text": {"role": "user", "content": "word " * 5000},
    "a long text of one word": {"role": "user", "content": "a" * 50_000},
    "a long text in a field for media": {"data": "word " * 5000},
    "talk about data URLs": {"content": "data:image/png;base64,iVBOR ... and so on; " * 500},
    "reasoning that is encrypted": {"type": "reasoning", "encrypted_content": text(NOISE)},
}


@pytest.mark.parametrize("message", KEPT.values(), ids=KEPT)
def test_keeps(message: Any) -> None:
    assert stub_media(canonical(message)) == canonical(message)


def test_a_large_image_leaves_a_small_message() -> None:
    image = random.Random(4).randbytes(20_000_000)
    message = canonical(
        {"role": "user", "content": [{"image_url": {"url": f"data:image/png;base64,{text(image)}"}}]}
    )
    assert len(stub_media(message)) < 300


def test_the_same_image_gives_the_same_stub_and_another_another() -> None:
    first, other = canonical({"data": text(PNG)}), canonical({"data": text(PNG[:-1] + b"\x00")})
    assert stub_media(first) == stub_media(bytes(first))
    assert stub_media(first) != stub_media(other)


runs = st.sampled_from(
    [
        "A" * 5000,
        "A" * 4097,
        "A" * 4096,
        "data:image/png;base64,",
        "data:",
        ";base64,",
        "\n",
        "\\",
        '"',
        "=",
        " ",
        "é",
    ]
)
texts = st.lists(runs | st.text(max_size=3), max_size=6).map("".join)


@given(
    st.dictionaries(
        st.sampled_from(["data", "image", "images", "url", "content", "media_type"]),
        texts | st.lists(texts, max_size=3),
        max_size=4,
    )
)
def test_what_comes_out_is_the_same_document_but_for_the_media(message: dict[str, Any]) -> None:
    stubbed = orjson.loads(stub_media(canonical(message)))
    assert stubbed.keys() == message.keys()
    for field, value in message.items():
        assert isinstance(stubbed[field], type(value))
        if len(str(value)) < 4096:
            assert stubbed[field] == value
