from __future__ import annotations

from arc_proxy.call import CallError, Reply
from arc_proxy.wire.stream import StreamEvent
from arc_proxy.wire.unknown import UNKNOWN


def test_takes_what_stands_where_it_nearly_always_does() -> None:
    body = {"id": "r1", "model": "m", "usage": {"total_tokens": 3}, "results": [1, 2]}
    assert UNKNOWN.read_reply(body) == Reply(
        model="m", response_id="r1", usage={"total_tokens": 3}, finished=True
    )


def test_keeps_messages_and_plain_parameters_only() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "k": 3,
        "deep": {"a": 1},
        "list": [1],
        "long": "x" * 5000,
        "mode": "fast",
    }
    prompt = UNKNOWN.read_prompt(body)
    assert prompt.messages == (b'{"content":"Hi","role":"user"}',)
    assert prompt.parameters == {"k": 3, "mode": "fast"}


def test_a_stream_is_read_for_the_same() -> None:
    events = [
        StreamEvent("message", b'{"model": "m", "usage": {"a": 1, "b": 2}}'),
        StreamEvent("message", b"no JSON"),
        StreamEvent("message", b'{"usage": {"a": 4, "b": null}}'),
        StreamEvent("message", b"[DONE]"),
    ]
    assert UNKNOWN.read_stream(events) == Reply(model="m", usage={"a": 4, "b": 2}, finished=True, events=4)


def test_an_error_inside_a_stream_ends_it() -> None:
    reply = UNKNOWN.read_stream([StreamEvent("error", b'{"error": {"type": "boom", "message": "m"}}')])
    assert reply.error == CallError(type="boom", message="m")
    assert reply.finished
