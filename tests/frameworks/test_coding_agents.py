"""
Claude Code and Codex under `arc-proxy run`, by key and by plan, beside what they do without it.

Neither has a base URL. Directly they reach the fake vendor as their HTTPS proxy; under `arc-proxy run` the
proxy does, and another one would see what goes past it. `pytest -s` prints the table of what came out.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.agent_provider import DELEGATE, DELEGATED, AgentProvider, agent_provider
from tests.system.installation import ARC_PROXY, Installation, clean_environment

TIMEOUT_S = 120


@dataclass(frozen=True)
class Agent:
    name: str  # in the lab, and as a framework
    arguments: tuple[str, ...]
    environ: dict[str, str]
    provider: str
    grade: str
    sub_agent: str  # what a report by project calls it: its sort where the client says one
    auth: dict[str, Any] = field(default_factory=dict)  # of Codex


def _token(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*words, "signature"])


_PLAN = {"chatgpt_plan_type": "plus", "chatgpt_account_id": "acc-1", "chatgpt_user_id": "u-1"}
_SIGNED_IN = _token({"email": "a@b.example", "exp": 4_000_000_000, "https://api.openai.com/auth": _PLAN})
_CLAUDE = ("-p", DELEGATE, "--model", "claude-sonnet-4-5", "--allowedTools", "Bash,Task,Agent")
_CODEX = (
    "exec",
    "-m",
    "gpt-5.2-codex",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    DELEGATE,
)
AGENTS = {
    "Claude Code, API key": Agent(
        "claude-code",
        _CLAUDE,
        {"ANTHROPIC_API_KEY": "sk-ant-api03-0123456789"},
        "anthropic",
        "computed",
        "general-purpose",
    ),
    "Claude Code, Claude Max": Agent(
        "claude-code",
        _CLAUDE,
        {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-0123456789"},
        "anthropic",
        "api_equivalent",
        "general-purpose",
    ),
    "Codex, API key": Agent(
        "codex", _CODEX, {}, "openai", "computed", "codex", auth={"OPENAI_API_KEY": "sk-proj-0123456789"}
    ),
    "Codex, ChatGPT Plus": Agent(
        "codex",
        _CODEX,
        {},
        "other",
        "api_equivalent",
        "codex",
        auth={
            "auth_mode": "chatgpt",
            "tokens": {
                "id_token": _SIGNED_IN,
                "access_token": _SIGNED_IN,
                "refresh_token": "rt-0123456789",
                "account_id": "acc-1",
            },
        },
    ),
}
CASES = [pytest.param(agent, marks=pytest.mark.lab(agent.name), id=name) for name, agent in AGENTS.items()]


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProvider]:
    with agent_provider(tmp_path_factory.mktemp("vendor")) as provider:
        yield provider


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProvider]:
    """Where a client's requests end up that do not go through the proxy."""
    with agent_provider(tmp_path_factory.mktemp("past")) as provider:
        yield provider


def program(agent: Agent) -> Path:
    lab = Path(os.environ.get("ARC_CLIENTS_LAB", "/nowhere")) / agent.name
    return lab / "node_modules" / ".bin" / {"claude-code": "claude"}.get(agent.name, agent.name)


def environment(agent: Agent, home: Path, outside: AgentProvider) -> dict[str, str]:
    """`outside`: who answers what the client asks of the internet."""
    (home / ".codex").mkdir(parents=True, exist_ok=True)
    auth = dict(agent.auth)
    if "tokens" in auth:  # a login that is old enough would be refreshed first
        auth["last_refresh"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    (home / ".codex" / "auth.json").write_text(json.dumps(auth))
    authority = str(outside.authority)
    return clean_environment(
        HOME=str(home),
        HTTPS_PROXY=outside.url,
        NODE_EXTRA_CA_CERTS=authority,
        SSL_CERT_FILE=authority,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        **agent.environ,
    )


def run(command: list[Any], environ: dict[str, str], cwd: Path) -> str:
    cwd.mkdir(exist_ok=True)
    done = subprocess.run(
        list(map(str, command)),
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.timeout(3 * TIMEOUT_S)
@pytest.mark.parametrize("agent", CASES)
def test_an_agent_does_the_same_and_is_one_session(
    agent: Agent, vendor: AgentProvider, past: AgentProvider, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    vendor.begin()
    said = run([program(agent), *agent.arguments], environment(agent, tmp_path / "direct", vendor), work)
    direct = vendor.generations
    vendor.begin()
    past.begin()
    outside = {"HTTPS_PROXY": vendor.url}
    options = ("--ca-bundle", str(vendor.authority))
    with Installation(tmp_path / "data", None, *options, environment=outside) as proxy:
        launch = [ARC_PROXY, "run", "--data-dir", tmp_path / "data", "--", program(agent), *agent.arguments]
        proxied_said = run(launch, environment(agent, tmp_path / "proxied", past), work)
        calls = [call for call in proxy.calls() if call["kind"] == "generation"]
        runs = proxy.runs()
        by_project = json.loads(proxy.cli("report", "--by", "project", "--json"))["projects"]
        issues = [json.loads(line)["code"] for line in proxy.cli("issues", "--json").splitlines()]
    proxied = vendor.generations
    attempts = [call for call in calls if call["attempt_of"] is not None]
    children = [each for each in runs if each["parent_run_id"] is not None]
    grades = {call["cost_grade"] for call in calls if call["status"] == 200}
    sessions = {call["session_id"] for call in calls}
    frameworks = {str(each["framework"]) for each in runs}
    usd = sum(float(call["cost_usd"] or 0) for call in calls)
    print(
        f"\n{agent.name:12} {agent.grade:15} direct {len(direct)} requests, first {direct[0].tokens} tokens"
        f"; proxied {len(proxied)}, first {proxied[0].tokens}; past us {len(past.generations)}"
        f"; sessions {len(sessions)}, runs {len(runs)}, sub-agents {len(children)}, attempts {len(attempts)}"
        f"; {', '.join(sorted(frameworks))}; ${usd:.4f} {', '.join(sorted(grades))}"
    )
    assert said.strip() == proxied_said.strip()
    assert DELEGATED in said
    assert [asked.path.partition("?")[0] for asked in proxied] == [
        asked.path.partition("?")[0] for asked in direct
    ]
    assert abs(proxied[0].tokens - direct[0].tokens) <= TOKENS_OF_PATHS
    assert past.generations == []
    assert len(calls) == len(proxied) >= 5
    assert {call["provider"] for call in calls} == {agent.provider}
    assert len(sessions) == 1
    assert (len(runs), len(children), len(attempts)) == (2, 1, 1)
    assert children[0]["parent_run_id"] in {each["run_id"] for each in runs}
    assert frameworks == {agent.name}
    assert grades == {agent.grade}
    latest = by_project[0]["latest_runs"]
    assert by_project[0]["project"].endswith("/work")
    assert [(each["name"], each["runs"]) for each in latest["sub_agents"]] == [(agent.sub_agent, 1)]
    assert 0 < latest["sub_agents"][0]["share"] < 1
    assert (latest["money_went"] is None) == (agent.grade == "api_equivalent")
    assert "tool.unknown_name" not in issues


TOKENS_OF_PATHS = 8  # the home folder's name stands in the prompt
