from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.form_data import read_form


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


END = b"--x--\r\n"
CASES: dict[str, tuple[bytes, dict[str, Any] | None]] = {
    "fields are texts": (
        part("model", b"whisper-1") + part("language", b"en") + END,
        {"model": "whisper-1", "language": "en"},
    ),
    "true and false": (part("stream", b"true") + part("n", b"false") + END, {"stream": True, "n": False}),
    "a name that comes again": (part("tag", b"a") + part("tag", b"b") + END, {"tag": ["a", "b"]}),
    "a name of a list": (part("image[]", b"a") + END, {"image": ["a"]}),
    "a text of several lines": (part("prompt", b"a\r\nb") + END, {"prompt": "a\r\nb"}),
    "a part without a name": (b"--x\r\nA: b\r\n\r\nc\r\n" + part("d", b"e") + END, {"d": "e"}),
    "a form that is cut keeps its whole parts": (part("a", b"1") + part("b", b"2")[:-4], {"a": "1"}),
    "what is no form": (b'{"model": "m"}', None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize(("body", "fields"), CASES.values(), ids=CASES)
def test_reads_a_form(body: bytes, fields: dict[str, Any] | None) -> None:
    assert read_form(body) == fields


def test_a_file_is_its_stub() -> None:
    form = read_form(part("file", b"RIFF\xff", '; filename="a.wav"') + END)
    assert form is not None
    assert form["file"].startswith("arc-media;type=audio/wav;bytes=5;sha256=")


@given(
    st.binary(), st.lists(st.tuples(st.text("ab[]", max_size=3), st.binary(max_size=9))), st.integers(0, 200)
)
def test_any_bytes_are_read_without_an_error(body: bytes, parts: list[tuple[str, bytes]], cut: int) -> None:
    read_form(body)
    form = b"".join(part(name, value) for name, value in parts) + END
    read_form(form[:cut])
