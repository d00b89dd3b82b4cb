"""What a tool's name says of where it comes from."""

from __future__ import annotations

import pytest

from analysis.tool_name import full_name, mcp_server

SERVERS = {
    "Claude Code's form": ("mcp__wiki__search", "wiki"),
    "a tool with two underscores": ("mcp__wiki__pages__search", "wiki"),
    "a server of several words": ("mcp__claude_ai_Gmail__search_threads", "claude_ai_Gmail"),
    "a tool of its own": ("Bash", None),
    "a tool that only begins like one": ("mcp_wiki_search", None),
    "a server without a tool": ("mcp__wiki", None),
    "no server": ("mcp____search", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("name", "server"), SERVERS.values(), ids=SERVERS)
def test_the_mcp_server_of(name, server):
    assert mcp_server(name) == server


NAMES = {
    "without a namespace": (("", "exec"), "exec"),
    "Codex's for an MCP server": (("mcp__wiki", "search"), "mcp__wiki__search"),
    "the same, ending as its tools go on": (("mcp__wiki__", "search"), "mcp__wiki__search"),
    "any other": (("multi_agent_v1", "spawn_agent"), "multi_agent_v1.spawn_agent"),
}


@pytest.mark.parametrize(("said", "name"), NAMES.values(), ids=NAMES)
def test_the_full_name_in_a_namespace(said, name):
    assert full_name(*said) == name
