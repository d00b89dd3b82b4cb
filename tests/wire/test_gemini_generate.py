from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from arc_proxy.wire.gemini_generate import GEMINI_GENERATE
from arc_proxy.wire.stream import StreamEvent

URL = "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:streamGenerateContent?alt=sse"


def response(*parts: dict[str, Any], finish: Any = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x-001", "responseId": "r1"} | more


def fold(*documents: dict[str, Any]) -> Reply:
    return GEMINI_GENERATE.read_stream(
        [StreamEvent("message", orjson.dumps(document)) for document in documents]
    )


def message(reply: Reply) -> Any:
    return orjson.loads(reply.message or b"null")


CALL = {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "s1"}
TEXT = {"text": "Sunny."}
THOUGHT = {"text": "Look it up.", "thought": True}


def test_reads_a_request() -> None:
    prompt = GEMINI_GENERATE.read_prompt(
        {
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "tools": [{"functionDeclarations": [{"name": "weather"}]}],
            "generationConfig": {"temperature": 0},
        }
    )
    assert prompt.messages == (
        b'{"tools":[{"functionDeclarations":[{"name":"weather"}]}]}',
        b'{"parts":[{"text":"Be brief."}],"role":"system"}',
        b'{"parts":[{"text":"Hi"}],"role":"user"}',
    )
    assert prompt.parameters == {"generationConfig": {"temperature": 0}}


def test_a_system_instruction_may_be_a_text_and_the_field_may_be_in_snake_case() -> None:
    prompt = GEMINI_GENERATE.read_prompt({"system_instruction": "Be brief.", "contents": "Hi"})
    assert prompt.messages == (b'{"parts":"Be brief.","role":"system"}', b'"Hi"')


def test_reads_a_plain_reply() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
    reply = GEMINI_GENERATE.read_reply(response(THOUGHT, TEXT, CALL, finish="STOP", usageMetadata=usage))
    assert reply == Reply(
        model="gemini-x-001",
        response_id="r1",
        finish_reason="STOP",
        output_text="Sunny.",
        tool_calls=(ToolCall(id=None, name="weather", arguments='{"city":"Rome"}'),),
        billed_tools=(),
        usage=usage,
        message=reply.message,
        finished=True,
    )
    assert message(reply) == {"role": "model", "parts": [THOUGHT, TEXT, CALL]}


REPLIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an id of a call is kept": (
        response({"functionCall": {"id": "call-1", "name": "f"}}),
        {"tool_calls": (ToolCall(id="call-1", name="f", arguments=""),)},
    ),
    "no text is no answer": (response(CALL), {"output_text": None}),
    "an empty text is one": (response({"text": ""}), {"output_text": ""}),
    "a reason to finish that is a number": (response(TEXT, finish=2), {"finish_reason": "2"}),
    "a prompt that was blocked": (
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"finish_reason": "SAFETY", "output_text": None, "message": None},
    ),
    "a second candidate is not read": (
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "B"}]}}, *response(TEXT)["candidates"]]},
        {"output_text": "Sunny."},
    ),
    "code that was run is no answer": (
        response({"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}, TEXT),
        {"output_text": "Sunny.", "tool_calls": (), "server_tools": ()},
    ),
    "searches are billed": (
        {"candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}]},
        {"billed_tools": ("google_search", "google_search")},
    ),
    "an error": (
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "later"}},
        {"error": CallError(type="RESOURCE_EXHAUSTED", message="later")},
    ),
    "a wrapped response": ({"response": response(TEXT), "traceId": "t"}, {"output_text": "Sunny."}),
    "candidates that are none": ({"candidates": {"a": 1}, "usageMetadata": 7}, {"usage": None}),
    "parts that are none": (
        {"candidates": [{"content": {"parts": [None, "x", {"functionCall": 3}]}}]},
        {"output_text": None, "tool_calls": (ToolCall(id=None, name="", arguments=""),)},
    ),
}


