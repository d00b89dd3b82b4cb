"""Recorded sessions of a coding agent, shaped like Claude Code's: sub-agents, and tools of MCP servers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.report.traffic import messages

SYSTEM = (
    "You are Claude Code, Anthropic's official CLI for Claude.\n"
    "# Environment\nYou have been invoked in the following environment: \n"
    " - Primary working directory: {0}\n - Is a git repository: true"
)
REMINDER = {"type": "text", "text": "<system-reminder>\nToday's date is 2026-11-27.\n</system-reminder>"}
RESULT = "Issue 7: the login form loses the session. " * 60


def offered(*names: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "description": f"What {name} does. " * 40, "input_schema": {"type": "object"}}
        for name in names
    ]


def mcp_tools(server: str, count: int) -> list[str]:
    return [f"mcp__{server}__tool_{number}" for number in range(count)]


class Session:
    """
    One task in a folder, some days before the tests' own day: `run` is the agent's, `sub_agent` one of a
    sub-agent's; each gives the calls of a loop that uses these tools, one after the other.
    """

    def __init__(
        self, session: str, folder: str, tools: Sequence[str], *, days_ago: float, by_plan: bool = False
    ) -> None:
        self._session = session
        self._folder = folder
        self._tools = offered(*tools)
        self._days_ago = days_ago
        self._by_plan = by_plan
        self._calls = 0

    def run(self, task: str, *uses: tuple[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        return self._loop(task, uses, {})

    def sub_agent(
        self, agent_id: str, brief: str, *uses: tuple[str, Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        return self._loop(brief, uses, {"x-claude-code-agent-id": agent_id})

    def _loop(
        self, task: str, uses: Sequence[tuple[str, Mapping[str, Any]]], headers: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = [{"role": "user", "content": [REMINDER, {"type": "text", "text": task}]}]
        entries = []
        for use in (*uses, None):
            self._calls += 1
            tool_id = f"toolu_{self._session}_{self._calls}"
            answer: list[dict[str, Any]] = [{"type": "text", "text": "Done."}]
            if use is not None:
                answer = [{"type": "tool_use", "id": tool_id, "name": use[0], "input": dict(use[1])}]
            entries.append(self._call(said, answer, headers))
            result = {"type": "tool_result", "tool_use_id": tool_id, "content": RESULT}
            said = [*said, {"role": "assistant", "content": answer}, {"role": "user", "content": [result]}]
        return entries

    def _call(
        self, said: list[dict[str, Any]], answer: list[dict[str, Any]], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        entry = messages(
            "coder",
            f"{self._session}-{self._calls}",
            days_ago=self._days_ago - self._calls / 100_000,
            tokens=(3000 + 500 * len(said), 40),
            system=[{"type": "text", "text": SYSTEM.format(self._folder)}],
            tools=self._tools,
            messages=said,
            stream=False,
        )
        own = {
            "x-arc-agent": "coder",
            "user-agent": "claude-cli/2.1.197 (external, cli)",
            "x-claude-code-session-id": self._session,
            **({"anthropic-beta": "oauth-2025-04-20"} if self._by_plan else {}),
            **headers,
        }
        entry["request"]["headers"] = [{"name": name, "value": value} for name, value in own.items()]
        reply = json.loads(entry["response"]["content"]["text"])
        is_over = answer[0]["type"] == "text"
        reply |= {"content": answer, "stop_reason": "end_turn" if is_over else "tool_use"}
        entry["response"]["content"]["text"] = json.dumps(reply)
        return entry
