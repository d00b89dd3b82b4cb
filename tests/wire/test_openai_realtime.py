from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_proxy.call import CallError, Kind, ToolCall
from arc_proxy.wire import realtime_items
from arc_proxy.wire.openai_realtime import RealtimeTurns
from arc_proxy.wire.websocket import Direction, Message, Opcode
from tests.wire.talk import Said, down, messages, restored, turns, up
from tests.wire.test_openai_responses_socket import documents

SESSION = {
    "type": "realtime",
    "model": "gpt-realtime-2025-08-28",
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "weather"}],
    "output_modalities": ["audio"],
}
USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "cached_tokens": 64},
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
OPENING = [down("session.created", session=SESSION)]


def user(item_id: str, text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": content}


def spoken(item_id: str, text: str, kind: str = "output_audio") -> dict[str, Any]:
    part = {"type": kind, "transcript": text, "audio": base64.b64encode(b"pcm").decode()}
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def asks(item_id: str, text: str, **fields: Any) -> list[Said]:
    """As the client says it, and the server confirms."""
    item = user(item_id, text)
    bare = {name: value for name, value in item.items() if name not in ("id", "status")}
    return [
        up("conversation.item.create", item=bare),
        down("conversation.item.added", item=item, previous_item_id=None),
        up("response.create", **fields),
    ]


def answers(number: int, *output: dict[str, Any], **fields: Any) -> list[Said]:
    response = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress", "output": []}
    done = response | {"status": "completed", "output": list(output), "usage": USAGE} | fields
    return [
        down("response.created", response=response),
        down("response.output_audio.delta", response_id=f"resp_{number}", delta="AAAA"),
        down(
            "response.output_audio_transcript.delta", response_id=f"resp_{number}", item_id="x", delta="Hel"
        ),
        down("response.done", response=done),
    ]


def test_each_response_is_a_turn() -> None:
    said = [*OPENING, *asks("i1", "Hello"), *answers(1, spoken("a1", "Hi there"))]
    said += [*asks("i2", "And now?"), *answers(2, spoken("a2", "Now this"))]
    first, second = turns(RealtimeTurns(), said)
    assert (first.number, first.started_ns, first.first_byte_ns, first.ended_ns) == (1, 40, 60, 80)
    assert (first.prompt.model, first.reply.model) == (SESSION["model"],) * 2
    assert (first.reply.output_text, first.reply.response_id) == ("Hi there", "resp_1")
    assert (first.reply.finish_reason, first.reply.usage, first.reply.finished) == ("completed", USAGE, True)
    assert (first.dialect, first.endpoint, first.kind) == ("openai.realtime", "realtime", Kind.GENERATION)
    tools, system, asked = (json.loads(message) for message in first.prompt.messages)
    assert (tools, system["content"]) == ({"tools": SESSION["tools"]}, "Be brief.")
    assert asked["content"] == [{"type": "input_text", "text": "Hello"}]
    assert second.prompt.messages[:3] == first.prompt.messages
    assert [json.loads(each)["id"] for each in second.prompt.messages[3:]] == ["a1", "i2"]
    assert first.prompt.parameters["output_modalities"] == ["audio"]
    assert base64.b64encode(b"pcm").decode() not in repr(second)


def test_the_beta_names_say_the_same() -> None:
    message = {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
    }
    session = {"model": "gpt-4o-realtime-preview", "instructions": "Be brief.", "modalities": ["text"]}
    said = [
        down("session.created", session=session),
        up("conversation.item.create", item={"type": "message", "role": "user", "content": []}),
        down("conversation.item.created", item=user("i1", "Hello")),
        up("response.create", response={"modalities": ["text"]}),
        down("response.created", response={"id": "resp_1", "status": "in_progress"}),
        down("response.text.delta", response_id="resp_1", item_id="a1", delta="Hi"),
        down("response.done", response={"id": "resp_1", "status": "completed", "output": [message]}),
    ]
    [turn] = turns(RealtimeTurns(), said)
    assert (turn.reply.output_text, turn.reply.model) == ("Hi", "gpt-4o-realtime-preview")
    assert len(turn.prompt.messages) == 2  # what the client proposed is what the server confirmed


def test_tool_calls_and_what_they_gave() -> None:
    call = {
        "id": "f1",
        "type": "function_call",
        "name": "weather",
        "call_id": "call_1",
        "arguments": '{"c":1}',
    }
    result = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    said = [*OPENING, *asks("i1", "Weather?"), *answers(1, call)]
    said += [
        up("conversation.item.create", item=result),
        up("response.create"),
        *answers(2, spoken("a1", "Sun")),
    ]
    first, second = turns(RealtimeTurns(), said)
    assert first.reply.tool_calls == (ToolCall(id="call_1", name="weather", arguments='{"c":1}'),)
    assert first.reply.output_text is None
    assert [json.loads(each)["type"] for each in second.prompt.messages[3:]] == [
        "function_call",
        "function_call_output",
    ]


def test_a_response_to_speech_begins_when_the_speech_ended() -> None:
    said = [
        *OPENING,
        down("input_audio_buffer.speech_stopped", audio_end_ms=1),
        down("input_audio_buffer.committed", item_id="i1"),
        down("conversation.item.added", item=user("i1", "")),
        *answers(1, spoken("a1", "Hi")),
        down("conversation.item.input_audio_transcription.completed", item_id="i1", transcript="Hello"),
    ]
    turn, written = turns(RealtimeTurns(), said)
    assert (turn.started_ns, turn.request) == (30, b"")
    assert (written.kind, written.dialect, written.number) == (Kind.MEDIA, "openai.audio", 2)
    assert written.reply.output_text == "Hello"


def test_a_transcription_is_billed_by_its_own_model() -> None:
    session = SESSION | {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
    usage = {"type": "tokens", "input_tokens": 20, "output_tokens": 4, "total_tokens": 24}
    said = [
        down("session.updated", session=session),
        down(
            "conversation.item.input_audio_transcription.completed",
            item_id="i1",
            transcript="Hello",
            usage=usage,
        ),
    ]
    [turn] = turns(RealtimeTurns(), said)
    assert (turn.reply.model, turn.reply.usage) == ("gpt-4o-transcribe", usage)


ENDS: dict[str, tuple[dict[str, Any], str, CallError | None]] = {
    "cut in by the user": (
        {"status": "cancelled", "status_details": {"type": "cancelled", "reason": "turn_detected"}},
        "turn_detected",
        None,
    ),
    "too long": (
        {"status": "incomplete", "status_details": {"type": "incomplete", "reason": "max_output_tokens"}},
        "max_output_tokens",
        None,
    ),
    "failed": (
        {
            "status": "failed",
            "status_details": {"type": "failed", "error": {"type": "rate_limit_exceeded", "message": "slow"}},
        },
        "failed",
        CallError(type="rate_limit_exceeded", message="slow"),
    ),
}


@pytest.mark.parametrize(("fields", "reason", "error"), ENDS.values(), ids=ENDS)
def test_how_a_response_ends(fields: dict[str, Any], reason: str, error: CallError | None) -> None:
    [turn] = turns(RealtimeTurns(), [*OPENING, *asks("i1", "Hello"), *answers(1, **fields)])
    assert (turn.reply.finish_reason, turn.reply.error, turn.reply.finished) == (reason, error, True)


def test_an_error_fails_the_request_that_it_names() -> None:
    error = {"type": "invalid_request_error", "message": "no such item", "event_id": "e7"}
    said = [*OPENING, up("response.create", event_id="e6"), up("response.create", event_id="e7")]
    reader = RealtimeTurns()
    [turn] = turns(reader, [*said, down("error", error=error)])
    assert (turn.number, turn.kind) == (2, Kind.GENERATION)
    assert turn.reply.error == CallError(type="invalid_request_error", message="no such item")
    assert [each.number for each in reader.open_turns()] == [1]


def test_an_error_of_the_session_is_no_generation() -> None:
    error = {"type": "invalid_request_error", "message": "unknown parameter"}
    [turn] = turns(RealtimeTurns(), [*OPENING, down("error", error=error)])
    assert turn.kind is Kind.AUXILIARY
    assert turn.reply.error is not None


def test_a_response_outside_the_conversation_has_its_own_input() -> None:
    own = {"conversation": "none", "input": [user("z", "Classify"), {"type": "item_reference", "id": "i1"}]}
    said = [*OPENING, *asks("i1", "Hello"), *answers(1, spoken("a1", "Hi"))]
    said += [up("response.create", response=own), *answers(2, spoken("a2", "greeting"))]
    _, turn = turns(RealtimeTurns(), said)
    assert [json.loads(each)["id"] for each in turn.prompt.messages[2:]] == ["z", "i1"]


def test_a_turn_that_is_not_over_says_what_has_come() -> None:
    reader = RealtimeTurns()
    turns(reader, [*OPENING, *asks("i1", "Hello"), *answers(1, spoken("a1", "Hi"))[:-1]])
    [turn] = reader.open_turns()
    assert (turn.reply.output_text, turn.reply.finished, turn.reply.usage) == ("Hel", False, None)


def test_a_long_conversation_loses_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_items, "ITEMS_BYTES_MAX", 2000)
    said = list(OPENING)
    for number in range(100):
        said += [*asks(f"i{number}", "x" * 100), *answers(number, spoken(f"a{number}", "Hi"))]
    *_, last = turns(RealtimeTurns(), said)
    assert sum(map(len, last.prompt.messages)) < 2500
    assert json.loads(last.prompt.messages[-1])["id"] == "i99"


def test_credentials_in_a_session_are_cut() -> None:
    tool = {"type": "mcp", "server_label": "x", "authorization": "secret-of-an-mcp-server"}
    said = [up("session.update", session={"tools": [tool]}), *asks("i1", "Hello"), *answers(1)]
    [turn] = turns(RealtimeTurns(), said)
    assert "secret-of-an-mcp-server" not in repr(turn)


@settings(deadline=None)
@given(st.integers(0, 17))
def test_a_reader_that_is_made_anew_goes_on(place: int) -> None:
    said = [*OPENING, *asks("i1", "Hello"), *answers(1, spoken("a1", "Hi"))]
    said += [*asks("i2", "More"), *answers(2, spoken("a2", "No"))]
    whole = turns(RealtimeTurns(), said)
    reader = RealtimeTurns()
    got = [turn for message in messages(said)[:place] for turn in reader.read(message)]
    again = restored(RealtimeTurns, reader)
    assert got + [turn for message in messages(said)[place:] for turn in again.read(message)] == whole


KINDS = [
    *("session.update", "session.updated", "conversation.item.create", "conversation.item.added"),
    *("conversation.item.deleted", "response.create", "response.created", "response.done", "error"),
    *("response.output_item.done", "response.text.delta"),
    "conversation.item.input_audio_transcription.completed",
]
FIELDS = [
    "session",
    "item",
    "item_id",
    "previous_item_id",
    "response",
    "response_id",
    "delta",
    "error",
    "usage",
]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Direction),
            st.builds(
                lambda kind, fields: {**fields, "type": kind},
                st.sampled_from(KINDS),
                st.dictionaries(st.sampled_from(FIELDS), documents),
            ),
        )
    )
)
def test_nothing_that_is_said_raises(said: list[Said]) -> None:
    reader = RealtimeTurns()
    turns(reader, said)
    reader.open_turns()
    restored(RealtimeTurns, reader)
    assert list(reader.read(Message(Direction.UP, Opcode.CLOSE, b"\x03\xe8", 0))) == []
