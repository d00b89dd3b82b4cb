"""What LangChain sends with us and without us: the same prompts, token by token."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.agent_provider import Asked, agent_provider
from tests.system.installation import ARC_PROXY, Installation, clean_environment

PROGRAM = Path(__file__).parent / "lab" / "langchain_first.py"
# Behind a base URL langchain-openai does not ask for the usage of a stream. That costs no token, and the card
# says how to have it asked for.
NOT_ASKED = "stream_options"


@pytest.mark.lab("langchain")
@pytest.mark.timeout(240)
def test_langchain_asks_the_same(tmp_path: Path) -> None:
    python = Path(os.environ["ARC_CLIENTS_LAB"]) / "langchain" / "bin" / "python"
    (tmp_path / "vendor").mkdir()
    with agent_provider(tmp_path / "vendor") as vendor:
        environ = clean_environment(
            HTTPS_PROXY=vendor.url,
            SSL_CERT_FILE=str(vendor.authority),
            OPENAI_API_KEY="sk-proj-0123456789",
            ANTHROPIC_API_KEY="sk-ant-api03-0123456789",
            HOME=str(tmp_path),
        )
        direct_said = run([python, PROGRAM], environ, tmp_path)
        direct = vendor.generations
        vendor.begin()
        options = ("--ca-bundle", str(vendor.authority))
        outside = {"HTTPS_PROXY": vendor.url}
        with Installation(tmp_path / "data", None, *options, environment=outside) as proxy:
            launch = [ARC_PROXY, "run", "--data-dir", tmp_path / "data", "--no-card", "--", python, PROGRAM]
            proxied_said = run(launch, environ, tmp_path)
            calls = proxy.calls()
        proxied = vendor.generations
    for one, other in zip(direct, proxied, strict=True):
        print(f"\n{one.path:25} direct {one.tokens:4} tokens, proxied {other.tokens:4}", end="")
    assert direct_said == proxied_said
    assert list(map(prompt, proxied)) == list(map(prompt, direct))
    assert len(calls) == len(proxied) == 6


def prompt(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in asked.body.items() if name != NOT_ASKED}


def run(command: list[Any], environ: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), env=environ, cwd=cwd, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
