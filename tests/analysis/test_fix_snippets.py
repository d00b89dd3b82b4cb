"""The Python of fixes, run: each does what its fix says."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import FailureCode
from analysis.fixes import Observed, fix_for
from analysis.tool_result import Verdict, read_tool_result

C = FailureCode
PLAIN = {"framework": "requests", "dialect": "openai.chat", "provider": "openai"}
ANTHROPIC = {"framework": "anthropic-python", "dialect": "anthropic.messages", "provider": "anthropic"}
RESPONSES = {"framework": "openai-python", "dialect": "openai.responses", "provider": "openai"}
OPEN_CALL = "An assistant message with 'tool_calls' must be followed by tool messages"


def names_of(code: FailureCode, cause: str = "", events: int = 10, **more: Any) -> dict[str, Any]:
    """What the snippet defines, with what a program around it has."""
    facts = more.pop("facts", {})
    told = PLAIN | {"subject": "look_up"} | more
    fix = fix_for(Observed(code=code, cause=cause, events=events, facts=facts, **told))
    assert fix.language == "python"
    names: dict[str, Any] = {"request": {"messages": [], "input": []}, "messages": []}
    exec(fix.change, names)
    return names


def in_a_run(variable: contextvars.ContextVar[Any], act: Callable[[], Any]) -> Any:
    def started() -> Any:
        variable.set({})
        return act()

    return contextvars.copy_context().run(started)


class Tool:
    """Answers one thing after another; an exception is raised."""

    __name__ = "look_up"

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        self.calls += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


def test_a_repeated_call_gets_the_earlier_result():
    names = names_of(C.REPEATED_CALL)
    tool = Tool("six", "seven")
    guarded = names["refuse_repeats"](tool)
    first, again, other = in_a_run(names["EARLIER"], lambda: [guarded(id=1), guarded(id=1), guarded(id=2)])
    assert (first, other, tool.calls) == ("six", "seven", 2)
    assert "look_up" in again
    assert "six" in again


def test_without_a_run_nothing_is_refused():
    names = names_of(C.REPEATED_CALL)
    tool = Tool("six")
    guarded = names["refuse_repeats"](tool)
    assert [guarded(id=1), guarded(id=1), tool.calls] == ["six", "six", 2]


def test_a_tool_that_keeps_failing_is_switched_off_for_the_run():
    names = names_of(C.TOOL_ERROR_CONSECUTIVE, "HTTP 503")
    tool = Tool(OSError("down"))
    guarded = names["stop_after_errors"](tool)
    answers = in_a_run(names["ERRORS"], lambda: [guarded() for _ in range(5)])
    assert tool.calls == 3
    assert answers[0] == "Error: OSError: down"
    assert "off for this run" in answers[4]


def test_a_success_between_errors_keeps_a_tool():
    names = names_of(C.TOOL_ERROR_CONSECUTIVE, "HTTP 503")
    tool = Tool(OSError("a"), OSError("b"), "ok", OSError("c"), "ok")
    guarded = names["stop_after_errors"](tool)
    assert in_a_run(names["ERRORS"], lambda: [guarded() for _ in range(5)])[-1] == "ok"


def test_an_error_says_what_to_do_next():
    guarded = names_of(C.TOOL_ERROR, "KeyError: 'price'")["explain_errors"](Tool(KeyError("price")))
    assert guarded().startswith("Error: KeyError: 'price'\nThe field price is not there.")


def test_an_answer_stays_as_it_is():
    guarded = names_of(C.TOOL_ERROR, "KeyError: 'price'")["explain_errors"](Tool({"price": 7}))
    assert guarded() == {"price": 7}


def test_what_passes_is_tried_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    names = names_of(C.TOOL_ERROR, "ConnectionError: Connection refused")
    tool = Tool(ConnectionError("refused"), "ok")
    assert (names["retry"](tool)(), tool.calls) == ("ok", 2)
    broken = Tool(TimeoutError("slow"))
    assert names["retry"](broken)().startswith("Error: slow after 3 attempts.")


EMPTY = {
    "a list": ([], True),
    "a text": ("", True),
    "a list as text": ("[]", True),
    "nothing at all": (None, True),
    "a row": ([{"id": 1}], False),
    "a count of nothing": (0, False),
    "zero": ("0", False),
}


@pytest.mark.parametrize(("result", "is_empty"), EMPTY.values(), ids=EMPTY)
def test_nothing_is_said_to_be_nothing(result, is_empty):
    guarded = names_of(C.TOOL_EMPTY_RESULT)["say_when_empty"](Tool(result))
    said = guarded(query="refunds")
    assert said.startswith("0 results of look_up for query='refunds'.") if is_empty else said == result


# What a tool was seen to answer with, and an answer of it that is none.
SEEN_EMPTY = {
    "pandas": (
        "Empty DataFrame\nColumns: [account, amount]\nIndex: []",
        "  account  amount\n0  travel  4200",
    ),
    "no rows": ("0 rows", "10 rows"),
    "psql": ("(0 rows)", "(12 rows)"),
    "MySQL": ("Empty set (0.00 sec)", "1 row in set (0.00 sec)"),
    "behind a word": ("Output: 0 rows for travel", "Output: 10 rows for travel"),
    "in a sentence": ("No results found for 'blue widgets'.", "No. 5 is alive"),
    "no documents": ("No matching documents were found.", "Norway"),
    "Python's None as text": ("None", "None of the above"),
    "an empty object": ("{}", '{"a": 1}'),
    "rows in JSON": ('{"rows": [], "total": 0, "query": "x"}', '{"rows": [1], "total": 1, "query": "x"}'),
    "words in JSON": ('{"result":"0 rows"}', '{"result":"70 rows"}'),
    "an empty text in JSON": ('""', '"7"'),
    "an empty part": ('[{"type": "text", "text": ""}]', '[{"type": "text", "text": "7"}]'),
}


@pytest.mark.parametrize(("empty", "answer"), SEEN_EMPTY.values(), ids=SEEN_EMPTY)
def test_what_was_seen_to_be_nothing_is_caught(empty, answer):
    assert read_tool_result(empty).verdict is Verdict.EMPTY
    names = names_of(C.TOOL_EMPTY_RESULT, empty, facts={"result": empty})
    assert names["say_when_empty"](Tool(empty))(query="refunds").startswith("0 results of look_up")
    assert names["say_when_empty"](Tool(answer))(query="refunds") == answer


def test_an_object_is_caught_like_its_text():
    names = names_of(C.TOOL_EMPTY_RESULT, facts={"result": '{"rows":[],"total":0}'})
    assert names["says_nothing"]({"rows": [], "total": 0})
    assert not names["says_nothing"]({"rows": [7], "total": 1})


@given(st.sampled_from([empty for empty, _ in SEEN_EMPTY.values()]), st.text(max_size=20))
def test_whatever_else_was_seen_makes_a_snippet_that_runs(empty, more):
    names = names_of(C.TOOL_EMPTY_RESULT, facts={"result": f"{empty}{more}"})
    assert names["says_nothing"](7) is False


def test_a_long_result_is_capped():
    names = names_of(C.TOKEN_GROWTH, events=3)
    assert names["cap_result"](Tool("x" * 30_000))().endswith("[10000 more characters: ask for a part of it]")
    assert names["cap_result"](Tool("short"))() == "short"


def test_old_results_are_shortened():
    shorten = names_of(C.CONTEXT_OVERFLOW)["shorten_old_results"]
    result = {"role": "tool", "tool_call_id": "a", "content": "x" * 9000}
    short = shorten([result, *[{"role": "user", "content": "?"}] * 6])
    assert len(short[0]["content"]) == 2006
    assert shorten([result]) == [result]


CALL = {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


def test_an_open_call_of_chat_is_answered():
    answer = names_of(C.BAD_REQUEST, OPEN_CALL)["answer_open_calls"]
    asked = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "b"}]}
    result = {"role": "tool", "tool_call_id": "b", "content": "seven"}
    whole = answer([asked, result])
    assert [each.get("tool_call_id") for each in whole] == [None, "a", "b"]
    assert answer(whole) == whole


def test_an_open_call_of_responses_is_answered():
    answer = names_of(C.BAD_REQUEST, "No tool output found for function call call_a", **RESPONSES)[
        "answer_open_calls"
    ]
    whole = answer([{"type": "function_call", "call_id": "call_a"}, {"role": "user", "content": "?"}])
    assert [each.get("type") for each in whole] == ["function_call", "function_call_output", None]
    assert answer(whole) == whole


ANSWERED = {
    "at the end": ([], ["tool_result"]),
    "before a text": ([{"role": "user", "content": "and?"}], ["tool_result", "text"]),
    "beside another result": (
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": "7"}]}],
        ["tool_result", "tool_result"],
    ),
}


@pytest.mark.parametrize(("after", "blocks"), ANSWERED.values(), ids=ANSWERED)
def test_an_open_call_of_anthropic_is_answered(after, blocks):
    cause = "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_a"
    answer = names_of(C.BAD_REQUEST, cause, **ANTHROPIC)["answer_open_calls"]
    asked = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "x", "input": {}}]}
    whole = answer([asked, *after])
    assert [block["type"] for block in whole[1]["content"]] == blocks
    assert len(whole) == 2
    assert answer(whole) == whole


def test_a_history_is_cut_in_front_of_a_user():
    recent = names_of(C.BAD_REQUEST, "must be a response to a preceeding message with 'tool_calls'")["recent"]
    talk = [
        {"role": "user", "content": "1"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "7"},
        {"role": "user", "content": "2"},
    ]
    assert recent(talk, count=2) == talk[3:]
    assert recent(talk[:3], count=1) == talk[:3]


def test_neighbours_of_one_role_are_joined():
    joined = names_of(C.BAD_REQUEST, "roles must alternate", **ANTHROPIC)["joined"]
    part = {"type": "text", "text": "b"}
    talk = [{"role": "user", "content": "a"}, {"role": "user", "content": [part]}]
    assert joined(talk) == [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]


FENCED = {
    "fenced": '```json\n{"a": 1}\n```',
    "fenced without a language": '```\n{"a": 1}\n```\n',
    "bare": ' {"a": 1}',
}


@pytest.mark.parametrize("text", FENCED.values(), ids=FENCED)
def test_a_fence_is_taken_off(text):
    assert names_of(C.OUTPUT_INVALID_JSON, "in a code fence", events=3)["read_json"](text) == {"a": 1}


WRITTEN = {
    "in tags": 'I look.<tool_call>\n{"name": "f", "arguments": {"id": 7}}\n</tool_call>',
    "alone": '{"name": "f", "parameters": {"id": 7}}',
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_call_is_read_out_of_a_text(text):
    calls_in = names_of(C.TOOL_CALL_AS_TEXT, "<tool_call>")["calls_in"]
    assert list(calls_in(text)) == [("f", {"id": 7})]
    assert list(calls_in("no call {")) == []


def test_another_name_of_a_tool_is_understood_and_an_unknown_one_answered():
    run_tool = names_of(C.TOOL_UNKNOWN_NAME, subject="web", facts={"tools": "web_search,read"})["run_tool"]
    tools = {"web_search": lambda q: q.upper(), "read": str}
    assert run_tool(tools, "web", {"q": "a"}) == "A"
    assert "Did you mean: read?" in run_tool(tools, "reed", {})


def test_arguments_that_are_no_json_are_told():
    run_tool = names_of(C.TOOL_ARGS_INVALID_JSON, provider="other", dialect="openai.chat")["run_tool"]
    assert run_tool(lambda **each: each, '{"a": 1}') == {"a": 1}
    assert run_tool(lambda **each: each, " ") == {}
    assert run_tool(dict, '{"a": ').startswith("Error: the arguments are no JSON")


def test_an_id_that_no_message_has_is_refused():
    unseen = names_of(C.TOOL_ARGS_UNGROUNDED, facts={"parameter": "id"})["unseen"]
    talk = [{"role": "user", "content": "cancel #W7"}, {"role": "assistant", "content": "#W8"}]
    assert unseen(talk, {"id": "#W7"}) == ""
    assert unseen(talk, {"id": "#W8"}).startswith("Error: id #W8 stands in no message.")


def test_the_same_words_are_noticed():
    says_the_same = names_of(C.REPEATED_TEXT)["says_the_same"]
    same = {"role": "assistant", "content": "I will look that up for you, one moment please."}
    assert not says_the_same([same])
    assert says_the_same([same, {"role": "user", "content": "ok"}, same])


def test_an_empty_answer_is_asked_on_once():
    ask_until_said = names_of(C.OUTPUT_EMPTY)["ask_until_said"]
    asked: list[int] = []

    def ask(messages: list[dict[str, str]]) -> tuple[str, list[str]]:
        asked.append(len(messages))
        return "", []

    assert ask_until_said(ask, [{"role": "user", "content": "?"}]) == ("", [])
    assert asked == [1, 2]


def test_a_request_is_sent_again_and_then_to_a_second_model(monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    names = names_of(C.OVERLOADED)
    answers = iter([503, 429, 503, 503, 200])
    models: list[str] = []

    def send(request: dict[str, str]) -> SimpleNamespace:
        models.append(request["model"])
        return SimpleNamespace(status_code=next(answers), headers={"retry-after": "7"})

    assert names["send_or_ask_second"](send, {"model": "first"}).status_code == 200
    assert (models, waited) == (["first"] * 4 + ["second-model"], [7.0, 7.0, 7.0])


def test_no_credit_ends_the_program_and_other_errors_do_not():
    stop_when_broke = names_of(C.QUOTA_EXHAUSTED)["stop_when_broke"]
    with pytest.raises(SystemExit, match="out of credit"):
        stop_when_broke(Tool(ValueError("insufficient_quota")))
    with pytest.raises(ValueError, match="else"):
        stop_when_broke(Tool(ValueError("else")))


REPLIES = {
    "OpenAI's filter": ({"choices": [{"finish_reason": "content_filter", "message": {}}]}, True),
    "OpenAI's model": ({"choices": [{"finish_reason": "stop", "message": {"refusal": "no"}}]}, True),
    "Anthropic": ({"stop_reason": "refusal", "content": []}, True),
    "Google": ({"candidates": [{"finishReason": "SAFETY"}]}, True),
    "an answer": ({"choices": [{"finish_reason": "stop", "message": {"content": "7"}}]}, False),
}


@pytest.mark.parametrize(("reply", "is_refused"), REPLIES.values(), ids=REPLIES)
def test_a_refusal_is_told_from_an_answer(reply, is_refused):
    assert names_of(C.OUTPUT_REFUSAL)["is_refused"](json.loads(json.dumps(reply))) is is_refused
