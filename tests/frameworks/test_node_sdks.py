"""Node's SDKs under `arc-proxy run`: the answers of the vendor, each asked by the vendor's own path."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.frameworks.agent_provider import agent_provider
from tests.system.installation import ARC_PROXY, Installation, clean_environment

PROGRAM = Path(__file__).parent / "lab" / "node_sdks.mjs"
ASKED = 8
SAID = "That is all."
# Vercel's SDK sends no version to a base URL that has none. At the vendor each path has one.
PATHS = Counter({"/v1/chat/completions": 3, "/v1/responses": 2, "/v1/messages": 3})
FRAMEWORKS = Counter({"openai-node": 3, "anthropic-node": 2, "vercel-ai-sdk": 3})


@pytest.mark.lab("node-sdks")
@pytest.mark.timeout(240)
def test_nodes_sdks_get_what_the_vendor_says(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None
    (tmp_path / "vendor").mkdir()
    with agent_provider(tmp_path / "vendor") as vendor:
        options = ("--ca-bundle", str(vendor.authority))
        outside = {"HTTPS_PROXY": vendor.url}
        environ = clean_environment(
            OPENAI_API_KEY="sk-proj-0123456789",
            ANTHROPIC_API_KEY="sk-ant-api03-0123456789",
            ARC_CLIENTS_LAB=os.environ["ARC_CLIENTS_LAB"],
            HOME=str(tmp_path),
        )
        with Installation(tmp_path / "data", None, *options, environment=outside) as proxy:
            launch = [ARC_PROXY, "run", "--data-dir", tmp_path / "data", "--no-card", "--", node, PROGRAM]
            done = subprocess.run(
                list(map(str, launch)), env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr[-3000:]
            calls = proxy.calls()
            runs = {run["run_id"]: run["framework"] for run in proxy.runs()}
        asked = vendor.generations
    print(f"\n{done.stdout}")
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()] == [SAID] * ASKED
    assert Counter(each.path for each in asked) == PATHS
    assert {call["status"] for call in calls} == {200}
    assert Counter(runs[call["run_id"]] for call in calls) == FRAMEWORKS
