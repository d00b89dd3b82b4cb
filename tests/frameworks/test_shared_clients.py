"""
Scripts of the shared folder's `clients`, each once at the provider itself and once through the proxy.

Both times it prints the same, and the proxy's export has what the script did: its calls with their attempts,
kinds and costs, and runs with their frameworks. The end of pytest's output has the table.

The provider is aimock. Before a script whose SDK tries again it is told to refuse one request, so that the
first call of that script has two attempts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.aimock import Aimock, aimock
from tests.system.installation import Installation, clean_environment

TIMEOUT_S = 120
PYTHON, NODE, SHELL = "py", "mjs", "sh"


@dataclass(frozen=True)
class Bill:
    usd: str  # what the provider's own counts of tokens cost
    grades: Mapping[str, int]  # of how many calls that were answered


@dataclass(frozen=True, kw_only=True)
class Script:
    lab: str  # its environment
    language: str = PYTHON
    steps: int  # lines that it prints of what it did
    gaps: tuple[str, ...] = ()  # steps that fail at aimock too
    tries_again: bool = True  # after a 503, by its SDK's default
    runs: tuple[int, ...]  # how many calls each has, in their order
    frameworks: Mapping[str, int]  # of how many runs
    kinds: Mapping[str, int]  # of how many calls, attempts counted each
    bills: tuple[Bill, ...]  # one of which is the right one
    is_signed: bool = False  # by AWS credentials, which the proxy has to have as well


# A stream that its reader left: whether enough of it had come to count its tokens hangs on the moment.
CUT = ("partial", "estimated")
SCRIPTS = {
    "openai_sdk": Script(
        lab="python-sdks",
        steps=13,
        # Of the calls the list of models is in no run.
        runs=(1,) * 16,
        frameworks={"openai-python": 16},
        kinds={"generation": 16, "embedding": 1, "auxiliary": 1},
        # Two streams did not ask for usage. One was left after two chunks, by a slow client maybe too late.
        bills=(
            Bill("0.0083325", {"computed": 13, "estimated": 2, "partial": 1}),
            Bill("0.0083325", {"computed": 13, "estimated": 3}),
        ),
    ),
    "anthropic_sdk": Script(
        lab="python-sdks",
        steps=7,
        gaps=("count_tokens", "base url WITH /v1"),
        runs=(1,) * 6,
        frameworks={"anthropic-python": 6},
        kinds={"generation": 7, "auxiliary": 1},
        bills=(Bill("0.00522", {"computed": 5}),),
    ),
    "genai_sdk": Script(
        lab="python-sdks",
        steps=6,
        gaps=("embed", "interactions"),
        tries_again=False,
        runs=(1, 1, 2, 1, 1, 1),
        frameworks={"google-genai": 6},
        kinds={"generation": 6, "embedding": 1},
        # The last answer is a stream, which nobody asked for, and the program ends without reading it.
        bills=(
            Bill("0.0003009", {"computed": 6}),
            *(Bill("0.0001515", {"computed": 5, grade: 1}) for grade in CUT),
        ),
    ),
    "ollama_sdk": Script(
        lab="python-sdks",
        steps=2,
        tries_again=False,
        runs=(1, 1),
        frameworks={"ollama-python": 2},
        kinds={"generation": 2},
        bills=(Bill("0", {"unknown": 2}),),  # a model on one's own machine has no price
    ),
    "bedrock_boto3": Script(
        lab="python-sdks",
        steps=4,
        gaps=("converse_stream",),
        runs=(1,) * 4,
        frameworks={"boto3": 4},
        kinds={"generation": 5},
        # boto3 may leave the stream that it rejects before the end. The other one says that it had no output.
        bills=(
            Bill("0.003501", {"computed": 4}),
            *(Bill("0.002457", {"computed": 3, grade: 1}) for grade in CUT),
        ),
        is_signed=True,
    ),
    "sdk": Script(
        lab="node-sdks",
        language=NODE,
        steps=9,
        runs=(1, 1, 1, 1, 2, 1, 1, 1, 1),
        frameworks={"openai-node": 5, "anthropic-node": 2, "google-genai": 2},
        kinds={"generation": 10, "embedding": 1},
        bills=(Bill("0.0051786", {"computed": 9, "estimated": 1}),),
    ),
    "vercel": Script(
        lab="node-sdks",
        language=NODE,
        steps=7,
        gaps=("anthropic env base",),
        tries_again=False,
        runs=(1, 1, 1, 2, 1, 1, 1),
        frameworks={"vercel-ai-sdk": 7},
        kinds={"generation": 8},
        bills=(Bill("0.0048315", {"computed": 6, "estimated": 1}),),
    ),
    "pydanticai_py": Script(
        lab="pydantic-ai",
        steps=5,
        runs=(2, 2, 2, 2, 1),
        frameworks={"pydantic-ai": 5},
        kinds={"generation": 10},
        bills=(Bill("0.0059361", {"computed": 9}),),
    ),
    "langchain_py": Script(
        lab="langchain",
        steps=9,
        gaps=("ChatGoogleGenerativeAI",),
        runs=(1, 1, 1, 1, 1, 1, 2, 1, 1),
        frameworks={"langchain": 7, "openai-python": 2},  # its streams and embeddings say what the SDK says
        kinds={"generation": 10, "embedding": 1},
        bills=(Bill("0.0058755", {"computed": 8, "estimated": 1}),),
    ),
    "llamaindex_py": Script(
        lab="llamaindex",
        steps=4,
        runs=(1, 1, 2, 1),
        frameworks={"llama-index": 4},
        kinds={"generation": 6},
        bills=(Bill("0.0007575", {"computed": 1, "estimated": 4}),),
    ),
    "crewai_py": Script(
        lab="crewai",
        steps=3,
        runs=(1, 2, 1),
        frameworks={"crewai": 3},
        kinds={"generation": 5, "auxiliary": 1},  # it counts tokens before it asks Anthropic
        bills=(Bill("0.0033165", {"computed": 4}),),
    ),
    "cli_claude": Script(
        lab="claude-code",
        language=SHELL,
        steps=1,
        runs=(2,),
        frameworks={"claude-code": 1},
        kinds={"generation": 3, "auxiliary": 1},  # it looks first whether anybody is there
        bills=(Bill("0.00348", {"computed": 2}),),
    ),
    "cli_codex": Script(
        lab="codex",
        language=SHELL,
        steps=7,
        runs=(2,),
        frameworks={"codex": 1},
        kinds={"generation": 3},
        bills=(Bill("0.0016905", {"computed": 2}),),
    ),
}
CASES = [
    pytest.param(name, marks=pytest.mark.lab("aimock", script.lab), id=name)
    for name, script in SCRIPTS.items()
]

# What differs between any two times: who made which id, at which port, and how long it took.
RANDOM = (
    (re.compile(r"\b((?:call|toolu|msg|req)[_-])[\w-]{16}"), r"\1*"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "uuid"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "host"),
    (re.compile(r'("\w+_ms":)\d+'), r"\1*"),
)


@pytest.fixture
def clients(shared: Path) -> Path:
    folder = shared / "clients"
    if not folder.is_dir():
        pytest.skip(f"no clients in {shared}; set ARC_SHARED to the folder that has them")
    return folder


@pytest.fixture
def provider(clients: Path) -> Iterator[Aimock]:
    with aimock(clients / "fixtures.json") as provider:
        yield provider


@pytest.mark.timeout(3 * TIMEOUT_S)
@pytest.mark.parametrize("name", CASES)
def test_a_script_gives_what_it_gives_directly_and_is_recorded_as_it_was(
    name: str,
    clients: Path,
    provider: Aimock,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    script = SCRIPTS[name]
    direct = said_by(name, clients, provider, provider.url, tmp_path / "direct")
    options = ("--bedrock",) if script.is_signed else ()
    with Installation(tmp_path / "data", provider.url, *options, environment=AWS) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        proxied = said_by(name, clients, provider, url, tmp_path / "proxied")
        proxy.await_console()
        calls, runs = proxy.calls(), sorted(proxy.runs(), key=lambda run: run["started_at"])
    attempts = [call for call in calls if call["attempt_of"] is not None]
    children = [run for run in runs if run["parent_run_id"] is not None]
    refused = [call for call in calls if call["status"] == 503]
    answered = [call for call in calls if call["kind"] != "auxiliary" and call["status"] in (101, 200)]
    frameworks = Counter(run["framework"] for run in runs)
    record_property(
        "shared clients",
        {
            "script": name,
            "steps": len(steps_of(proxied)),
            "same": "yes" if proxied == direct else "NO",
            "calls": len(calls) - len(attempts),
            "attempts": len(attempts),
            "runs": len(runs),
            "sub-agents": len(children),
            "framework": ", ".join(f"{framework} {count}" for framework, count in frameworks.most_common()),
            "cost": cost_of(answered),
        },
    )
    assert proxied == direct
    assert len(steps_of(direct)) == script.steps
    assert [step for step in failed(direct) if not step.startswith(script.gaps)] == []
    assert Counter(call["kind"] for call in calls) == script.kinds
    assert [call["attempt_of"] for call in attempts] == [call["call_id"] for call in refused]
    assert len(attempts) == int(script.tries_again)
    assert tuple(run["calls"] for run in runs) == script.runs
    assert children == []
    assert frameworks == script.frameworks
    computed = (Decimal(call["cost_usd"]) for call in answered if call["cost_grade"] == "computed")
    grades = Counter(call["cost_grade"] for call in answered)
    assert (sum(computed), grades) in [(Decimal(bill.usd), bill.grades) for bill in script.bills]


# aimock does not look at signatures; boto3's credentials are its script's own.
AWS = {"AWS_ACCESS_KEY_ID": "AKIDMACHINE000000001", "AWS_SECRET_ACCESS_KEY": "machine/secret+key"}


def said_by(name: str, clients: Path, provider: Aimock, url: str, folder: Path) -> list[str]:
    """What a script prints that has `url` as the root of all providers, without what is random."""
    script = SCRIPTS[name]
    prepare(folder)
    if script.tries_again:
        provider.refuse_one()
    done = subprocess.run(
        list(map(str, command_of(name, clients))),
        env=clean_environment(BASE=url, CLIENTS_LAB=str(folder), HOME=str(folder)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.stdout, done.stderr[-3000:]
    return [without_random(line) for line in done.stdout.splitlines()]


def command_of(name: str, clients: Path) -> list[Any]:
    script = SCRIPTS[name]
    if script.language == SHELL:
        return ["bash", clients / f"{name}.sh"]
    if script.language == NODE:
        return [shutil.which("node"), clients / "node" / f"{name}.mjs"]
    return [lab() / script.lab / "bin" / "python", clients / "py" / f"{name}.py"]


def prepare(folder: Path) -> None:
    """The lab as the scripts look for it: a folder of Node's per client."""
    (folder / "node").mkdir(parents=True)
    for name, prepared in {"sdk": "node-sdks", "ai": "node-sdks"}.items():
        (folder / "node" / name).symlink_to(lab() / prepared)
    for name in ("claude-code", "codex"):
        (folder / "node" / name).symlink_to(lab() / name)


def lab() -> Path:
    return Path(os.environ["ARC_CLIENTS_LAB"]).resolve()


def without_random(line: str) -> str:
    for pattern, instead in RANDOM:
        line = pattern.sub(instead, line)
    return line


def steps_of(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(("  ok ", "  FAIL ", "{"))]


def failed(lines: list[str]) -> list[str]:
    """From the name of the step on."""
    return [line.removeprefix("  FAIL ") for line in lines if line.startswith("  FAIL ")]


def cost_of(calls: list[dict[str, Any]]) -> str:
    """The sum, and how each part of it is known."""
    grades = Counter(call["cost_grade"] for call in calls)
    usd = sum(Decimal(call["cost_usd"] or 0) for call in calls)
    return f"${usd:.6f}: " + ", ".join(f"{grade} {count}" for grade, count in grades.most_common())
