from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from arc_proxy.wire.ollama_chat import OLLAMA_CHAT
from arc_proxy.wire.stream import StreamEvent

CALL = {"function": {"name": "find", "arguments": {"q": "x"}}}
END = {"model": "qwen3", "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 3}


def piece(**message: Any) -> dict[str, Any]:
    return {"model": "qwen3", "done": False, "message": {"role": "assistant"} | message}


def fold(*documents: dict[str, Any]) -> Reply:
    return OLLAMA_CHAT.read_stream([StreamEvent("message", orjson.dumps(each)) for each in documents])


PROMPTS: dict[str, tuple[dict[str, Any], tuple[bytes, ...], bool]] = {
    "of chat": (
        {"messages": [{"role": "user", "content": "Hi"}], "tools": [1], "stream": False},
        (b'{"tools":[1]}', b'{"content":"Hi","role":"user"}'),
        False,
    ),
    "of generate, which streams unless told otherwise": (
        {"system": "Be brief.", "prompt": "Hi", "images": ["aGk="]},
        (b'{"content":"Be brief.","role":"system"}', b'{"content":"Hi","images":["aGk="],"role":"user"}'),
        True,
    ),
    "that only loads a model": ({"model": "qwen3"}, (), True),
}


@pytest.mark.parametrize(("body", "messages", "stream"), PROMPTS.values(), ids=PROMPTS)
def test_reads_a_request(body: dict[str, Any], messages: tuple[bytes, ...], stream: bool) -> None:
    prompt = OLLAMA_CHAT.read_prompt(body)
    assert (prompt.messages, prompt.stream) == (messages, stream)


def test_reads_a_reply() -> None:
    message = {"role": "assistant", "content": "Yes.", "thinking": "hm", "tool_calls": [CALL]}
    reply = OLLAMA_CHAT.read_reply(END | {"message": message})
    assert reply == Reply(
        model="qwen3",
        finish_reason="stop",
        output_text="Yes.",
        tool_calls=(ToolCall(id=None, name="find", arguments='{"q":"x"}'),),
        usage={"prompt_eval_count": 9, "eval_count": 3},
        message=orjson.dumps(message, option=orjson.OPT_SORT_KEYS),
        finished=True,
    )


def test_a_stream_is_joined_to_the_reply_that_came_at_once() -> None:
    streamed = fold(
        piece(content="", thinking="h"),
        piece(content="", thinking="m"),
        piece(content="Ye"),
        piece(content="s."),
        piece(content="", tool_calls=[CALL]),
        END | {"message": {"role": "assistant", "content": ""}},
    )
    message = {"role": "assistant", "content": "Yes.", "thinking": "hm", "tool_calls": [CALL]}
    at_once = OLLAMA_CHAT.read_reply(END | {"message": message})
    assert streamed.events == 6
    for field in ("output_text", "tool_calls", "message", "usage", "finish_reason", "finished"):
        assert getattr(streamed, field) == getattr(at_once, field)


def test_generate_answers_in_a_field_of_its_own() -> None:
    reply = fold({"response": "Ye", "done": False}, {"response": "s.", "done": False}, END)
    assert (reply.output_text, reply.finished) == ("Yes.", True)


def test_a_prompt_that_was_still_in_memory_has_no_count() -> None:
    assert fold({"done": True, "eval_count": 3}).usage == {"eval_count": 3}


def test_a_stream_that_was_cut_yields_what_came() -> None:
    reply = fold(piece(content="Ye"))
    assert (reply.output_text, reply.finished, reply.usage) == ("Ye", False, None)


def test_an_error_inside_a_stream_ends_it() -> None:
    reply = fold(piece(content="Ye"), {"error": "model runner has stopped"})
    assert reply.error == CallError(type=None, message="model runner has stopped")
    assert reply.finished


def test_lines_are_told_from_one_document_by_their_bytes() -> None:
    lines = b"".join(orjson.dumps(each) + b"\n" for each in (piece(content="Ye"), piece(content="s."), END))
    url = "http://127.0.0.1:11434/api/chat"
    reply = read_exchange(HttpExchange(method="POST", url=url, status=200, response_body=lines)).reply
    assert (reply.output_text, reply.events, reply.finished) == ("Yes.", 3, True)
