from __future__ import annotations

import pytest

from arc_proxy.cli.env import Shell, guess_shell
from arc_proxy.cli.run import guess_agent
from arc_proxy.cli.variables import base_urls, for_program

URL = "http://127.0.0.1:8000"


def alive(_host: str, port: int) -> bool:
    return port in (8000, 11434)


USERS = {
    "nothing set": ({}, {"OPENAI_BASE_URL": f"{URL}/agent/a/openai/v1"}, {}),
    "this very proxy": (
        {"OPENAI_BASE_URL": "http://localhost:8000/openai/v1"},
        {"OPENAI_BASE_URL": f"{URL}/agent/a/openai/v1"},
        {},
    ),
    "an earlier proxy, dead now": (
        {"OPENAI_BASE_URL": "http://127.0.0.1:8123/openai/v1"},
        {"OPENAI_BASE_URL": f"{URL}/agent/a/openai/v1"},
        {},
    ),
    "a local server that lives": (
        {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"},
        {},
        {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"},
    ),
    "a gateway elsewhere": (
        {"ANTHROPIC_BASE_URL": "https://gateway.example/anthropic"},
        {"OPENAI_BASE_URL": f"{URL}/agent/a/openai/v1"},
        {"ANTHROPIC_BASE_URL": "https://gateway.example/anthropic"},
    ),
    "no URL at all": ({"OPENAI_BASE_URL": "http://[::"}, {}, {"OPENAI_BASE_URL": "http://[::"}),
    "an empty variable": ({"OPENAI_BASE_URL": ""}, {"OPENAI_BASE_URL": f"{URL}/agent/a/openai/v1"}, {}),
}


@pytest.mark.parametrize(("environ", "chosen", "kept"), USERS.values(), ids=USERS)
def test_what_the_user_has_set_stays(environ, chosen, kept):
    variables = for_program(URL, "a", environ, alive)
    assert chosen.items() <= variables.set.items()
    assert variables.kept == kept
    assert not variables.kept.keys() & variables.set.keys()


SPARED = {
    "no HTTP proxy": ({}, None),
    "an HTTP proxy": ({"HTTPS_PROXY": "http://p:1"}, "127.0.0.1,localhost"),
    "exceptions are kept": (
        {"http_proxy": "http://p:1", "NO_PROXY": "corp,localhost"},
        "corp,localhost,127.0.0.1",
    ),
    "everything is spared already": ({"http_proxy": "http://p:1", "NO_PROXY": "*"}, None),
}


@pytest.mark.parametrize(("environ", "no_proxy"), SPARED.values(), ids=SPARED)
def test_an_http_proxy_is_not_asked_for_this_machine(environ, no_proxy):
    chosen = for_program(URL, "a", environ, alive).set
    assert chosen.get("NO_PROXY") == chosen.get("no_proxy") == no_proxy


def test_clients_that_would_do_less_behind_a_base_url_are_restored():
    assert for_program(URL, "a", {}, alive).set["ENABLE_TOOL_SEARCH"] == "true"
    assert "ENABLE_TOOL_SEARCH" not in for_program(URL, "a", {"ENABLE_TOOL_SEARCH": "false"}, alive).set


def test_an_agents_name_is_one_part_of_the_path():
    assert base_urls(URL, "a/b c?")["OPENAI_BASE_URL"] == f"{URL}/agent/a%2Fb%20c%3F/openai/v1"
    assert base_urls(URL)["ANTHROPIC_BASE_URL"] == f"{URL}/anthropic"


AGENTS = {
    "finance": ["python", "-u", "agents/finance.py", "--fast"],
    "crew.main": ["python3.12", "-m", "crew.main"],
    "bot": ["/usr/bin/node", "--inspect", "dist/bot.js"],
    "claude": ["claude", "-p", "hi"],
    "my_agent": ["uv", "run", "python", "my_agent.py"],
    "python": ["python", "-c", "print(1)"],
    "python3": ["python3"],
}


@pytest.mark.parametrize(("agent", "command"), AGENTS.items())
def test_an_agent_without_a_name_is_called_as_its_program(agent, command):
    assert guess_agent(command) == agent


@pytest.mark.parametrize(
    ("program", "shell"),
    {
        "/bin/bash": Shell.SH,
        "/bin/zsh": Shell.SH,
        "/usr/bin/fish": Shell.FISH,
        "tcsh": Shell.CSH,
        "pwsh": Shell.POWERSHELL,
        "": Shell.SH,
    }.items(),
)
def test_the_shell_is_known_by_its_name(program, shell):
    assert guess_shell(program) is shell
