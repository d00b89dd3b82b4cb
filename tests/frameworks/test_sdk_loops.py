"""
Agents that tell nobody what belongs together: loops over the official SDKs, many at once through one proxy.
`pytest -s` prints the table of what came out.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.frameworks.task_provider import LOOKUPS, TASK, TaskProvider, task_provider
from tests.system.installation import Installation, clean_environment

TASKS = 10
SYSTEM = "You answer from a handbook and look up each part of it first."
LOOK_UP: dict[str, Any] = {
    "name": "look_up",
    "description": "Look up a part of the handbook.",
    "parameters": {"type": "object", "properties": {"part": {"type": "integer"}}},
}
KEY = "sk-test-0123456789abcdef"


@pytest.fixture(scope="module")
def provider() -> Iterator[TaskProvider]:
    with task_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def proxy(provider: TaskProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("loops") / "data", provider.url) as proxy:
        yield proxy


def openai_url(proxy: Installation) -> str:
    return f"http://127.0.0.1:{proxy.port}/openai/v1"


def question(number: int, group: str) -> str:
    return f"What does the handbook say about task {number} of {group}?"


def after(messages: list[Any], message: Any) -> list[Any]:
    """The history with the assistant's message and the results of its tools."""
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "It is on the shelf."}
        for call in message.tool_calls or ()
    ]
    return [*messages, message.model_dump(exclude_none=True), *results]


def openai_loop(proxy: Installation, number: int, group: str) -> None:
    messages: list[Any] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question(number, group)},
    ]
    tools: Any = [{"type": "function", "function": LOOK_UP}]
    with openai.OpenAI(base_url=openai_url(proxy), api_key=KEY) as client:
        while True:
            reply = client.chat.completions.create(model="gpt-5-mini", messages=messages, tools=tools)
            message = reply.choices[0].message
            if not message.tool_calls:
                return
            messages = after(messages, message)


async def openai_async_loop(proxy: Installation, number: int, group: str) -> None:
    messages: list[Any] = [{"role": "user", "content": question(number, group)}]
    tools: Any = [{"type": "function", "function": LOOK_UP}]
    async with openai.AsyncOpenAI(base_url=openai_url(proxy), api_key=KEY) as client:
        while True:
            reply = await client.chat.completions.create(model="gpt-5-mini", messages=messages, tools=tools)
            message = reply.choices[0].message
            if not message.tool_calls:
                return
            messages = after(messages, message)


def anthropic_loop(proxy: Installation, number: int, group: str) -> None:
    messages: list[Any] = [{"role": "user", "content": question(number, group)}]
    tool: Any = {
        "name": "look_up",
        "description": LOOK_UP["description"],
        "input_schema": LOOK_UP["parameters"],
    }
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{proxy.port}/anthropic", api_key=KEY) as client:
        while True:
            reply = client.messages.create(
                model="claude-sonnet-5", max_tokens=500, system=SYSTEM, messages=messages, tools=[tool]
            )
            used = [block for block in reply.content if block.type == "tool_use"]
            if not used:
                return
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": "Found."} for block in used
            ]
            messages = [
                *messages,
                {"role": "assistant", "content": [block.model_dump() for block in reply.content]},
                {"role": "user", "content": results},
            ]


def openai_chat(proxy: Installation, number: int, group: str) -> None:
    """No tools: a person asks, reads, and asks on."""
    messages: list[Any] = [{"role": "user", "content": question(number, group)}]
    with openai.OpenAI(base_url=openai_url(proxy), api_key=KEY) as client:
        for _ in range(1 + LOOKUPS):
            reply = client.chat.completions.create(model="gpt-5-mini", messages=messages)
            messages += [
                {"role": "assistant", "content": reply.choices[0].message.content},
                {"role": "user", "content": "Tell me more."},
            ]


def at_once(loop: Callable[[Installation, int, str], None], proxy: Installation, group: str) -> None:
    with ThreadPoolExecutor(TASKS) as pool:
        list(pool.map(lambda number: loop(proxy, number, group), range(TASKS)))


def runs_of(proxy: Installation, group: str) -> dict[str, set[str]]:
    """By task, the runs that its calls are in."""
    runs: defaultdict[str, set[str]] = defaultdict(set)
    for call in proxy.calls():
        found = TASK.search(call["output_text"] or "")
        if found is not None and found[2] == group:
            runs[found[0]].add(call["run_id"])
    return dict(runs)


