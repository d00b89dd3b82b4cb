"""
Real agent frameworks through one proxy, ten tasks of each at once: a run for each task, all its parts in it.

They live in environments of their own: `prepare_lab.sh FOLDER` makes them, ARC_CLIENTS_LAB names the folder.
Where it has none of the heavy ones, these are left out.
`pytest -s` prints the table of what came out.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.task_provider import TASK, TaskProvider, task_provider
from tests.system.installation import Installation, clean_environment

TASKS = 10
PROGRAMS = Path(__file__).parent / "lab"
TIMEOUT_S = 240


@dataclass(frozen=True)
class Lab:
    program: str
    group: str  # what its tasks are called
    calls: int  # of one task
    frameworks: frozenset[str]  # as which its runs may be shown


LABS = {
    "openai-agents": Lab("openai_agents.py", "openai_agents", 4, frozenset({"openai-agents"})),
    "pydantic-ai": Lab("pydantic_ai_agent.py", "pydantic_ai", 3, frozenset({"pydantic-ai"})),
    "langgraph": Lab("langgraph_supervisor.py", "langgraph", 8, frozenset({"langchain", "langgraph"})),
    "llamaindex": Lab("llamaindex_agent.py", "llamaindex", 3, frozenset({"llama-index"})),
    "autogen": Lab("autogen_team.py", "autogen", 4, frozenset({"autogen"})),
    "crewai": Lab("crewai_crew.py", "crewai", 2, frozenset({"crewai"})),
}


LIGHT = ("openai-agents", "pydantic-ai")
HEAVY = [pytest.param(name, marks=pytest.mark.lab(name)) for name in LABS if name not in LIGHT]


@pytest.fixture(scope="module")
def provider() -> Iterator[TaskProvider]:
    with task_provider() as provider:
        yield provider


def python_of(framework: str) -> Path:
    lab = os.environ.get("ARC_CLIENTS_LAB")
    if not lab:
        pytest.skip("ARC_CLIENTS_LAB names no folder; tests/frameworks/prepare_lab.sh makes one")
    python = Path(lab) / framework / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{framework} is not prepared: tests/frameworks/prepare_lab.sh {lab} {framework}")
    return python


@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("framework", [*LIGHT, *HEAVY])
def test_each_task_is_one_run_with_all_its_parts(
    framework: str, provider: TaskProvider, tmp_path: Path
) -> None:
    lab, python = LABS[framework], python_of(framework)
    with Installation(tmp_path / "data", provider.url) as proxy:
        environment = clean_environment(
            OPENAI_BASE_URL=f"http://127.0.0.1:{proxy.port}/openai/v1",
            OPENAI_API_BASE=f"http://127.0.0.1:{proxy.port}/openai/v1",
            OPENAI_API_KEY="sk-test-0123456789abcdef",
            HOME=str(tmp_path),
            OPENAI_AGENTS_DISABLE_TRACING="1",
        )
        done = subprocess.run(
            [python, PROGRAMS / lab.program, str(TASKS)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        calls = [call for call in proxy.calls() if call["kind"] != "auxiliary"]
        frameworks = {run["framework"] for run in proxy_runs(proxy)}
    tasks = by_task(calls, lab.group)
    runs = {task: {call["run_id"] for call in of_task} for task, of_task in tasks.items()}
    rules = Counter(call["grouping_rule"] for call in calls)
    print(
        f"\n{framework:14} {len(tasks):3} tasks {len({call['run_id'] for call in calls}):3} runs"
        f" {len(calls):4} calls  {', '.join(sorted(map(str, frameworks)))}"
        f"  {', '.join(f'{rule} {count}' for rule, count in rules.most_common())}"
    )
    assert len(tasks) == TASKS
    assert {task: len(found) for task, found in tasks.items()} == dict.fromkeys(tasks, lab.calls)
    assert all(len(found) == 1 for found in runs.values()), runs
    assert len(set.union(*runs.values())) == TASKS
    assert frameworks <= lab.frameworks


def proxy_runs(proxy: Installation) -> list[dict[str, Any]]:
    return [json.loads(line) for line in proxy.cli("export", "runs").splitlines()]


def by_task(calls: list[dict[str, Any]], group: str) -> dict[str, list[dict[str, Any]]]:
    """What a call was for stands in its answer; of one that says nothing, in its run's other calls."""
    tasks: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    silent = []
    task_of_run: dict[str, str] = {}
    for call in calls:
        found = TASK.search(call["output_text"] or "")
        if found is None or found[2] != group:
            silent.append(call)
        else:
            tasks[found[0]].append(call)
            task_of_run[call["run_id"]] = found[0]
    for call in silent:
        tasks[task_of_run.get(call["run_id"], "none")].append(call)
    return dict(tasks)
