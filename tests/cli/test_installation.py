"""The real thing: `serve` and `run` as processes, a provider, and the commands that talk to them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.instance import find_instance, is_ready
from arc_proxy.cli.port import is_listening
from tests.cli.command import clean_environ

START_S_MAX = 60
AGENT = """
import json, os, sys, urllib.request
body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "How did travel do?"}]})
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", body.encode(),
    {"content-type": "application/json", "authorization": "Bearer sk-canary-0123456789"},
)
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
sys.exit(int(sys.argv[1]))
"""


@dataclass
class Served:
    folder: Path
    environ: dict[str, str]
    url: str
    process: subprocess.Popen[str]
    log: Path

    def arc(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "arc_proxy.cli.main", *arguments],
            capture_output=True,
            text=True,
            env=self.environ | environ,
            timeout=90,
            check=False,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory, provider) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("served")
    environ = clean_environ(ARC_DATA_DIR=str(base / "data"), XDG_RUNTIME_DIR=str(base), COLUMNS="100")
    command = [
        sys.executable,
        "-m",
        "arc_proxy.cli.main",
        "serve",
        "--port",
        "0",
        "--upstream",
        f"*={provider}",
    ]
    log = base / "serve.log"
    with (
        log.open("w") as sink,
        subprocess.Popen(command, stdout=sink, stderr=sink, text=True, env=environ) as process,
    ):
        try:
            yield Served(base / "data", environ, await_ready(base / "data"), process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def await_ready(data_dir: Path) -> str:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        instance = find_instance(find_folder(data_dir, {}))
        if instance and is_ready(instance):
            return instance.url
        time.sleep(0.1)
    raise AssertionError("serve did not become ready")


def agent_command(tmp_path: Path, code: int = 0) -> list[str]:
    (tmp_path / "my_agent.py").write_text(AGENT)
    return [sys.executable, str(tmp_path / "my_agent.py"), str(code)]


def test_serve_says_where_it_is(served):
    said = served.log.read_text()
    assert f"on {served.url}, data in {served.folder}" in said
    assert f"export OPENAI_BASE_URL={served.url}/openai/v1" in said
    assert f"export ANTHROPIC_BASE_URL={served.url}/anthropic" in said
    assert f"{served.url}/_arc/login?token=" in said


def test_run_uses_the_proxy_that_runs_and_prints_the_card(served, tmp_path):
    done = served.arc("run", "--agent", "finance", "--", *agent_command(tmp_path, code=5))
    assert done.returncode == 5
    assert done.stdout.count("\n") == 1  # the program's own word, and nothing of ours
    assert "none was running" not in done.stderr
    assert "━━━ finance ━" in done.stderr
    assert "│ Runs         1 " in done.stderr
    assert "$0.000" in done.stderr
    facts = json.loads(served.arc("report", "--json").stdout)["agents"]
    assert [agent["agent"] for agent in facts] == ["finance"]
    assert served.process.poll() is None


def test_a_program_that_fails_has_failed_its_last_run(served, tmp_path):
    before = served.arc("run", "--agent", "brittle", "--", *agent_command(tmp_path, 0))
    done = served.arc("run", "--agent", "brittle", "--", *agent_command(tmp_path, 3))
    assert (before.returncode, done.returncode) == (0, 3)
    assert "1 of 2 runs" in done.stderr
    runs = [
        json.loads(line) for line in served.arc("runs", "--agent", "brittle", "--json").stdout.splitlines()
    ]
    assert [(run["outcome"], run["outcome_source"]) for run in runs] == [("failure", "exit"), (None, None)]
    assert "the program exited with 3" in served.arc("show", runs[0]["run_id"]).stdout
    assert (
        "state       ended with the program that it ran in" in served.arc("show", runs[-1]["run_id"]).stdout
    )


def test_run_leads_on_to_the_gateway_that_the_user_points_to(served, tmp_path, provider):
    done = served.arc(
        "run", "--agent", "chained", "--", *agent_command(tmp_path), OPENAI_BASE_URL=f"{provider}/v1"
    )
    assert done.returncode == 0
    [said] = [line for line in done.stderr.splitlines() if line.startswith("arc-proxy:")]
    assert re.fullmatch(
        r"arc-proxy: leads chained through http://127\.0\.0\.1:\d+ by OPENAI_BASE_URL, .* and \d+ more"
        rf"; openai on to {re.escape(provider)}/v1",
        said,
    )
    assert served.url not in said  # it has a gateway of its own, for as long as it runs
    assert "━━━ chained ━" in done.stderr
    [call] = [
        json.loads(line) for line in served.arc("export", "calls", "--agent", "chained").stdout.splitlines()
    ]
    assert (call["provider"], call["endpoint"], call["status"]) == ("openai", "chat.completions", 200)
    port = int(said.partition(" by ")[0].rpartition(":")[2])
    assert not is_listening("127.0.0.1", port)


def test_a_run_inside_of_another_goes_through_its_gateway(served, tmp_path, provider):
    inner = [sys.executable, "-m", "arc_proxy.cli.main", "run", "--no-card", "--agent", "inner", "--"]
    done = served.arc(
        "run", "--agent", "outer", "--", *inner, *agent_command(tmp_path), OPENAI_BASE_URL=f"{provider}/v1"
    )
    assert done.returncode == 0
    outer, within = [line for line in done.stderr.splitlines() if line.startswith("arc-proxy:")]
    assert " on to " in outer
    assert " on to " not in within
    calls = served.arc("export", "calls", "--agent", "inner").stdout.splitlines()
    assert [json.loads(call)["status"] for call in calls] == [200]
    assert not served.arc("export", "calls", "--agent", "outer").stdout


def test_a_base_url_in_a_env_file_is_left_to_the_program(served, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(
        "OPENAI_API_KEY=sk-canary-1\nexport OPENAI_BASE_URL=https://x.example/v1\n"
    )
    monkeypatch.chdir(tmp_path)
    done = served.arc("run", "--", "env")
    assert "OPENAI_BASE_URL stands in ./.env, which the program may read or not" in done.stderr
    assert "\nOPENAI_BASE_URL=" not in done.stdout
    assert "\nANTHROPIC_BASE_URL=" in done.stdout
    assert "canary" not in done.stderr


def test_run_gives_a_client_its_arguments_and_leaves_no_file(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "claude"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n[ -f "$2" ] && ls -l "$2" && cat "$2"\nexit 0\n')
    program.chmod(0o755)
    (tmp_path / "mine.json").write_text('{"env": {"ANTHROPIC_API_KEY": "sk-ant-canary"}}')
    said = served.arc("run", "--no-card", "--", str(program), "-p", "hi", HOME=str(tmp_path))
    flag, settings, *rest = said.stdout.splitlines()
    assert (flag, rest) == ("--settings", ["-p", "hi"])
    assert json.loads(settings)["env"]["ANTHROPIC_BASE_URL"] == f"{served.url}/agent/claude/anthropic"
    assert said.stderr == (
        f"arc-proxy: leads claude through {served.url}"
        " by --settings with ANTHROPIC_BASE_URL, ENABLE_TOOL_SEARCH\n"
    )
    kept = served.arc(
        "run", "--no-card", "--", str(program), "--settings", "mine.json", "hi", HOME=str(tmp_path)
    )
    flag, path, prompt, mode, content = kept.stdout.splitlines()
    assert (flag, prompt) == ("--settings", "hi")
    assert mode.startswith("-rw-------")
    assert json.loads(content)["env"]["ANTHROPIC_API_KEY"] == "sk-ant-canary"
    assert not Path(path).exists()
    assert "canary" not in kept.stderr


def test_a_client_whose_settings_cannot_be_read_runs_as_it_is(served, tmp_path):
    program = tmp_path / "claude"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    done = served.arc("run", "--no-card", "--", str(program), "--settings", "{", HOME=str(tmp_path))
    assert done.stdout.splitlines() == ["--settings", "{"]
    assert "claude-code may go past the proxy" in done.stderr


def test_status_and_doctor_find_all_well(served):
    status = served.arc("status")
    assert status.returncode == 0
    assert served.url in status.stdout
    body = json.loads(served.arc("status", "--json").stdout)
    assert body["console"]["trouble"] is None
    doctor = served.arc("doctor", OPENAI_BASE_URL=f"{served.url}/openai/v1")
    assert doctor.returncode == 0, doctor.stdout
    for words in (
        "✓ proxy",
        "✓ ingest",
        "✓ database",
        "✓ capture",
        "✓ OPENAI_BASE_URL  leads to the running proxy",
    ):
        assert words in doctor.stdout


def test_env_leads_to_the_proxy_that_runs(served):
    lines = served.arc("env", "--agent", "a b").stdout.splitlines()
    assert f"export OPENAI_BASE_URL={served.url}/agent/a%20b/openai/v1" in lines
    fish = served.arc("env", "--shell", "fish").stdout
    assert f"set -gx ANTHROPIC_BASE_URL {served.url}/anthropic;" in fish


def test_a_folder_is_served_once(served):
    again = served.arc("serve", "--port", "0")
    assert again.returncode == 2
    assert f"is served already, at {served.url} by process {served.process.pid}" in again.stderr


def test_a_port_that_is_taken_names_who_has_it(served, tmp_path):
    port = served.url.rpartition(":")[2]
    other = served.arc("serve", "--port", port, ARC_DATA_DIR=str(tmp_path / "other"))
    assert other.returncode == 2
    assert re.search(rf"port {port} is taken by .*process {served.process.pid}.*--port 0", other.stderr, re.S)


def test_rebuild_waits_for_the_console_to_be_gone(served):
    done = served.arc("db", "rebuild")
    assert done.returncode == 1
    assert "arc-proxy stop" in done.stderr


def fetch(url: str, **headers: str):
    opener = urllib.request.build_opener(NoRedirect)
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=20)
    except urllib.error.HTTPError as answer:
        return answer


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        return None


def test_a_console_that_hangs_is_said_to_and_not_waited_for(served):
    [console] = [
        process
        for process in psutil.Process(served.process.pid).children(recursive=True)
        if "arc_proxy.cli.console" in " ".join(process.cmdline())
    ]
    console.suspend()
    try:
        done = served.arc("runs")
    finally:
        console.resume()
    assert done.returncode == 0, done.stderr
    assert "the console says nothing for 5 s; what follows is what it had stored" in done.stderr
    assert "finance" in done.stdout
    assert served.arc("runs").stderr == ""


def test_the_dashboard_opens_by_a_link_once_and_by_nothing_else(served, tmp_path):
    served.arc("run", "--agent", "x<script>", "--", *agent_command(tmp_path))
    with fetch(f"{served.url}/_arc/") as refused:
        assert refused.status == 401
    link = served.arc("open", "--print").stdout.strip()
    with fetch(link) as answer:
        assert answer.status == 303
        cookie = answer.headers["set-cookie"].partition(";")[0]
    with fetch(f"{served.url}/_arc/", cookie=cookie) as answer:
        page = answer.read().decode()
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "x&lt;script&gt;" in page
    assert "x<script>" not in page
    with fetch(link) as again:
        assert again.status == 401


def test_no_key_of_a_caller_lies_anywhere(served, tmp_path):
    served.arc("run", "--agent", "keys", "--", *agent_command(tmp_path))
    served.arc("report")
    found = [
        path for path in served.folder.rglob("*") if path.is_file() and b"sk-canary" in path.read_bytes()
    ]
    assert found == []
    assert "sk-canary" not in served.log.read_text()


def test_a_private_proxy_lives_as_long_as_someone_needs_it(tmp_path, provider):
    environ = clean_environ(
        ARC_DATA_DIR=str(tmp_path / "data"), XDG_RUNTIME_DIR=str(tmp_path), ARC_UPSTREAMS=f"*={provider}"
    )
    run = [sys.executable, "-m", "arc_proxy.cli.main", "run", "--agent"]
    sleeper = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    folder = find_folder(tmp_path / "data", {})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen([*run, "first", "--", *sleeper], env=environ, **pipes)
    assert first.stdout.readline() == "up\n"
    instance = find_instance(folder)
    assert instance is not None
    second = subprocess.Popen([*run, "second", "--no-card", "--", *sleeper], env=environ, **pipes)
    assert second.stdout.readline() == "up\n"
    said = first.communicate("", timeout=90)[1]
    assert "one runs on http://127.0.0.1:" in said
    assert first.returncode == 0
    assert find_instance(folder) == instance  # the second still needs it
    said = second.communicate("", timeout=60)[1]
    assert "none was running" not in said
    assert find_instance(folder) is None


STREAMING_AGENT = """
import openai
stream = openai.OpenAI(api_key="sk-none").chat.completions.create(
    model="gpt-5", stream=True, messages=[{"role": "user", "content": "How did travel do?"}]
)
print("".join(event.choices[0].delta.content or "" for event in stream))
"""


@pytest.mark.parametrize(("setting", "grade"), [("true", "reported"), ("false", "partial")])
def test_a_stream_that_says_no_usage_is_asked_for_it(tmp_path, provider, setting, grade):
    environ = clean_environ(
        ARC_DATA_DIR=str(tmp_path / "data"),
        XDG_RUNTIME_DIR=str(tmp_path),
        ARC_UPSTREAMS=f"*={provider}",
        ARC_INCLUDE_USAGE=setting,
    )
    arc = [sys.executable, "-m", "arc_proxy.cli.main"]
    subprocess.run(
        [*arc, "run", "--no-card", "--", sys.executable, "-c", STREAMING_AGENT], env=environ, check=True
    )
    exported = subprocess.run([*arc, "export", "calls"], env=environ, capture_output=True, check=True).stdout
    [call] = [json.loads(line) for line in exported.splitlines()]
    assert call["stream"]
    assert call["output_text"]
    assert call["usage_grade"] == grade
    assert call["output_tokens"] > 0
    assert float(call["cost_usd"]) > 0
    assert call["cost_grade"] == ("computed" if grade == "reported" else "partial")
    said = subprocess.run([*arc, "report"], env=environ, capture_output=True, check=True, text=True).stdout
    assert ("serve --include-usage" in said) == (grade != "reported")


def test_stop_ends_it_and_the_rows_have_everything(served, tmp_path):
    """Last of all: nothing is served any more afterwards."""
    served.arc("run", "--agent", "last", "--no-card", "--", *agent_command(tmp_path))
    done = served.arc("stop")
    assert done.returncode == 0
    assert done.stderr == f"Stopped {served.url}.\n"
    assert served.process.wait(30) == 0
    assert served.arc("status").returncode == 1
    assert not (served.folder / "serve.json").exists()
    assert os.listdir(served.folder / "journal")
    lines = served.arc("runs", "--agent", "last", "--json").stdout.splitlines()
    assert len(lines) == 1