@pytest.mark.parametrize(("document", "said"), REPLIES.values(), ids=REPLIES)
def test_reads(document: dict[str, Any], said: dict[str, Any]) -> None:
    reply = GEMINI_GENERATE.read_reply(document)
    assert {field: getattr(reply, field) for field in said} == said


def test_a_wrapped_request() -> None:
    body = {"model": "gemini-x", "project": "p", "request": {"contents": [{"parts": [{"text": "Hi"}]}]}}
    prompt = GEMINI_GENERATE.read_prompt(body)
    assert (prompt.model, prompt.messages) == ("gemini-x", (b'{"parts":[{"text":"Hi"}]}',))


def test_a_stream_is_joined_to_the_reply_that_came_at_once() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 4}
    streamed = fold(
        response({"text": "Look ", "thought": True}, usageMetadata={"promptTokenCount": 5}),
        response({"text": "it up.", "thought": True}),
        response({"text": "Sun"}, usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 1}),
        response({"text": "ny."}),
        response(CALL),
        response({"text": ""}, finish="STOP", usageMetadata=usage),
    )
    assert (streamed.output_text, streamed.finish_reason, streamed.usage) == ("Sunny.", "STOP", usage)
    assert (streamed.finished, streamed.events) == (True, 6)
    assert message(streamed)["parts"] == [THOUGHT, TEXT, CALL, {"text": ""}]


def test_a_signature_ends_its_text() -> None:
    streamed = fold(
        response({"text": "a"}), response({"text": "b", "thoughtSignature": "s"}), response({"text": "c"})
    )
    assert message(streamed)["parts"] == [{"text": "ab", "thoughtSignature": "s"}, {"text": "c"}]


def test_a_stream_that_was_cut_yields_what_came_and_is_not_finished() -> None:
    reply = fold(response({"text": "Sun"}))
    assert (reply.output_text, reply.finished) == ("Sun", False)


def test_an_error_ends_a_stream() -> None:
    reply = fold(response({"text": "Sun"}), {"error": {"status": "UNAVAILABLE", "message": "gone"}})
    assert reply.error == CallError(type="UNAVAILABLE", message="gone")
    assert (reply.output_text, reply.finished) == ("Sun", True)


FRAMED = {
    "server-sent events": b"".join(
        b"data: %b\r\n\r\n" % orjson.dumps(each)
        for each in (response({"text": "Sun"}), response({"text": "ny."}, finish="STOP"))
    ),
    "an array": orjson.dumps([response({"text": "Sun"}), response({"text": "ny."}, finish="STOP")]),
    "an array as it is printed": b",\r\n".join(
        [
            b"[" + orjson.dumps(response({"text": "Sun"}), option=orjson.OPT_INDENT_2),
            orjson.dumps(response({"text": "ny."}, finish="STOP"), option=orjson.OPT_INDENT_2) + b"\n]",
        ]
    ),
}


@pytest.mark.parametrize("body", FRAMED.values(), ids=FRAMED)
@given(cut=st.integers(min_value=0))
def test_a_response_in_any_framing_cut_anywhere_yields_its_beginning(body: bytes, cut: int) -> None:
    def read(response_body: bytes, whole: bool) -> Reply:
        exchange = HttpExchange(
            method="POST", url=URL, status=200, response_body=response_body, response_whole=whole
        )
        return read_exchange(exchange).reply

    reply = read(body, True)
    assert (reply.output_text, reply.finish_reason, reply.finished) == ("Sunny.", "STOP", True)
    assert "Sunny.".startswith(read(body[: cut % len(body)], False).output_text or "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("candidates", "content", "parts", "text", "functionCall", "error", "finishReason"),
                    *("promptFeedback", "blockReason", "groundingMetadata", "webSearchQueries", "response"),
                    *("contents", "tools", "systemInstruction", "request", "thought", "name", "args", "id"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=4))
def test_any_json_is_read_without_an_error(documents: list[Any]) -> None:
    GEMINI_GENERATE.read_stream([StreamEvent("message", orjson.dumps(document)) for document in documents])
    for document in documents:
        if isinstance(document, dict):
            GEMINI_GENERATE.read_reply(document)
            GEMINI_GENERATE.read_prompt(document)
