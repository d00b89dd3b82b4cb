"""Lineage is the same whether an earlier request of the conversation was read just before, or never."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Prompt, Reply
from arc_proxy.runs import quotes
from arc_proxy.runs.quotes import Lineage, read_lineage

TEXTS = st.sampled_from(["OK", "Look up what is known of the tides of Brest, then say so.", "x " * 40])
IDS = st.sampled_from(["call_1", "call_Zm9vYmFy12", "call_Q2hhaW5z34"])


def call(call_id: str) -> dict[str, Any]:
    arguments = orjson.dumps({"place": "the harbour of Brest", "until": call_id}).decode()
    return {"id": call_id, "function": {"name": "look_up", "arguments": arguments}}


CALLS = IDS.map(call)
messages = st.one_of(
    st.builds(lambda text: {"role": "system", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "user", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text, "reasoning_content": text * 3}, TEXTS),
    st.builds(lambda text, one: {"role": "assistant", "content": text, "tool_calls": [one]}, TEXTS, CALLS),
    st.builds(lambda text, one: {"role": "tool", "content": text, "tool_call_id": one}, TEXTS, IDS),
)
histories = st.lists(messages.map(orjson.dumps), min_size=1, max_size=24).map(tuple)
REPLY = Reply(message=orjson.dumps({"role": "assistant", "content": "The tide is high in Brest at noon."}))


def lineage(history: tuple[bytes, ...]) -> Lineage:
    return read_lineage(Prompt(messages=history), REPLY)


@given(history=histories, before=st.lists(st.integers(0, 24), max_size=4), again=st.booleans())
def test_what_was_read_before_changes_nothing(
    history: tuple[bytes, ...], before: list[int], again: bool
) -> None:
    quotes._chains.clear()
    alone = lineage(history)
    quotes._chains.clear()
    for length in before:
        lineage(history[:length])
    assert lineage(history) == alone
    if again:
        assert lineage(history) == alone


@given(history=histories)
def test_only_the_last_replies_are_quoted(history: tuple[bytes, ...]) -> None:
    quoted = lineage(history).quoted
    replies = [message for message in history if b'"role":"assistant"' in message]
    chains = [quote for quote in quoted if quote.confidence == 0.98]
    assert len(chains) == min(len(replies), quotes.QUOTED_REPLIES_MAX)
