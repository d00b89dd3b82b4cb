from __future__ import annotations

import orjson

from arc_proxy.wire.openai_completions import OPENAI_COMPLETIONS
from arc_proxy.wire.stream import StreamEvent

USAGE = {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}


def test_reads_a_request() -> None:
    prompt = OPENAI_COMPLETIONS.read_prompt(
        {"model": "m", "prompt": ["a", "b"], "suffix": "z", "max_tokens": 5, "stream": True}
    )
    assert prompt.messages == (b'{"prompt":["a","b"],"suffix":"z"}',)
    assert (prompt.model, prompt.stream, prompt.parameters) == ("m", True, {"max_tokens": 5})


def test_reads_a_reply() -> None:
    choices = [{"index": 0, "text": " there", "finish_reason": "length"}]
    reply = OPENAI_COMPLETIONS.read_reply(
        {"id": "cmpl-1", "model": "m-1", "choices": choices, "usage": USAGE}
    )
    assert (reply.output_text, reply.finish_reason, reply.model) == (" there", "length", "m-1")
    assert (reply.usage, reply.response_id, reply.finished) == (USAGE, "cmpl-1", True)


def test_reads_a_reply_in_the_form_of_a_chat() -> None:
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]
    assert OPENAI_COMPLETIONS.read_reply({"choices": choices}).output_text == "Hi"


def test_reads_a_stream() -> None:
    chunks = [
        {"choices": [{"index": 0, "text": " th"}]},
        {"choices": [{"index": 0, "text": "ere", "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    ]
    events = [StreamEvent("message", orjson.dumps(chunk)) for chunk in chunks]
    reply = OPENAI_COMPLETIONS.read_stream([*events, StreamEvent("message", b"[DONE]")])
    assert (reply.output_text, reply.finish_reason, reply.usage) == (" there", "stop", USAGE)
    assert (reply.finished, reply.events) == (True, 4)


def test_what_is_no_choice_is_left_out() -> None:
    assert OPENAI_COMPLETIONS.read_reply({"choices": [None, 3, {"text": 7}]}).output_text is None
