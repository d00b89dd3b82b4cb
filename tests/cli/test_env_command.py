"""`arc-proxy env`, as a shell reads it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from arc_proxy.cli.clients import CLIENTS
from arc_proxy.cli.env import Shell, quoted

URL = "http://127.0.0.1:8000"
SHELLS = {
    name: Shell.FISH if name == "fish" else Shell.CSH if name == "tcsh" else Shell.SH
    for name in ("sh", "bash", "zsh", "dash", "fish", "tcsh")
    if shutil.which(name)
}
NASTY = """a 'quoted' "text" $HOME `id` \\n %41 {"x": "\\\\"}"""


def eval_in(shell: str, lines: str, environ: dict[str, str]) -> dict[str, str]:
    """The environment after the lines."""
    read = "source /dev/stdin" if shell in ("fish", "tcsh") else 'eval "$(cat)"'
    done = subprocess.run(
        [shell, "-c", f"{read}; env -0"], input=lines, capture_output=True, text=True, env=environ, check=True
    )
    assert not done.stderr
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("client", [client.name for client in CLIENTS])
def test_each_clients_lines_can_be_evaluated(arc, monkeypatch, tmp_path, shell, client):
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    done = arc("env", "--for", client, "--agent", "it's", "--shell", SHELLS[shell].value)
    wanted = json.loads(arc("env", "--for", client, "--agent", "it's", "--json").out)
    assert done.code == 0
    after = eval_in(shell, done.out, {"PATH": "/usr/bin:/bin"})
    assert {name: after[name] for name in wanted} == wanted
    assert "canary" not in done.out
    for value in wanted.values():
        assert value == "true" or f"{URL}/agent/it%27s/" in value


@pytest.mark.parametrize("shell", SHELLS)
def test_any_value_reaches_the_shell_as_it_is(shell):
    syntax = SHELLS[shell]
    line = (
        f"set -gx X {quoted(NASTY, syntax)}" if syntax is Shell.FISH else f"export X={quoted(NASTY, syntax)}"
    )
    if syntax is not Shell.CSH:
        assert eval_in(shell, line, {"PATH": "/usr/bin:/bin"})["X"] == NASTY


QUOTED = {
    "fish": (Shell.FISH, r"a'b\c", r"'a\'b\\c'"),
    "fish, nothing to quote": (Shell.FISH, "http://x/y", "http://x/y"),
    "powershell": (Shell.POWERSHELL, "a'b", "'a''b'"),
    "sh": (Shell.SH, "a'b", """'a'"'"'b'"""),
}


@pytest.mark.parametrize(("shell", "value", "word"), QUOTED.values(), ids=QUOTED)
def test_quotes_as_each_shell_does(shell, value, word):
    assert quoted(value, shell) == word


def test_vercel_wants_the_version_where_anthropics_own_sdk_appends_it(arc):
    vercel = json.loads(arc("env", "--for", "vercel", "--json").out)
    anthropic = json.loads(arc("env", "--for", "anthropic", "--json").out)
    assert vercel["ANTHROPIC_BASE_URL"] == f"{URL}/anthropic/v1"
    assert anthropic == {"ANTHROPIC_BASE_URL": f"{URL}/anthropic"}


def test_what_no_variable_can_do_stands_in_a_comment(arc, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text('{"OPENAI_API_KEY": "sk-canary"}')
    lines = arc("env", "--for", "codex", "--shell", "sh").out.splitlines()
    assert all(line.startswith("# ") for line in lines)
    assert f"""# codex -c 'openai_base_url="{URL}/openai/v1"'""" in lines
    assert "# aider:" in arc("env", "--for", "aider", "--shell", "sh").out
    monkeypatch.setenv("SHELL", "/bin/zsh")
    in_zsh = arc("env", "--for", "aider")
    assert "#" not in in_zsh.out
    assert "aider:" in in_zsh.err


def test_a_gateway_of_the_users_is_not_overwritten(arc, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")
    done = arc("env", "--for", "openai", "--shell", "sh")
    assert "export OPENAI_BASE_URL" not in done.out
    assert "# OPENAI_BASE_URL is https://gateway.example/v1 and leads elsewhere" in done.out
    assert "--upstream openai=https://gateway.example/v1" in done.out


def test_an_unknown_client_brings_near_ones_and_the_list_names_all(arc):
    done = arc("env", "--for", "langgrph")
    assert done.code == 2
    assert "Did you mean langgraph" in done.err
    assert not done.out
    assert arc("env", "--list").out.split() == [client.name for client in CLIENTS]
