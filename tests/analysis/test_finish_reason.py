"""Why answers ended, in each dialect's words."""

from __future__ import annotations

import pytest

from analysis.failure import FailureCode
from analysis.finish_reason import CUT, OVERFLOWN, PARTIAL, REFUSED, UNPARSED, is_cut, is_partial
from analysis.run_failure import run_failures
from tests.analysis.talk import LOOK_UP, call, says, user

# Dialect and reason -> whether it was cut at its limit, and whether it has no end of its own.
REASONS = {
    ("openai.chat", "length"): (True, True),
    ("openai.chat", "stop"): (False, False),
    ("openai.chat", "tool_calls"): (False, False),
    ("openai.chat", "content_filter"): (False, False),
    ("openai.chat", "model_length"): (True, True),  # Mistral's
    ("openai.completions", "length"): (True, True),
    ("openai.responses", "max_output_tokens"): (True, True),
    ("openai.responses", "incomplete"): (False, True),
    ("openai.responses", "completed"): (False, False),
    ("anthropic.messages", "max_tokens"): (True, True),
    ("anthropic.messages", "model_context_window_exceeded"): (False, True),
    ("anthropic.messages", "pause_turn"): (False, True),
    ("anthropic.messages", "compaction"): (False, True),
    ("anthropic.messages", "end_turn"): (False, False),
    ("anthropic.messages", "stop_sequence"): (False, False),
    ("anthropic.messages", "refusal"): (False, False),
    ("gemini.generate", "MAX_TOKENS"): (True, True),
    ("gemini.generate", "2"): (True, True),
    ("gemini.generate", "1"): (False, False),
    ("gemini.generate", "STOP"): (False, False),
    ("gemini.interactions", "incomplete"): (False, True),
    ("gemini.interactions", "requires_action"): (False, False),
    ("bedrock.converse", "max_tokens"): (True, True),
    ("bedrock.converse", "model_context_window_exceeded"): (False, True),
    ("bedrock.converse", "guardrail_intervened"): (False, False),
    ("bedrock.invoke", "LENGTH"): (True, True),  # Titan's
    ("bedrock.invoke", "FINISH"): (False, False),
    ("cohere.chat", "MAX_TOKENS"): (True, True),
    ("cohere.chat", "ERROR_LIMIT"): (False, True),
    ("cohere.chat", "COMPLETE"): (False, False),
    ("ollama.chat", "length"): (True, True),
    ("dashscope.generation", "length"): (True, True),
    ("unknown", None): (False, False),
}


@pytest.mark.parametrize(
    ("reason", "cut", "partial"),
    [(reason, *expected) for (_, reason), expected in REASONS.items()],
    ids=[f"{dialect} {reason}" for dialect, reason in REASONS],
)
def test_a_reason(reason, cut, partial):
    assert (is_cut(reason), is_partial(reason)) == (cut, partial)


def test_no_word_means_two_things():
    groups = (CUT, OVERFLOWN, REFUSED, UNPARSED, PARTIAL - CUT - OVERFLOWN)
    assert sum(map(len, groups)) == len(frozenset().union(*groups))
    assert all(word == word.lower() for group in groups for word in group)


@pytest.mark.parametrize("reason", sorted(PARTIAL))
def test_what_a_partial_answer_lacks_is_no_fault_of_it(reason):
    torn = says(None, ("a", "look_up", '{"id": "W'))
    found = run_failures(
        [
            call(0, [user("?")], torn, tools=[LOOK_UP], finish=reason),
            call(1, [user("!")], says(""), tools=[LOOK_UP], finish=reason),
        ],
        is_over=False,
    )
    assert {each.code for each in found} <= {FailureCode.OUTPUT_TRUNCATED, FailureCode.CONTEXT_OVERFLOW}
