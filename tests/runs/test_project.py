"""The folder that a coding agent states, as the tag `project`; nobody else's words for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Prompt
from arc_proxy.runs.framework import read_opening
from arc_proxy.runs.project import tag_project


def canonical(message: dict[str, Any]) -> bytes:
    return json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def system(text: str) -> bytes:
    return canonical({"role": "system", "content": [{"type": "text", "text": text}]})


def user(text: str) -> bytes:
    return canonical({"role": "user", "content": text})


def project(
    framework: str | None, *messages: bytes, turn: object = None, tags: dict[str, str] | None = None
) -> str | None:
    found = dict(tags or {})
    prompt = Prompt(messages=messages)
    fields = {} if turn is None else {b"x-codex-turn-metadata": json.dumps(turn).encode()}
    tag_project(found, framework, fields, prompt, read_opening(prompt))
    return found.get("project")


ENV = "Here is useful information:\n<env>\nWorking directory: {0}\nIs directory a git repo: Yes\n</env>"
ENVIRONMENT = "# Environment\nYou have been invoked:\n - Primary working directory: {0}\n - Platform: linux"
CODEX = "<environment_context>\n  <cwd>{0}</cwd>\n  <shell>zsh</shell>\n</environment_context>"
OPENCODE = (
    "<env>\n  Working directory: {0}/packages/a\n  Workspace root folder: {0}\n  Platform: linux\n</env>"
)
GEMINI = "This is the Gemini CLI.\nI'm currently working in the directory: {0}\nHere is the folder structure"
GEMINI_NOW = "Today's date is Friday.\n- **Workspace Directories:**\n  - {0}\n  - /tmp/x\n- **Directory"

FOLDER = "/home/ada/work/shop api"
STATED = {
    "claude code, as it was": ("claude-code", system(ENV)),
    "claude code, as it is": ("claude-code", system(ENVIRONMENT)),
    "its sdk": ("claude-agent-sdk", system(ENV)),
    "codex": ("codex", user(CODEX)),
    "opencode": ("opencode", system(OPENCODE)),
    "gemini, as it was": ("gemini-cli", user(GEMINI)),
    "gemini, as it is": ("gemini-cli", user(GEMINI_NOW)),
    "qwen": ("qwen-code", user(GEMINI)),
}


@pytest.mark.parametrize(("framework", "message"), STATED.values(), ids=STATED)
@pytest.mark.parametrize("folder", [FOLDER, "C:\\Users\\ada\\shop", '/srv/a "b"', "/données/漢字"])
def test_the_folder_that_it_states(framework, message, folder):
    text = json.loads(message)
    if isinstance(text["content"], str):
        text["content"] = text["content"].format(folder)
    else:
        text["content"][0]["text"] = text["content"][0]["text"].format(folder)
    assert project(framework, canonical(text)) == folder


def test_it_stands_behind_tools_and_other_messages():
    tools = canonical({"tools": [{"name": "Bash"}]})
    assert project("claude-code", tools, system("You are Claude Code"), system(ENV.format("/x"))) == "/x"
    instructions = user("# AGENTS.md instructions")
    assert project("codex", system("be good"), instructions, user(CODEX.format("/x")), user("hi")) == "/x"


NOT_STATED = {
    "nobody's words": (None, [system(ENV.format("/x"))]),
    "another framework's": ("langgraph", [system(ENV.format("/x"))]),
    "what a user quotes to claude code": ("claude-code", [system("hello"), user(ENV.format("/x"))]),
    "a user's sentence in a system prompt": ("claude-code", [system("My Working directory: /x")]),
    "a tag that codex reads in a file": ("codex", [user("the file says <cwd>/x</cwd>")]),
    "far behind": ("codex", [*(user("hi") for _ in range(6)), user(CODEX.format("/x"))]),
    "nothing": ("claude-code", []),
    "the root alone": ("opencode", [system("<env>\n  Working directory: /\n")]),
    "a line break in it": ("claude-code", [system("<env>\nWorking directory: \n")]),
}


@pytest.mark.parametrize(("framework", "messages"), NOT_STATED.values(), ids=NOT_STATED)
def test_what_is_no_statement_of_it(framework, messages):
    assert project(framework, *messages) is None


def test_where_there_is_no_repository_opencodes_folder_counts():
    text = "<env>\n  Working directory: /notes\n  Workspace root folder: /\n"
    assert project("opencode", system(text)) == "/notes"


TURNS = {
    "one workspace": ({"workspaces": {"/repo": {"has_changes": True}}}, "/repo"),
    "two workspaces": ({"workspaces": {"/a": {}, "/b": {}}}, "/cwd"),
    "none": ({"workspaces": {}}, "/cwd"),
    "no object": ([1], "/cwd"),
}


@pytest.mark.parametrize(("turn", "expected"), TURNS.values(), ids=TURNS)
def test_codex_says_the_repository_in_a_header(turn, expected):
    assert project("codex", user(CODEX.format("/cwd")), turn=turn) == expected


def test_what_the_caller_says_holds():
    assert project("claude-code", system(ENV.format("/x")), tags={"project": "shop"}) == "shop"


def test_a_long_path_keeps_its_end():
    found = project("claude-code", system(ENV.format("/" + "a/" * 200 + "end")))
    assert found is not None
    assert (len(found), found[0], found[-4:]) == (200, "…", "/end")


@given(st.sampled_from(["claude-code", "codex", "opencode", "gemini-cli"]), st.lists(st.binary(), max_size=6))
def test_no_bytes_make_it_fail(framework, messages):
    signs = [
        b"<env>\\nWorking directory: ",
        b"<environment_context><cwd>",
        b"\\n- **Workspace Directories:**\\n  - ",
    ]
    project(framework, *messages, *(sign + message for sign in signs for message in messages))
