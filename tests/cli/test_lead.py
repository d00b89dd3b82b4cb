from __future__ import annotations

import json

import pytest

from arc_proxy.cli.lead import Place, make_plan
from arc_proxy.cli.way import Way

URL = "http://127.0.0.1:8000"
LED = f"{URL}/agent/a"


@pytest.fixture
def plan(tmp_path):
    """The plan for a command line, and where it leads on to."""

    def call(line: str, **environ: str):
        way = Way(URL, "a", is_alive=lambda _host, _port: False)
        place = Place(environ, tmp_path, tmp_path)
        return make_plan(way, line.split(), place, tmp_path / "scratch"), way.upstreams

    return call


def test_any_program_is_led_by_variables(plan):
    made, upstreams = plan("python my_agent.py", OPENAI_BASE_URL="https://gateway.example/v1")
    assert made.command == ("python", "my_agent.py")
    assert made.set["OPENAI_BASE_URL"] == f"{LED}/openai"
    assert made.set["ENABLE_TOOL_SEARCH"] == "true"
    assert upstreams == {"openai": "https://gateway.example/v1"}
    assert made.by[:2] == ("OPENAI_BASE_URL", "OPENAI_API_BASE")


def test_what_a_client_is_configured_for_beats_the_variables(plan, tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "https://configured.example"}}))
    made, upstreams = plan("claude -p hi", ANTHROPIC_BASE_URL="https://variable.example")
    assert upstreams == {"anthropic": "https://configured.example"}
    assert json.loads(made.command[2])["env"]["ANTHROPIC_BASE_URL"] == f"{LED}/anthropic"
    assert "ANTHROPIC_BASE_URL" not in made.set
    assert "ANTHROPIC_BASE_URL is https://variable.example and is not the only upstream" in made.warnings[0]


def test_a_server_of_ollama_is_not_told_where_to_listen(plan):
    assert "OLLAMA_HOST" not in plan("ollama serve")[0].set
    assert plan("python my_agent.py")[0].set["OLLAMA_HOST"] == f"{LED}/ollama"


def test_gemini_cli_is_led_once_it_has_a_login(plan, tmp_path):
    made, _ = plan("gemini -p hi")
    assert "GOOGLE_GEMINI_BASE_URL" not in made.set
    assert "no login chosen yet" in made.warnings[0]
    path = tmp_path / ".gemini" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    made, _ = plan("gemini -p hi")
    assert made.set["GOOGLE_GEMINI_BASE_URL"] == f"{LED}/gemini"
    assert made.by == ("GOOGLE_GEMINI_BASE_URL", "CODE_ASSIST_ENDPOINT")
    assert made.warnings == ()


def test_codex_and_opencode_keep_the_variables_for_what_they_start(plan):
    codex, _ = plan("npx -y @openai/codex exec hi", CODEX_API_KEY="k")
    assert codex.command[3:5] == ("-c", f'openai_base_url="{LED}/openai/v1"')
    assert codex.by == ("-c openai_base_url (API key)",)
    opencode, _ = plan("opencode run hi", OPENAI_API_KEY="k")
    assert opencode.by == ("OPENCODE_CONFIG_CONTENT with openai",)
    assert codex.set["OPENAI_BASE_URL"] == opencode.set["OPENAI_BASE_URL"] == f"{LED}/openai/v1"
