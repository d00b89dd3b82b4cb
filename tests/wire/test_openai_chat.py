from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.openai_chat import OPENAI_CHAT
from arc_proxy.wire.stream import StreamEvent


def plain(message: dict[str, Any], **beside: Any) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return OPENAI_CHAT.read_reply({"id": "c1", "model": "m-2026", "choices": [choice], **beside})


def streamed(*chunks: Any, done: bool = True) -> Reply:
    events = [StreamEvent("message", orjson.dumps(chunk)) for chunk in chunks]
    return OPENAI_CHAT.read_stream(events + [StreamEvent("message", b"[DONE]")] * done)


def delta(**said: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m-2026", "choices": [{"index": 0, "delta": said, "finish_reason": None}]}


def end(reason: str, **beside: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **beside}


def call(index: int | None, arguments: Any, **said: Any) -> dict[str, Any]:
    name = said.pop("name", None)
    piece = {"function": {"arguments": arguments} | ({"name": name} if name is not None else {})} | said
    return delta(tool_calls=[piece if index is None else piece | {"index": index}])


WEATHER = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
WEATHER_CALL = ToolCall(id="t1", name="weather", arguments='{"city": "Oslo"}')
CLOCK_CALL = ToolCall(id="t2", name="clock", arguments="{}")


def test_reads_a_plain_reply() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert plain({"role": "assistant", "content": "Hi"}, usage=usage, service_tier="default") == Reply(
        model="m-2026",
        response_id="c1",
        finish_reason="stop",
        output_text="Hi",
        usage=usage,
        service_tier="default",
        message=b'{"content":"Hi","role":"assistant"}',
        finished=True,
    )


def test_reads_the_same_from_a_stream() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    reply = streamed(
        delta(role="assistant", content="", refusal=None),
        delta(content="H"),
        delta(content="i"),
        end("stop", service_tier="default"),
        {"choices": [], "usage": usage},
    )
    assert reply == Reply(
        model="m-2026",
        response_id="c1",
        finish_reason="stop",
        output_text="Hi",
        usage=usage,
        service_tier="default",
        message=b'{"content":"Hi","role":"assistant"}',
        finished=True,
        events=6,
    )


TEXTS = {
    "text": ("Hi", "Hi"),
    "empty text is text": ("", ""),
    "none": (None, None),
    "parts, without the thinking (Mistral)": (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}],
        "Hi",
    ),
    "an object is no text (Cloudflare)": ({"title": "Hi"}, None),
    "a number": (7, None),
}


@pytest.mark.parametrize(("content", "text"), TEXTS.values(), ids=TEXTS)
def test_the_answer_is(content: Any, text: str | None) -> None:
    assert plain({"role": "assistant", "content": content}).output_text == text


@pytest.mark.parametrize(("content", "text"), TEXTS.values(), ids=TEXTS)
def test_the_streamed_answer_is(content: Any, text: str | None) -> None:
    assert streamed(delta(role="assistant"), delta(content=content), end("stop")).output_text == text


def test_a_refusal_is_no_answer_and_is_quoted() -> None:
    reply = plain({"role": "assistant", "content": None, "refusal": "I can't."})
    assert reply.output_text is None
    assert reply.message == b'{"content":null,"refusal":"I can\'t.","role":"assistant"}'
    assert streamed(delta(refusal="I "), delta(refusal="can't."), end("stop")).message == reply.message


def test_what_was_said_aloud_is_the_answer_and_is_quoted_by_its_id() -> None:
    audio = {"id": "a1", "data": "UklGR...", "transcript": "Hi there"}
    reply = plain({"role": "assistant", "content": None, "audio": audio})
    assert reply.output_text == "Hi there"
    assert reply.message == b'{"audio":{"id":"a1"},"content":null,"role":"assistant"}'
    pieces = [{"id": "a1", "transcript": "Hi "}, {"data": "UklGR"}, {"transcript": "there"}]
    spoken = streamed(*[delta(audio=piece) for piece in pieces], end("stop"))
    assert (spoken.output_text, spoken.message) == ("Hi there", reply.message)


def test_reasoning_is_no_answer_and_stays_with_the_message() -> None:
    reply = plain({"role": "assistant", "content": "4", "reasoning_content": "2 and 2"})
    assert reply.output_text == "4"
    assert reply.message == b'{"content":"4","reasoning_content":"2 and 2","role":"assistant"}'
    pieces = [
        delta(reasoning_content="2 "),
        delta(reasoning_content="and 2"),
        delta(content="4"),
        end("stop"),
    ]
    assert streamed(*pieces).message == reply.message


