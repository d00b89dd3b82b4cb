from __future__ import annotations

import json
from pathlib import Path

import pytest

from arc_proxy.cli.check_clients import check_files, check_past, check_tool_search
from arc_proxy.cli.checks import State
from arc_proxy.cli.instance import Instance
from arc_proxy.cli.lead import Place

RUNNING = Instance(
    pid=1,
    version="1",
    url="http://127.0.0.1:8000",
    host="127.0.0.1",
    port=8000,
    console_socket=Path("/nowhere/console.sock"),
    started_at="",
    workers=1,
)
DEAD = "http://127.0.0.1:8123/openai/v1"
OURS = "http://127.0.0.1:8000/openai/v1"
GATEWAY = "https://me:canary@gateway.example/v1?key=canary"


@pytest.fixture
def found(tmp_path):
    """What is found with these files below a home; port 8000 and 9000 are alive."""

    def call(files: dict[str, str], *, instance: Instance | None = RUNNING):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        place = Place({}, tmp_path, tmp_path / "project")
        return [
            (check.state, check.name, check.says.replace(f"{tmp_path}/", ""))
            for check in check_files(place, instance, lambda _host, port: port in (8000, 9000))
        ]

    return call


def claude(url: str) -> str:
    return json.dumps({"model": "opus", "env": {"ANTHROPIC_BASE_URL": url}}, indent=1)


NOBODY = "leads to port 8123, where nobody listens: its calls fail"
PAST = "leads to https://gateway.example/v1, past the proxy"
FILES = {
    "a dead port in bash": (
        {".bashrc": f"# mine\nexport OPENAI_BASE_URL={DEAD}\n"},
        (State.WARN, "OPENAI_BASE_URL", f"in .bashrc:2 {NOBODY}"),
    ),
    "the last one counts": (
        {".zshrc": f"export OPENAI_BASE_URL={OURS}\n  export OPENAI_BASE_URL='{DEAD}' # x\n"},
        (State.WARN, "OPENAI_BASE_URL", f"in .zshrc:2 {NOBODY}"),
    ),
    "fish": (
        {".config/fish/config.fish": f'set -gx ANTHROPIC_BASE_URL "{OURS}"\n'},
        (State.OK, "ANTHROPIC_BASE_URL", "in .config/fish/config.fish:1 leads to the running proxy"),
    ),
    "csh": (
        {".cshrc": f"setenv OLLAMA_HOST {DEAD};\n"},
        (State.WARN, "OLLAMA_HOST", f"in .cshrc:1 {NOBODY}"),
    ),
    "a .env of the project": (
        {"project/.env": f"OPENAI_API_KEY=sk-canary\nOPENAI_BASE_URL={GATEWAY}\n"},
        (State.NOTE, "OPENAI_BASE_URL", f"in project/.env:2 {PAST}"),
    ),
    "Claude Code's settings": (
        {".claude/settings.json": claude(DEAD)},
        (State.WARN, "ANTHROPIC_BASE_URL", f"in .claude/settings.json:4 {NOBODY}"),
    ),
    "Claude Code's settings of the project": (
        {"project/.claude/settings.local.json": claude(GATEWAY)},
        (State.NOTE, "ANTHROPIC_BASE_URL", f"in project/.claude/settings.local.json:4 {PAST}"),
    ),
    "Codex's own provider": (
        {".codex/config.toml": f'model = "x"\nopenai_base_url = "{DEAD}"\n'},
        (State.WARN, "openai_base_url", f"in .codex/config.toml:2 {NOBODY}"),
    ),
    "another of Codex's": (
        {".codex/config.toml": '[model_providers.corp]\nbase_url = "http://127.0.0.1:9000/v1"\n'},
        (State.NOTE, "corp.base_url", "in .codex/config.toml:2 leads to port 9000, past the proxy"),
    ),
    "a server of one's own that does not run": (
        {".profile": "export OPENAI_BASE_URL=http://127.0.0.1:11434/v1\n"},
        (
            State.NOTE,
            "OPENAI_BASE_URL",
            "in .profile:1 leads to port 11434, a server of yours that does not run now",
        ),
    ),
    "the vendor": (
        {".profile": "export OPENAI_BASE_URL=https://api.openai.com/v1\n"},
        (State.NOTE, "OPENAI_BASE_URL", "in .profile:1 leads to the vendor, past the proxy"),
    ),
    "no URL": (
        {".profile": "export OPENAI_BASE_URL=http://[::\n"},
        (State.WARN, "OPENAI_BASE_URL", "in .profile:1 is no URL"),
    ),
}


@pytest.mark.parametrize(("files", "said"), FILES.values(), ids=FILES)
def test_finds_where_it_stands_and_says_no_key(found, files, said):
    assert found(files) == [said]
    assert "canary" not in str(found(files))


QUIET = {
    "nothing": {},
    "a variable of the shell's": {".bashrc": "export OPENAI_BASE_URL=$PROXY/openai/v1\n"},
    "a comment": {".bashrc": f"# export OPENAI_BASE_URL={DEAD}\n"},
    "another variable": {".bashrc": f"export MY_BASE_URL={DEAD}\n"},
    "files that are broken": {".claude/settings.json": "{", ".codex/config.toml": "="},
    "settings of other shapes": {
        ".claude/settings.json": '{"env": 1}',
        ".codex/config.toml": "model_providers=1",
    },
}


@pytest.mark.parametrize("files", QUIET.values(), ids=QUIET)
def test_says_nothing_of(found, files):
    assert found(files) == []


def test_where_no_proxy_runs_nothing_goes_past_it(found):
    assert found({".bashrc": f"export OPENAI_BASE_URL={GATEWAY}\n"}, instance=None) == []


PASSING = {
    "a key without a base URL": ({"OPENAI_API_KEY": "k"}, RUNNING, ["traffic"]),
    "no proxy": ({"OPENAI_API_KEY": "k"}, None, []),
    "a base URL that LlamaIndex passes over": ({"OPENAI_BASE_URL": OURS}, RUNNING, ["OPENAI_API_BASE"]),
    "both": ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": OURS, "OPENAI_API_BASE": OURS}, RUNNING, []),
}


@pytest.mark.parametrize(("environ", "instance", "names"), PASSING.values(), ids=PASSING)
def test_what_this_shell_sends_past_the_proxy(environ, instance, names):
    assert [check.name for check in check_past(environ, instance)] == names


def test_claude_code_without_its_tool_search(tmp_path):
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(claude(OURS))
    place = Place({}, tmp_path, tmp_path)
    assert [check.name for check in check_tool_search(place)] == ["Claude Code"]
    restored = Place({"ENABLE_TOOL_SEARCH": "true"}, tmp_path, tmp_path)
    assert not list(check_tool_search(restored))
