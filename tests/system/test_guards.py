"""
Budgets and the loop breaker, enforced: official SDKs in loops of their own before a real installation.

A verdict that comes too late lets a call pass, by design and counted. So a test says what holds then, too.
"""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.fake_provider import BODY, FakeProvider, Received, Step, reply
from tests.system.installation import Installation

LIMIT = 3
CALLS_MAX = 12  # no loop goes on for as long
KEY = "sk-test-0123456789abcdef"
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("search", "read", "get_status")
]
# gpt-4o-mini: $0.60 per million output tokens.
TOKENS_OF_A_CENT = 16_667


def answer(request: Received) -> Iterable[Step]:
    yield BODY
    asked = json.loads(bytes(request.body))
    task = next(each["content"] for each in asked["messages"] if each["role"] == "user")
    turn = sum(each["role"] == "assistant" for each in asked["messages"])
    if task == "refuse":
        error = {"error": {"message": "Unknown parameter: 'foo'.", "type": "invalid_request_error"}}
        yield reply(json.dumps(error).encode(), status="400 Bad Request")
        return
    shape = message if request.line.split()[1].endswith(b"/messages") else completion
    yield reply(json.dumps(shape(task, turn)).encode())


def wanted(task: str, turn: int) -> tuple[str, dict[str, Any]]:
    """The tool that the model asks for, and its arguments."""
    match task:
        case "alternate":
            return ("search", "read")[turn % 2], {"q": "profits"}
        case "poll":
            return "get_status", {}
        case "explore" | "break":
            return "search", {"q": f"profits of {2000 + turn}"}
        case _:
            return "search", {"q": "profits"}


def completion(task: str, turn: int) -> dict[str, Any]:
    name, arguments = wanted(task, turn)
    call = {
        "id": f"call_{turn}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }
    said: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
    if task == "spend":
        said = {"role": "assistant", "content": f"part {turn}"}
    tokens = TOKENS_OF_A_CENT if task == "spend" else 10
    return {
        "id": f"chatcmpl-{turn}",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1},
    }


def message(task: str, turn: int) -> dict[str, Any]:
    name, arguments = wanted(task, turn)
    return {
        "id": f"msg_{turn}",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "tool_use", "id": f"toolu_{turn}", "name": name, "input": arguments}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 10, "output_tokens": 10},
    }


def result_of(task: str, turn: int) -> str:
    return f"KeyError: 'revenue', row {turn}" if task == "break" else "Nothing was found."


def openai_agent(proxy: Installation, task: str, **headers: str) -> tuple[int, Exception | None]:
    """How many calls were answered, and what the next one raised; retries are the SDK's own."""
    messages: list[Any] = [{"role": "user", "content": task}]
    url = f"http://127.0.0.1:{proxy.port}/openai/v1"
    named = {f"x-arc-{name}".replace("_", "-"): value for name, value in headers.items()}
    with openai.OpenAI(base_url=url, api_key=KEY, default_headers=named) as client:
        for turn in range(CALLS_MAX):
            try:
                said = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
            except openai.APIStatusError as error:
                if task == "refuse" and error.status_code == 400:
                    continue  # as an agent that does not know better
                return turn, error
            made = said.choices[0].message
            messages.append(made.model_dump(exclude_none=True))
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": result_of(task, turn)}
                for call in made.tool_calls or ()
            ]
    return CALLS_MAX, None


def anthropic_agent(proxy: Installation, task: str, run_id: str) -> tuple[int, Exception | None]:
    messages: list[Any] = [{"role": "user", "content": task}]
    url = f"http://127.0.0.1:{proxy.port}/run/{run_id}/agent/claude/anthropic"
    with anthropic.Anthropic(base_url=url, api_key=KEY) as client:
        for turn in range(CALLS_MAX):
            try:
                said = client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages)
            except anthropic.APIStatusError as error:
                return turn, error
            messages.append({"role": "assistant", "content": [part.model_dump() for part in said.content]})
            used = said.content[0]
            assert used.type == "tool_use"
            done = {"type": "tool_result", "tool_use_id": used.id, "content": "Nothing was found."}
            messages.append({"role": "user", "content": [done]})
    return CALLS_MAX, None


def unjudged(proxy: Installation) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.port}/_arc/health", timeout=10) as said:
        return int(json.load(said)["counts"]["unjudged_calls"])


@contextmanager
def start(tmp_path: Path, provider: FakeProvider, *options: str) -> Iterator[Installation]:
    """With a console that answers: gateways do not wait for it."""
    with Installation(tmp_path / "data", provider.url, *options) as proxy:
        proxy.cli("runs")
        yield proxy


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as provider:
        provider.answer = answer
        yield provider


LOOPS = {
    "the same call": ("same", LIMIT, "the same call of search 3 times in a row"),
    "two calls in turns": ("alternate", 4, "search and read in turns, 2 times with the same results"),
    "the same error of a tool": ("break", LIMIT + 1, "the same error 3 times in a row: KeyError: 'revenue'"),
    "the same error of the provider": ("refuse", LIMIT, "the same error 3 times in a row"),
}


