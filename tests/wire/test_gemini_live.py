from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arc_proxy.call import ToolCall
from arc_proxy.wire.gemini_live import LiveTurns
from arc_proxy.wire.sockets import make_turn_reader
from arc_proxy.wire.websocket import Direction
from tests.wire.talk import Said, messages, restored, turns
from tests.wire.test_openai_responses_socket import documents

USAGE = {
    "promptTokenCount": 10,
    "responseTokenCount": 4,
    "totalTokenCount": 14,
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
}


def up(**body: Any) -> Said:
    return Direction.UP, body


def down(**body: Any) -> Said:
    return Direction.DOWN, body


def says(text: str) -> Said:
    turn = {"role": "user", "parts": [{"text": text}]}
    return up(clientContent={"turns": [turn], "turnComplete": True})


SETUP = [
    up(setup={"model": "models/gemini-live-2.5", "systemInstruction": {"parts": [{"text": "Be brief."}]}}),
    down(setupComplete={}),
]
ANSWER = [
    down(serverContent={"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}]}}),
    down(serverContent={"outputTranscription": {"text": "Hi "}}),
    down(serverContent={"outputTranscription": {"text": "there"}}),
    down(serverContent={"turnComplete": True}, usageMetadata=USAGE),
]


def test_each_turn_is_a_turn() -> None:
    first, second = turns(LiveTurns(), [*SETUP, says("Hello"), *ANSWER, says("More"), *ANSWER])
    assert (first.number, first.started_ns, first.first_byte_ns, first.ended_ns) == (1, 30, 40, 70)
    assert (first.prompt.model, first.reply.model) == ("gemini-live-2.5", "gemini-live-2.5")
    assert (first.reply.output_text, first.reply.usage, first.counts_more) == ("Hi there", USAGE, False)
    assert (first.reply.finish_reason, first.reply.finished) == ("turnComplete", True)
    assert [json.loads(each)["role"] for each in second.prompt.messages] == [
        "system",
        "user",
        "model",
        "user",
    ]


def test_tools_are_part_of_the_turn() -> None:
    call = {"id": "1", "name": "weather", "args": {"city": "Rome"}}
    said = [*SETUP, says("Weather?"), down(toolCall={"functionCalls": [call]}, usageMetadata=USAGE)]
    said += [up(toolResponse={"functionResponses": [{"id": "1", "response": {}}]}), *ANSWER]
    [turn] = turns(LiveTurns(), said)
    assert turn.reply.tool_calls == (ToolCall(id="1", name="weather", arguments='{"city":"Rome"}'),)
    assert turn.counts_more


def test_speech_is_answered_without_a_request_that_can_be_read() -> None:
    said = [*SETUP, up(realtimeInput={"audio": {"data": "AAAA", "mimeType": "audio/pcm"}}), *ANSWER]
    [turn] = turns(LiveTurns(), said)
    assert (turn.started_ns, turn.reply.output_text) == (40, "Hi there")


def test_a_reader_that_is_made_anew_goes_on() -> None:
    said = [*SETUP, says("Hello"), *ANSWER]
    for place in range(len(said)):
        reader = LiveTurns()
        got = [turn for message in messages(said)[:place] for turn in reader.read(message)]
        again = restored(LiveTurns, reader)
        got += [turn for message in messages(said)[place:] for turn in again.read(message)]
        assert got == turns(LiveTurns(), said)


def test_who_speaks_is_known_by_the_path() -> None:
    live = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=x"
    assert isinstance(make_turn_reader("wss://generativelanguage.googleapis.com" + live), LiveTurns)
    assert make_turn_reader("https://api.openai.com/v1/realtime?model=m") is not None
    assert make_turn_reader("https://api.openai.com/v1/responses") is not None
    assert make_turn_reader("https://api.elevenlabs.io/v1/text-to-speech/x/stream-input") is None


FIELDS = ["setup", "clientContent", "toolResponse", "serverContent", "toolCall", "usageMetadata"]
PARTS = ["turns", "functionResponses", "modelTurn", "turnComplete", "functionCalls", "parts", "model"]
bodies = st.dictionaries(
    st.sampled_from(FIELDS), documents | st.dictionaries(st.sampled_from(PARTS), documents | st.just(True))
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Direction), bodies)))
def test_nothing_that_is_said_raises(said: list[Said]) -> None:
    reader = LiveTurns()
    turns(reader, said)
    reader.open_turns()
    restored(LiveTurns, reader)


def test_what_is_nested_too_deep_is_left_out() -> None:
    deep: Any = "x"
    for _ in range(252):
        deep = [deep]
    said = [*SETUP, says("Hello"), down(serverContent={"modelTurn": {"parts": [{"text": "Hi"}, deep]}})]
    [turn] = turns(LiveTurns(), [*said, *ANSWER])
    assert turn.reply.usage == USAGE
