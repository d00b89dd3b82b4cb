from __future__ import annotations

import pytest

from arc_proxy.cli.env import Shell, guess_shell
from arc_proxy.cli.run import guess_agent
from arc_proxy.cli.variables import BASES, USERS_BASES, base_urls, lead_variables, spare_loopback
from arc_proxy.cli.way import Way

URL = "http://127.0.0.1:8000"
LED = f"{URL}/agent/a"


def way(**changes) -> Way:
    """Ports 8000 and 11434 are alive; 9000 is a gateway of an outer `arc-proxy run`."""
    asked = {
        "is_alive": lambda _host, port: port in (8000, 9000, 11434),
        "is_ours": lambda _host, port: port == 9000,
    }
    return Way(URL, "a", **(asked | changes))


def test_every_sdk_is_led_where_nothing_is_set():
    variables = lead_variables(way(), {})
    assert variables.set == {
        "OPENAI_BASE_URL": f"{LED}/openai/v1",
        "OPENAI_API_BASE": f"{LED}/openai/v1",
        "ANTHROPIC_BASE_URL": f"{LED}/anthropic",
        "GOOGLE_GEMINI_BASE_URL": f"{LED}/gemini",
        "GROQ_BASE_URL": f"{LED}/groq",
        "CO_API_URL": f"{LED}/cohere",
        "OLLAMA_HOST": f"{LED}/ollama",
    }
    assert variables.kept == {}


def test_what_few_clients_read_is_set_only_where_the_user_has_it():
    assert not lead_variables(way(), {}).set.keys() & USERS_BASES.keys()
    users = {"AZURE_OPENAI_ENDPOINT": "https://my-res.openai.azure.com/"}
    assert lead_variables(way(), users).set["AZURE_OPENAI_ENDPOINT"] == f"{LED}/azure/my-res"


SIGNED = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://bedrock-runtime.eu-west-1.amazonaws.com"}


def test_a_signature_over_the_host_of_bedrock_is_left_whole():
    variables = lead_variables(way(), SIGNED)
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in variables.set
    assert "signature" in variables.kept["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"].why
    bearer = lead_variables(way(), SIGNED | {"AWS_BEARER_TOKEN_BEDROCK": "x"})
    assert bearer.set["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == f"{LED}/bedrock/eu-west-1"


def test_a_base_url_of_a_env_file_is_left_to_the_program():
    variables = lead_variables(way(), {}, unsure={"OPENAI_BASE_URL", "DEEPSEEK_BASE_URL"})
    assert variables.kept.keys() == {"OPENAI_BASE_URL", "DEEPSEEK_BASE_URL"}
    assert "OPENAI_API_BASE" in variables.set
    known = lead_variables(way(), {"OPENAI_BASE_URL": f"{URL}/openai/v1"}, unsure={"OPENAI_BASE_URL"})
    assert known.set["OPENAI_BASE_URL"] == f"{LED}/openai/v1"


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
    chosen = spare_loopback(environ)
    assert chosen.get("NO_PROXY") == chosen.get("no_proxy") == no_proxy


def test_an_agents_name_is_one_part_of_the_path():
    way = Way(URL, "a/b c?", is_alive=lambda _host, _port: False)
    led = lead_variables(way, {}).set
    assert led["OPENAI_BASE_URL"] == f"{URL}/agent/a%2Fb%20c%3F/openai/v1"
    assert base_urls(URL, BASES)["ANTHROPIC_BASE_URL"] == f"{URL}/anthropic"


AGENTS = {
    "finance": ["python", "-u", "agents/finance.py", "--fast"],
    "crew.main": ["python3.12", "-m", "crew.main"],
    "bot": ["/usr/bin/node", "--inspect", "dist/bot.js"],
    "claude": ["claude", "-p", "hi"],
    "codex": ["npx", "-y", "@openai/codex@latest", "exec"],
    "aider": ["uvx", "--from", "aider-chat", "aider"],
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
