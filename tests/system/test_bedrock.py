"""An agent on boto3 before a real installation that signs, as its user would set both up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.fake_bedrock import NOTHING_ELSE, TEXT, Account, FakeBedrock
from tests.fake_provider import FakeProvider
from tests.system.installation import Installation, clean_environment

MACHINE = Account("AKIDMACHINE000000001", "machine/secret+key", "machine//session+token==")
PROGRAM = Account("AKIDPROGRAM000000001", "program/secret+key")
AGENT = f"""
import boto3, json
bedrock = boto3.client("bedrock-runtime")
model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
messages = [{{"role": "user", "content": [{{"text": "How did travel do?"}}]}}]
body = json.dumps({{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 900, "messages": [
    {{"role": "user", "content": "How did hotels do?"}}]}})
said = bedrock.converse(modelId=model, messages=messages)
assert said["output"]["message"]["content"][0]["text"] == {TEXT!r}
list(bedrock.converse_stream(modelId=model, messages=messages)["stream"])
bedrock.invoke_model(modelId=model, body=body)["body"].read()
list(bedrock.invoke_model_with_response_stream(modelId=model, body=body)["body"])
"""


async def in_a_thread(function: Callable[..., str], *arguments: str) -> str:
    """The provider answers meanwhile."""
    return await asyncio.to_thread(function, *arguments)


def run_agent(folder: str, lines: str) -> str:
    """The agent with what `arc-proxy env` gave, and credentials that Amazon does not know."""
    given = dict(line.removeprefix("export ").split("=", 1) for line in lines.splitlines())
    program = Path(folder) / "agent.py"
    program.write_text(AGENT)
    environment = clean_environment(
        **NOTHING_ELSE, **PROGRAM.environ, **given, AWS_DEFAULT_REGION="eu-central-1"
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_calls_and_their_cost_are_in_the_report(
    provider: FakeProvider, data_dir: Path, tmp_path: Path
) -> None:
    bedrock = FakeBedrock(MACHINE)
    provider.answer = bedrock.answer
    environment = NOTHING_ELSE | MACHINE.environ
    with Installation(data_dir, provider.url, "--bedrock", environment=environment) as installation:
        lines = await in_a_thread(installation.cli, "env", "--shell", "sh", "--agent", "finance")
        url = f"http://127.0.0.1:{installation.port}/agent/finance/bedrock"
        assert f"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url}" in lines.splitlines()
        await in_a_thread(run_agent, str(tmp_path), lines)
        assert bedrock.refusals == []
        assert bedrock.regions == ["eu-central-1"] * 4

        calls = await asyncio.to_thread(installation.calls)
        assert [call["endpoint"] for call in calls] == ["converse"] * 2 + ["invoke_model"] * 2
        assert {call["provider"] for call in calls} == {"bedrock"}
        assert {call["output_text"] for call in calls} == {TEXT}
        # 1,000 tokens at $3.30 a million and 400 at $16.50, what a region of its own costs.
        assert [call["cost_usd"] for call in calls] == ["0.009900000"] * 4
        report = await in_a_thread(installation.cli, "report", "--agent", "finance")
        assert "$0.0099" in report
        doctor = await in_a_thread(installation.cli, "doctor")
        assert "signs with the temporary credentials that end in 0001" in doctor
        assert MACHINE.key not in doctor
    for path in data_dir.parent.rglob("*"):
        kept = path.read_bytes() if path.is_file() and path.name != "agent.py" else b""
        for account in (MACHINE, PROGRAM):
            for secret in (account.secret, account.token):
                assert secret is None or secret.encode() not in kept, path


async def test_without_the_setting_env_leaves_bedrock_alone(provider: FakeProvider, data_dir: Path) -> None:
    with Installation(data_dir, provider.url) as installation:
        assert "BEDROCK" not in await in_a_thread(installation.cli, "env", "--shell", "sh")
