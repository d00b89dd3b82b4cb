"""Every way to say how a run went, from the saying to the report, over a real proxy."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.instance import await_console, find_instance
from tests.cli.command import clean_environ
from tests.system.installation import Installation

TRACED = """
import sys
from arc_proxy.trace import ArcTracer
ArcTracer(agent=sys.argv[2]).outcome(sys.argv[3], run_id=sys.argv[1], score=0.8, reason="as the test says")
"""


class Scene:
    """An installation with one run per agent, and the ways to say something of it."""

    def __init__(self, served: Installation) -> None:
        self.served = served
        self.url = f"http://127.0.0.1:{served.port}"
        self.environment = {
            "ARC_DATA_DIR": str(served.data_dir),
            "XDG_RUNTIME_DIR": str(served.data_dir.parent),
        }

    def call(self, agent: str, run: str, **headers: str) -> None:
        names = {"x-arc-agent": agent, "x-arc-run-id": run} | headers
        with openai.OpenAI(api_key="none", base_url=f"{self.url}/openai/v1", max_retries=0) as gpt:
            messages: Any = [{"role": "user", "content": f"{agent} {run}"}]
            gpt.chat.completions.create(model="gpt-5", messages=messages, extra_headers=names)

    def by_header(self, agent: str, run: str, outcome: str) -> None:
        self.call(agent, run, **{"x-arc-outcome": outcome})

    def by_command(self, agent: str, run: str, outcome: str) -> None:
        self.served.cli(
            "outcome", run, outcome, "--agent", agent, "--score", "0.8", "--reason", "as the test says"
        )

    def by_api(self, agent: str, run: str, outcome: str, **headers: str) -> tuple[int, dict[str, Any]]:
        body = {"outcome": outcome, "score": 0.8, "reason": "as the test says", "agent": agent}
        token = self.served.cli("open", "--token").strip()
        own = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        request = urllib.request.Request(
            f"{self.url}/_arc/api/runs/{run}/outcome", json.dumps(body).encode(), own | headers
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def by_tracer(self, agent: str, run: str, outcome: str) -> None:
        command = [sys.executable, "-c", TRACED, run, agent, outcome]
        subprocess.run(command, check=True, env=clean_environ(**self.environment), timeout=60)

    def by_exit(self, agent: str, run: str, outcome: str) -> None:
        code = {"success": 0, "failure": 3}[outcome]
        ask = (
            "import os, sys, openai\n"
            f"headers = {{'x-arc-run-id': {run!r}}}\n"
            "gpt = openai.OpenAI(api_key='none')\n"
            "gpt.chat.completions.create(model='gpt-5', messages=[{'role': 'user', 'content': 'x'}],"
            " extra_headers=headers)\n"
            f"sys.exit({code})\n"
        )
        command = [
            sys.executable,
            "-m",
            "arc_proxy.cli.main",
            "run",
            "--agent",
            agent,
            "--",
            sys.executable,
            "-c",
            ask,
        ]
        done = subprocess.run(
            command, check=False, env=clean_environ(**self.environment), timeout=60, capture_output=True
        )
        assert done.returncode == code

    def agent(self, name: str) -> dict[str, Any]:
        """As the report has it, once the console has all of the journal."""
        folder = find_folder(self.served.data_dir, {})
        instance = find_instance(folder)
        assert instance is not None
        await_console(instance, folder, "POST", "/_arc/api/catch-up", timeout_s=60)
        report = json.loads(self.served.cli("report", "--json", "--agent", name))
        [found] = report["agents"]
        return found

    def runs(self, agent: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.served.cli("runs", "--agent", agent, "--json").splitlines()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[Scene]:
    data_dir: Path = tmp_path_factory.mktemp("outcomes") / "data"
    with Installation(data_dir, provider, environment={"XDG_RUNTIME_DIR": str(data_dir.parent)}) as served:
        yield Scene(served)


WAYS: dict[str, Callable[..., Any]] = {
    "header": Scene.by_header,
    "cli": Scene.by_command,
    "api": Scene.by_api,
    "tracer": Scene.by_tracer,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_said_of_a_run_reaches_the_report(scene: Scene, way: str) -> None:
    agent = f"by-{way}"
    scene.call(agent, f"{way}-good")
    scene.call(agent, f"{way}-bad")
    scene.call(agent, f"{way}-silent")
    before = scene.agent(agent)
    assert (before["runs"], before["failed_runs"], before["reported_outcomes"]) == (3, 0, 0)
    assert before["reliability"] is None  # none of them is over, as far as the traffic tells
    WAYS[way](scene, agent, f"{way}-good", "success")
    good = scene.agent(agent)["reliability"]
    assert (good["runs"], good["from_traffic_only"], good["reported_failed"]) == (1, False, 0)
    WAYS[way](scene, agent, f"{way}-bad", "failure")
    after = scene.agent(agent)
    assert (after["runs"], after["failed_runs"], after["reported_outcomes"]) == (3, 1, 2)
    bad = after["reliability"]
    assert (bad["runs"], bad["from_traffic_only"], bad["reported_failed"]) == (2, False, 1)
    assert bad["score"] < good["score"]
    said = {run["run_id"]: (run["outcome"], run["outcome_source"]) for run in scene.runs(agent)}
    assert said == {
        f"{way}-good": ("success", way),
        f"{way}-bad": ("failure", way),
        f"{way}-silent": (None, None),
    }


def test_a_program_that_ends_well_is_no_evidence_and_one_that_fails_is(scene: Scene) -> None:
    scene.by_exit("by-exit", "exit-0", "success")
    scene.by_exit("by-exit", "exit-3", "failure")
    found = scene.agent("by-exit")
    assert (found["failed_runs"], found["reported_outcomes"]) == (1, 1)
    said = {run["run_id"]: (run["outcome"], run["outcome_source"]) for run in scene.runs("by-exit")}
    assert said == {"exit-0": (None, None), "exit-3": ("failure", "exit")}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "header"])
def test_an_outcome_may_come_before_its_run(scene: Scene, way: str) -> None:
    agent = f"early-{way}"
    WAYS[way](scene, agent, f"early-{way}", "failure")
    scene.call(agent, f"early-{way}")
    assert scene.agent(agent)["failed_runs"] == 1


def test_score_and_reason_are_shown(scene: Scene) -> None:
    for way in ("cli", "api", "tracer"):
        scene.call("scored", f"scored-{way}")
        WAYS[way](scene, "scored", f"scored-{way}", "failure")
        shown = scene.served.cli("show", f"scored-{way}", "--json")
        [fact] = [fact for fact in json.loads(shown)["facts"] if fact["type"] == "outcome"]
        assert (fact["score"], fact["reason"]) == (0.8, "as the test says")


def test_the_same_key_is_one_fact_and_another_outcome_under_it_is_refused(scene: Scene) -> None:
    scene.call("keyed", "keyed")
    key = {"idempotency-key": "eval-17"}
    first = scene.by_api("keyed", "keyed", "failure", **key)
    assert (first[0], first[1]["outcome"]) == (202, "failure")
    assert scene.by_api("keyed", "keyed", "failure", **key) == first
    assert scene.by_api("keyed", "keyed", "success", **key)[0] == 422
    scene.agent("keyed")
    [console] = scene.served.children("arc_proxy.cli.console")
    console.kill()
    # A console that never heard of it knows it from the rows.
    scene.agent("keyed")
    assert scene.by_api("keyed", "keyed", "failure", **key) == first
    assert scene.by_api("keyed", "keyed", "success", **key)[0] == 422
    facts = json.loads(scene.served.cli("show", "keyed", "--json"))["facts"]
    assert [fact["outcome"] for fact in facts if fact["type"] == "outcome"] == ["failure"]


def test_a_word_that_is_no_outcome_is_counted_and_alters_nothing(scene: Scene) -> None:
    scene.by_header("odd", "odd", "splendid")
    found = scene.agent("odd")
    assert (found["reported_outcomes"], found["failed_runs"]) == (0, 0)
    assert "malformed" in scene.served.cli("doctor")