async def test_a_run_in_circles_is_stopped_after_its_last_allowed_call(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with start(tmp_path, provider, "--enforce", "--loop-limit", str(LIMIT)) as proxy:
        for name, (task, calls, words) in LOOPS.items():
            got, error = await asyncio.to_thread(openai_agent, proxy, task, agent="a", run_id=f"run-{task}")
            assert isinstance(error, openai.APIStatusError), name
            assert error.status_code == 402, name
            assert error.response.headers["x-should-retry"] == "false"
            assert words in error.message, name
            assert error.code == "run_in_circles"
            if not unjudged(proxy):
                assert got == calls, name
        got, error = await asyncio.to_thread(anthropic_agent, proxy, "same", "run-of-claude")
        assert isinstance(error, anthropic.APIStatusError)
        assert error.status_code == 402
        assert error.body["error"]["type"] == "billing_error"  # type: ignore[index]
        assert "the same call of search 3 times in a row" in str(error.body)
        if not unjudged(proxy):
            assert got == LIMIT
        refused = [call for call in proxy.calls() if call["ended"] == "refused"]
        assert len(refused) == len(LOOPS) + 1, "no SDK tries again what it was told not to"
        assert {(call["status"], call["cost_usd"]) for call in refused} == {(402, "0.000000000")}
        issues = proxy.cli("issues", "--since", "all")
        assert "arc-proxy does not forward it" in issues


async def test_what_is_no_circle_goes_on(tmp_path: Path, provider: FakeProvider) -> None:
    with start(tmp_path, provider, "--enforce", "--loop-limit", str(LIMIT)) as proxy:
        for task in ("poll", "explore"):
            got, error = await asyncio.to_thread(openai_agent, proxy, task, agent="a", run_id=f"run-{task}")
            assert (got, error) == (CALLS_MAX, None), task
        got, error = await asyncio.to_thread(openai_agent, proxy, "same", agent="a")
        assert (got, error) == (CALLS_MAX, None), "a run that nobody named is judged by budgets alone"


BUDGETS = {
    "of a run": ({"agent": "a", "run_id": "r1"}, 5, "This run has cost $0.05"),
    "of the next run, from its beginning": ({"agent": "a", "run_id": "r2"}, 5, "This run has cost $0.05"),
    "that a header lowers": (
        {"agent": "a", "run_id": "r3", "budget_usd": "0.02"},
        2,
        "its budget is $0.02",
    ),
    "that a header cannot raise": (
        {"agent": "a", "run_id": "r4", "budget_usd": "100"},
        5,
        "its budget is $0.05",
    ),
    "of an agent and day": ({"agent": "poor"}, 3, "This agent has spent $0.03"),
    "of an agent that has spent it": ({"agent": "poor", "run_id": "r5"}, 0, "This agent has spent $0.03"),
    "of everybody": ({"agent": "b"}, 4, "All agents have spent $0.24"),
    "of everybody, when it is spent": ({"agent": "c"}, 0, "All agents have spent $0.24"),
}


async def test_a_budget_is_kept(tmp_path: Path, provider: FakeProvider) -> None:
    options = ("--budget-per-run", "0.05", "--budget-per-agent", "poor=0.03", "--budget-per-day", "0.24")
    with start(tmp_path, provider, "--enforce", *options) as proxy:
        for name, (headers, calls, words) in BUDGETS.items():
            got, error = await asyncio.to_thread(openai_agent, proxy, "spend", **headers)
            assert isinstance(error, openai.APIStatusError), name
            assert error.status_code == 402
            if not unjudged(proxy):
                assert got == calls, name
                assert words in error.message, name


async def test_without_enforcing_not_a_byte_changes(tmp_path: Path, provider: FakeProvider) -> None:
    budgets = ("--budget-per-run", "0.01", "--budget-per-day", "0.01", "--loop-limit", "2")
    seen = []
    for place, options in enumerate(((), budgets)):
        folder = tmp_path / str(place)
        folder.mkdir()
        provider.requests.clear()
        with start(folder, provider, *options) as proxy:
            for task in ("spend", "same"):
                got, error = await asyncio.to_thread(
                    openai_agent, proxy, task, agent="a", run_id="r", budget_usd="0.01"
                )
                assert (got, error) == (CALLS_MAX, None)
        seen.append([request.raw for request in provider.requests])
    assert seen[0] == seen[1]


async def test_a_console_that_hangs_lets_calls_pass_and_they_are_counted(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with start(tmp_path, provider, "--enforce", "--budget-per-run", "0.01") as proxy:
        (console,) = proxy.children("arc_proxy.cli.console")
        console.send_signal(signal.SIGSTOP)
        try:
            before = unjudged(proxy)
            got, error = await asyncio.to_thread(openai_agent, proxy, "spend", agent="a", run_id="r")
            assert (got, error) == (CALLS_MAX, None)
            assert unjudged(proxy) - before == CALLS_MAX
        finally:
            console.send_signal(signal.SIGCONT)
        while "went on before a guard had judged them" not in proxy.cli("report"):
            await asyncio.sleep(0.1)  # gateways write their counts down every two seconds
        for _ in range(CALLS_MAX):
            got, error = await asyncio.to_thread(openai_agent, proxy, "spend", agent="a", run_id="r")
            if error is not None:
                break
        assert isinstance(error, openai.APIStatusError)


async def test_a_console_that_is_killed_is_asked_again_when_there_is_another(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with start(tmp_path, provider, "--enforce", "--budget-per-run", "0.02") as proxy:
        (console,) = proxy.children("arc_proxy.cli.console")
        console.kill()
        got, _ = await asyncio.to_thread(openai_agent, proxy, "explore", agent="a", run_id="free")
        assert got == CALLS_MAX, "traffic goes on without it"
        proxy.cli("runs")
        for _ in range(CALLS_MAX):
            _, error = await asyncio.to_thread(openai_agent, proxy, "spend", agent="a", run_id="r")
            if error is not None:
                break
        assert isinstance(error, openai.APIStatusError)
        assert error.status_code == 402