def test_the_pieces_of_a_reasoning_detail_are_joined() -> None:
    def detail(text: str, **more: Any) -> dict[str, Any]:
        return delta(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": text, **more}])

    other = delta(reasoning_details=[{"type": "reasoning.encrypted", "index": 1, "data": "x"}])
    reply = streamed(detail("a", format="f"), detail("b", format=None, signature="s"), other, end("stop"))
    assert orjson.loads(reply.message or b"")["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "ab", "format": "f", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "x"},
    ]


def test_only_the_first_choice_counts() -> None:
    choices = [
        {"index": 1, "message": {"content": "second"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "first"}, "finish_reason": "stop"},
    ]
    reply = OPENAI_CHAT.read_reply({"choices": choices})
    assert (reply.output_text, reply.finish_reason) == ("first", "stop")
    second = {"choices": [{"index": 1, "delta": {"content": "second"}, "finish_reason": "length"}]}
    streamed_reply = streamed(delta(content="fi"), second, delta(content="rst"), end("stop"), second)
    assert (streamed_reply.output_text, streamed_reply.finish_reason) == ("first", "stop")


TOOL_CALLS = {
    "as they are": ({"tool_calls": [WEATHER]}, (WEATHER_CALL,)),
    "with an object for arguments": (
        {"tool_calls": [{"id": "t1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]},
        (ToolCall(id="t1", name="weather", arguments='{"city":"Oslo"}'),),
    ),
    "without arguments": (
        {"tool_calls": [{"id": "t1", "function": {"name": "clock"}}]},
        (ToolCall(id="t1", name="clock", arguments=""),),
    ),
    "of a custom tool": (
        {"tool_calls": [{"id": "t1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}]},
        (ToolCall(id="t1", name="run", arguments="print(1)"),),
    ),
    "in the legacy form": (
        {"function_call": {"name": "weather", "arguments": "{}"}},
        (ToolCall(id=None, name="weather", arguments="{}"),),
    ),
    "that are null (Mistral)": ({"tool_calls": None}, ()),
    "that are none (Venice)": ({"tool_calls": []}, ()),
    "that are nonsense": ({"tool_calls": "weather"}, ()),
}


@pytest.mark.parametrize(("said", "calls"), TOOL_CALLS.values(), ids=TOOL_CALLS)
def test_reads_tool_calls(said: dict[str, Any], calls: tuple[ToolCall, ...]) -> None:
    assert plain({"role": "assistant", "content": None, **said}).tool_calls == calls


STREAMED_TOOL_CALLS = {
    "in pieces": [
        call(0, "", id="t1", name="weather"),
        call(0, '{"city": '),
        call(0, '"Oslo"}'),
        call(1, "", id="t2", name="clock"),
        call(1, "{}"),
    ],
    "by turns": [
        call(0, '{"city"', id="t1", name="weather"),
        call(1, "{", id="t2", name="clock"),
        call(0, ': "Oslo"}'),
        call(1, "}"),
    ],
    "whole and without an index (Mistral)": [
        call(None, '{"city": "Oslo"}', id="t1", name="weather"),
        call(None, "{}", id="t2", name="clock"),
    ],
    "in pieces without an index": [
        call(None, '{"city": ', id="t1", name="weather"),
        call(None, '"Oslo"}'),
        call(None, "{}", id="t2", name="clock"),
    ],
    "all under index 0 (Gemini)": [
        call(0, '{"city": "Oslo"}', id="t1", name="weather"),
        call(0, "{}", id="t2", name="clock"),
    ],
    "with id and name in every piece": [
        call(0, '{"city": ', id="t1", name="weather"),
        call(0, '"Oslo"}', id="t1", name="weather"),
        call(1, "{}", id="t2", name="clock"),
    ],
    "with an empty id and name in later pieces (DashScope)": [
        call(0, '{"city": ', id="t1", name="weather"),
        call(0, '"Oslo"}', id="", name=""),
        call(0, None, id=""),
        call(1, "{}", id="t2", name="clock"),
    ],
}


@pytest.mark.parametrize("chunks", STREAMED_TOOL_CALLS.values(), ids=STREAMED_TOOL_CALLS)
def test_puts_tool_calls_together(chunks: list[dict[str, Any]]) -> None:
    reply = streamed(delta(role="assistant", content=None), *chunks, end("tool_calls"))
    assert reply.tool_calls == (WEATHER_CALL, CLOCK_CALL)
    clock = {"id": "t2", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    same = plain({"role": "assistant", "content": None, "tool_calls": [WEATHER, clock | {"index": 1}]})
    assert reply.message == same.message


def test_puts_a_legacy_function_call_together() -> None:
    pieces = [{"name": "weather", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"}]
    reply = streamed(*[delta(function_call=piece) for piece in pieces], end("function_call"))
    assert reply.tool_calls == (ToolCall(id=None, name="weather", arguments="{}"),)
    assert orjson.loads(reply.message or b"")["function_call"] == {"name": "weather", "arguments": "{}"}


def test_puts_a_custom_tool_call_together() -> None:
    pieces = [
        {"index": 0, "id": "t1", "custom": {"name": "run", "input": "1"}},
        {"index": 0, "custom": {"input": "+1"}},
    ]
    reply = streamed(*[delta(tool_calls=[piece]) for piece in pieces], end("tool_calls"))
    assert reply.tool_calls == (ToolCall(id="t1", name="run", arguments="1+1"),)


def test_tools_that_groq_ran_are_server_tools() -> None:
    executed = [
        {"index": 0, "type": "search", "arguments": "{}", "output": "..."},
        "nonsense",
        {"type": None},
    ]
    assert plain({"content": "Hi", "executed_tools": executed}).server_tools == ("search",)
    assert streamed(delta(executed_tools=executed), end("stop")).server_tools == ("search",)


USAGES = {
    "in a last chunk without choices (OpenAI)": [
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
    ],
    "in the chunk that ends (Mistral)": [end("stop", usage={"prompt_tokens": 9, "completion_tokens": 2})],
    "growing in every chunk (Perplexity)": [
        delta(content="") | {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
        end("stop", usage={"prompt_tokens": 9, "completion_tokens": 2}),
    ],
    "null until the end": [
        delta(content="") | {"usage": None},
        end("stop", usage={"prompt_tokens": 9, "completion_tokens": 2}),
        {"choices": [], "usage": None},
    ],
    "field by field (Databricks)": [
        delta(content="") | {"usage": {"prompt_tokens": 9, "completion_tokens": None}},
        end("stop", usage={"completion_tokens": 2}),
    ],
    "under x_groq alone": [end("stop", x_groq={"usage": {"prompt_tokens": 9, "completion_tokens": 2}})],
}


@pytest.mark.parametrize("chunks", USAGES.values(), ids=USAGES)
def test_finds_usage(chunks: list[dict[str, Any]]) -> None:
    assert streamed(delta(content="Hi"), *chunks).usage == {"prompt_tokens": 9, "completion_tokens": 2}


def test_a_stream_that_nobody_asked_to_count_has_no_usage() -> None:
    assert streamed(delta(content="Hi"), end("stop")).usage is None


def test_azures_first_chunk_names_no_model() -> None:
    first = {"model": "", "id": "", "choices": [], "prompt_filter_results": []}
    reply = streamed(first, delta(content="Hi"), end("stop"))
    assert (reply.model, reply.response_id) == ("m-2026", "c1")


def test_a_cut_stream_yields_what_did_arrive() -> None:
    reply = streamed(
        delta(role="assistant", content="Hel"), call(0, '{"ci', id="t1", name="weather"), done=False
    )
    assert not reply.finished
    assert reply.finish_reason is None
    assert reply.output_text == "Hel"
    assert reply.tool_calls == (ToolCall(id="t1", name="weather", arguments='{"ci'),)


ERRORS_IN_A_STREAM = {
    "beside an empty choice (OpenRouter)": {
        "error": {"code": 502, "message": "gone"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    },
    "alone": {"error": {"type": "502", "message": "gone"}},
    "inside the choice": {"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "gone"}}]},
}


@pytest.mark.parametrize("chunk", ERRORS_IN_A_STREAM.values(), ids=ERRORS_IN_A_STREAM)
def test_an_error_inside_a_stream_is_the_calls_error_and_ends_it(chunk: dict[str, Any]) -> None:
    reply = streamed(delta(content="Hel"), chunk, done=False)
    assert reply.error == CallError(type="502", message="gone")
    assert reply.output_text == "Hel"
    assert reply.finished


def test_an_error_inside_a_good_response() -> None:
    assert OPENAI_CHAT.read_reply({"error": {"code": 429, "message": "later"}}) == Reply(
        error=CallError(type="429", message="later"), finished=True
    )
    choice = {"index": 0, "message": {"content": ""}, "error": {"code": 502, "message": "gone"}}
    assert OPENAI_CHAT.read_reply({"choices": [choice]}).error == CallError(type="502", message="gone")


def test_reads_a_request() -> None:
    prompt = OPENAI_CHAT.read_prompt(
        {
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "temperature": 0,
        }
    )
    assert (prompt.model, prompt.stream) == ("m", True)
    assert prompt.messages == (
        b'{"tools":[{"function":{"name":"f"},"type":"function"}]}',
        b'{"content":"Be brief.","role":"system"}',
        b'{"content":"Hi","role":"user"}',
    )
    assert prompt.parameters == {"stream_options": {"include_usage": True}, "temperature": 0}


def test_legacy_functions_are_tools() -> None:
    prompt = OPENAI_CHAT.read_prompt({"functions": [{"name": "f"}], "messages": [{"role": "user"}]})
    assert prompt.messages == (b'{"functions":[{"name":"f"}]}', b'{"role":"user"}')


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools_are_no_message(tools: Any) -> None:
    assert OPENAI_CHAT.read_prompt({"tools": tools, "messages": []}).messages == ()
