from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arc_proxy.call import CallError, Kind
from arc_proxy.wire.openai_responses_socket import ResponsesTurns
from arc_proxy.wire.websocket import Direction, Message, Opcode
from tests.wire.talk import Said, down, messages, restored, turns, up

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def asks(text: str, **fields: Any) -> Said:
    return up("response.create", model="gpt-5.2", input=[{"role": "user", "content": text}], **fields)


def answers(number: int, text: str, **lane: Any) -> list[Said]:
    response = {"id": f"resp_{number}", "model": "gpt-5.2-2025-12-11", "status": "in_progress", "output": []}
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    done = response | {"status": "completed", "output": [message], "usage": USAGE}
    return [
        down("response.created", response=response, **lane),
        down("response.output_text.delta", output_index=0, content_index=0, delta=text, **lane),
        down("response.completed", response=done, **lane),
    ]


def test_each_response_is_a_turn() -> None:
    said = [asks("one"), *answers(1, "Eins"), asks("two", previous_response_id="resp_1"), *answers(2, "Zwei")]
    first, second = turns(ResponsesTurns(), said)
    assert (first.number, first.started_ns, first.first_byte_ns, first.ended_ns) == (1, 10, 20, 40)
    assert first.prompt.messages == (b'{"content":"one","role":"user"}',)
    assert (first.prompt.model, first.prompt.stream) == ("gpt-5.2", True)
    assert (first.reply.output_text, first.reply.model) == ("Eins", "gpt-5.2-2025-12-11")
    assert (first.reply.usage, first.reply.finished, first.reply.events) == (USAGE, True, 3)
    assert (second.number, second.reply.response_id) == (2, "resp_2")
    assert second.prompt.parameters == {"previous_response_id": "resp_1"}
    assert {first.kind, second.kind} == {Kind.GENERATION}


def test_what_is_asked_ahead_is_answered_in_order() -> None:
    said = [asks("one"), asks("two"), *answers(1, "Eins"), *answers(2, "Zwei")]
    first, second = turns(ResponsesTurns(), said)
    assert [first.reply.output_text, second.reply.output_text] == ["Eins", "Zwei"]
    assert (second.started_ns, second.first_byte_ns) == (20, 60)


def test_lanes_do_not_mix() -> None:
    one, two = answers(1, "Eins", stream_id="a"), answers(2, "Zwei", stream_id="b")
    said = [asks("one", stream_id="a"), asks("two", stream_id="b")]
    said += [event for pair in zip(two, one, strict=True) for event in pair]
    second, first = turns(ResponsesTurns(), said)
    assert (first.number, first.reply.output_text) == (1, "Eins")
    assert (second.number, second.reply.output_text) == (2, "Zwei")
    assert "stream_id" not in first.prompt.parameters


def test_an_error_ends_the_turn_with_its_status() -> None:
    error = {"type": "usage_limit_reached", "message": "The usage limit has been reached"}
    [turn] = turns(ResponsesTurns(), [asks("one"), down("error", status=429, error=error)])
    assert turn.reply.error == CallError(type="usage_limit_reached", message=error["message"])
    assert (turn.status, turn.kind, turn.reply.finished) == (429, Kind.GENERATION, True)


def test_an_error_of_the_connection_is_no_generation() -> None:
    error = {"type": "invalid_request_error", "code": "websocket_connection_limit_reached"}
    [turn] = turns(ResponsesTurns(), [down("error", status=400, error=error)])
    assert (turn.kind, turn.status, turn.number) == (Kind.AUXILIARY, 400, 1)


def test_a_response_that_nobody_asked_for_is_a_turn() -> None:
    [turn] = turns(ResponsesTurns("from-url"), answers(1, "Eins"))
    assert (turn.reply.output_text, turn.kind, turn.prompt.model) == ("Eins", Kind.GENERATION, "from-url")


def test_a_turn_that_is_not_over_says_what_has_come() -> None:
    reader = ResponsesTurns()
    assert turns(reader, [asks("one"), *answers(1, "Eins")[:-1]]) == []
    [turn] = reader.open_turns()
    assert (turn.reply.output_text, turn.reply.finished, turn.reply.usage) == ("Eins", False, None)


def test_credentials_in_a_request_are_cut() -> None:
    tool = {"type": "mcp", "server_url": "https://x", "authorization": "secret-of-an-mcp-server"}
    [turn] = turns(ResponsesTurns(), [asks("one", tools=[tool]), *answers(1, "Eins")])
    assert b"secret-of-an-mcp-server" not in turn.request + b"".join(turn.prompt.messages)


def test_of_a_huge_response_the_end_counts() -> None:
    """It says all of it again."""
    delta = "x" * 1_000_000
    piece = down("response.output_text.delta", output_index=0, content_index=0, delta=delta)
    first, *_, last = answers(1, "Eins")
    [turn] = turns(ResponsesTurns(), [asks("one"), first, *[piece] * 20, last])
    assert (turn.reply.output_text, turn.reply.usage) == ("Eins", USAGE)


@settings(deadline=None)
@given(st.integers(0, 7))
def test_a_reader_that_is_made_anew_goes_on(place: int) -> None:
    said = messages([asks("one"), *answers(1, "Eins"), asks("two"), *answers(2, "Zwei")])
    whole = [turn for reader in [ResponsesTurns()] for message in said for turn in reader.read(message)]
    reader = ResponsesTurns()
    got = [turn for message in said[:place] for turn in reader.read(message)]
    again = restored(ResponsesTurns, reader)
    assert got + [turn for message in said[place:] for turn in again.read(message)] == whole


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(
    st.sampled_from(["type", "response", "error", "delta", "item", "stream_id", "input", "status"]),
    documents | st.sampled_from(["response.create", "response.created", "response.completed", "error"]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Direction), events)))
def test_nothing_that_is_said_raises(said: list[Said]) -> None:
    reader = ResponsesTurns()
    turns(reader, said)
    reader.open_turns()
    for opcode in Opcode:
        assert list(reader.read(Message(Direction.UP, opcode, b"\xff{", 0))) == []