GROUPS: dict[str, Callable[[Installation, str], None]] = {
    "openai": lambda proxy, group: at_once(openai_loop, proxy, group),
    "openai_async": lambda proxy, group: asyncio.run(_all_async(proxy, group)),
    "anthropic": lambda proxy, group: at_once(anthropic_loop, proxy, group),
    "openai_chat": lambda proxy, group: at_once(openai_chat, proxy, group),
}


async def _all_async(proxy: Installation, group: str) -> None:
    await asyncio.gather(*(openai_async_loop(proxy, number, group) for number in range(TASKS)))


def test_each_task_is_one_run_of_all_its_calls(proxy: Installation) -> None:
    with ThreadPoolExecutor(len(GROUPS)) as pool:
        list(pool.map(lambda each: each[1](proxy, each[0]), GROUPS.items()))
    print(f"\n{'loop':14} {'tasks':>5} {'calls':>5} {'runs':>5}  framework")
    exported = [json.loads(line) for line in proxy.cli("export", "runs").splitlines()]
    for group in GROUPS:
        runs = runs_of(proxy, group)
        ids = {run_id for found in runs.values() for run_id in found}
        those = [run for run in exported if run["run_id"] in ids]
        calls = sum(run["calls"] for run in those)
        frameworks = {run["framework"] for run in those}
        print(f"{group:14} {len(runs):5} {calls:5} {len(ids):5}  {', '.join(sorted(frameworks))}")
        assert len(runs) == TASKS
        assert all(len(found) == 1 for found in runs.values()), runs
        assert len(ids) == TASKS
        assert [run["steps"] for run in those] == [1 + LOOKUPS] * TASKS
        assert frameworks == {"anthropic-python" if group == "anthropic" else "openai-python"}


def test_retries_of_the_sdk_are_attempts_of_one_call(proxy: Installation, provider: TaskProvider) -> None:
    provider.busy["task 1 of patience"] = 2
    asked: Any = [{"role": "user", "content": question(1, "patience")}]
    with openai.OpenAI(base_url=openai_url(proxy), api_key=KEY, max_retries=3) as client:
        client.chat.completions.create(model="gpt-5-mini", messages=asked)
    calls = proxy.calls()
    [last] = [call for call in calls if "task 1 of patience" in (call["output_text"] or "")]
    attempts = [call for call in calls if call["run_id"] == last["run_id"]]
    assert [(call["status"], call["attempt"]) for call in attempts] == [(503, 1), (503, 2), (200, 3)]
    first = attempts[0]["call_id"]
    assert [call["attempt_of"] for call in attempts] == [None, first, first]
    [run] = [
        run
        for line in proxy.cli("export", "runs").splitlines()
        if (run := json.loads(line))["run_id"] == last["run_id"]
    ]
    assert (run["calls"], run["attempts"], run["steps"]) == (1, 3, 1)


SERVER = """
import asyncio, sys
import openai
from aiohttp import web

client = openai.AsyncOpenAI(api_key="sk-test-0123456789abcdef")

async def answer(request):
    messages = [{"role": "user", "content": f"What is task {request.match_info['user']} of users?"}]
    for _ in range(2):
        reply = await client.chat.completions.create(model="gpt-5-mini", messages=messages)
        messages += [
            {"role": "assistant", "content": reply.choices[0].message.content},
            {"role": "user", "content": "And then?"},
        ]
    return web.Response(text="done")

async def main(users):
    app = web.Application()
    app.router.add_get("/{user}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    import aiohttp
    turns = asyncio.Semaphore(50)
    async with aiohttp.ClientSession() as session:
        async def visit(user):
            async with turns, session.get(f"http://127.0.0.1:{port}/{user}") as page:
                assert page.status == 200
        await asyncio.gather(*(visit(user) for user in range(users)))
    await runner.cleanup()

asyncio.run(main(int(sys.argv[1])))
"""


@pytest.mark.parametrize("users", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_server_under_one_launch_has_a_run_for_each_of_its_users(
    provider: TaskProvider, tmp_path: Path, users: int
) -> None:
    (tmp_path / "app.py").write_text(SERVER)
    with Installation(tmp_path / "data", provider.url) as proxy:
        command = [
            *(Path(sys.executable).parent / "arc-proxy", "run", "--data-dir", proxy.data_dir, "--"),
            *(sys.executable, tmp_path / "app.py", str(users)),
        ]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        runs = runs_of(proxy, "users")
    assert len(runs) == users
    assert all(len(found) == 1 for found in runs.values())
    assert len({run_id for found in runs.values() for run_id in found}) == users
