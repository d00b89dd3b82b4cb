from __future__ import annotations

import pytest

from arc_proxy.cli.clients import BY_NAME, CLIENTS, client_named, find_client
from arc_proxy.cli.variables import ALL_BASES
from arc_proxy.errors import UsageError

# A command line -> the client, and its first argument.
COMMANDS = {
    "by its name": ("claude -p hi", "claude-code", "-p"),
    "by a path": ("/usr/local/bin/codex exec hi", "codex", "exec"),
    "npx": ("npx -y @anthropic-ai/claude-code@latest -p hi", "claude-code", "-p"),
    "npx with a package and a program": ("npx -y -p @openai/codex codex exec", "codex", "exec"),
    "bunx": ("bunx opencode-ai run hi", "opencode", "run"),
    "pnpm dlx": ("pnpm dlx @google/gemini-cli -p hi", "gemini-cli", "-p"),
    "npm exec": ("npm exec -- @qwen-code/qwen-code -p hi", "qwen-code", "-p"),
    "uvx": ("uvx --from aider-chat aider --message hi", "aider", "--message"),
    "uv run": ("uv run --with x aider hi", "aider", "hi"),
    "a module": ("python3.12 -u -m aider hi", "aider", "hi"),
    "a script in a package": (
        "node /opt/lib/node_modules/@openai/codex/bin/codex.js exec",
        "codex",
        "exec",
    ),
    "behind env": ("env FOO=1 claude -p", "claude-code", "-p"),
    "an installed script": ("python /home/me/.local/bin/aider hi", "aider", "hi"),
}


@pytest.mark.parametrize(("line", "name", "argument"), COMMANDS.values(), ids=COMMANDS)
def test_a_client_is_known_by_its_command_line(line, name, argument):
    command = line.split()
    found = find_client(command)
    assert found is not None
    assert (found.client.name, command[found.place]) == (name, argument)


OTHERS = {
    "a script of one's own": "python agents/finance.py claude",
    "code": "python -c claude",
    "a shell": "bash -c claude",
    "another package": "npx -y cowsay claude",
    "a launcher alone": "npx",
    "a flag alone": "uv run --with",
    "an editor": "vim claude.md",
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_other_programs_are_no_client(line):
    assert find_client(line.split()) is None


def test_a_client_that_is_not_known_brings_near_ones():
    assert client_named("Claude").name == "claude-code"
    assert client_named("llama_index").name == "llamaindex"
    with pytest.raises(UsageError, match=r"no client is known as lngchain.*langchain.*--list"):
        client_named("lngchain")
    with pytest.raises(UsageError, match="no client is known as zzz"):
        client_named("zzz")


def test_the_table_says_each_thing_once():
    assert len(BY_NAME) == len(CLIENTS)
    assert all(client.bases or client.notes for client in CLIENTS)
    assert {name for client in CLIENTS for name in client.bases} <= ALL_BASES.keys()
