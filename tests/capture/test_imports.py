"""ArcTracer in an application's own environment: nothing but the standard library, and no name in its way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    *("aiohttp", "alembic", "asyncio", "brotli", "httpx", "httpx2", "jinja2", "orjson", "pydantic", "rich"),
    *("sqlalchemy", "sqlmodel", "structlog", "typer", "uvloop", "analysis", "pricing", "arc_proxy.call"),
    *("arc_proxy.ingest", "arc_proxy.runs", "arc_proxy.settings", "arc_proxy.store", "arc_proxy.wire"),
}

# Each of these costs milliseconds that `import arc_proxy.trace` alone must not spend.
SLOW = {
    *("dataclasses", "importlib.abc", "inspect", "json", "logging", "pathlib", "socket", "subprocess"),
    *("threading", "urllib", "uuid", "arc_proxy.journal"),
}


def imported_by(module: str, names: set[str]) -> list[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules); import {module}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.check_output([sys.executable, "-I", "-c", code], text=True)
    return sorted(set(loaded.split()) & names)


@pytest.mark.parametrize(
    "module",
    ["arc_proxy.trace", "arc_proxy.capture.sidecar", "arc_proxy.journal.writer", "arc_proxy.journal.fact"],
)
def test_the_tracer_half_costs_an_application_nothing(module):
    assert imported_by(module, FORBIDDEN) == []


def test_importing_the_tracer_loads_nothing_slow():
    assert imported_by("arc_proxy.trace", SLOW) == []


SCRIPT = """
import asyncio, json, sys
from arc_proxy.trace import ArcTracer

class Agent:
    def run(self, x):
        return x + 1
    async def arun(self, x):
        raise ValueError("no")

agent = ArcTracer("finance").trace_agent(Agent())
assert agent.run(1) == 2
try:
    asyncio.run(agent.arun(1))
except ValueError:
    pass
assert not {"pricing", "analysis"} & set(sys.modules)
print(sys.modules["arc_proxy"].__file__)
"""


def test_it_works_without_any_dependency_and_beside_modules_of_the_same_names(tmp_path):
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    for package in ("arc_proxy", "pricing", "analysis"):
        shutil.copytree(ROOT / package, packages / package, ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "program"
    program.mkdir()
    for decoy in ("pricing.py", "analysis.py"):
        (program / decoy).write_text("raise RuntimeError('the application has a module of this name')")
    (program / "main.py").write_text(SCRIPT)
    data_dir = tmp_path / "data"
    (data_dir / "journal").mkdir(parents=True)

    done = subprocess.run(
        [environment / "bin/python", "main.py"],
        cwd=program,
        env={"ARC_DATA_DIR": str(data_dir), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip().startswith(str(environment))
    assert "no proxy answers" in done.stderr
    (segment,) = (data_dir / "journal").glob("*/*.seg")
    journal = segment.read_bytes()
    for fact, times in {"run_start": 2, "run_end": 2, "exception": 1}.items():
        assert journal.count(f'"fact":"{fact}"'.encode()) == times
