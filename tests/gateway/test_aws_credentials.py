"""botocore's own chain, over the files and programs of a machine that the test makes up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arc_proxy.gateway.aws_credentials import FOUND_FOR_S, MISSED_FOR_S, AwsCredentials, NoCredentials
from arc_proxy.gateway.sigv4 import Credentials
from tests.fake_bedrock import NOTHING_ELSE

# Says how often it was run, and that what it gives expires so soon that it has to be asked each time.
PROGRAM = """
import datetime, json, pathlib
runs = pathlib.Path({runs!r})
with runs.open("a") as file:
    file.write("x")
expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=11)
print(json.dumps({{
    "Version": 1, "AccessKeyId": "AKID%d" % runs.stat().st_size, "SecretAccessKey": "secret",
    "SessionToken": "token", "Expiration": expires.isoformat(),
}}))
"""


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Machine:
    def __init__(self, home: Path) -> None:
        self.config = home / "config"
        self.keys = home / "credentials"
        self.runs = home / "runs"

    def has_key(self, key: str, *, profile: str = "default") -> None:
        self.keys.write_text(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    def has_program(self) -> None:
        program = self.config.with_name("program.py")
        program.write_text(PROGRAM.format(runs=str(self.runs)))
        self.config.write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in NOTHING_ELSE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(made.config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(made.keys))
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def credentials(clock: Clock) -> AsyncIterator[AwsCredentials]:
    made = AwsCredentials(asyncio.get_running_loop(), clock)
    yield made
    made.close()


async def test_variables(
    credentials: AwsCredentials, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert await credentials.get() == Credentials("AKID", "secret", "token")


async def test_a_profile(
    credentials: AwsCredentials, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    machine.has_key("AKID", profile="finance")
    monkeypatch.setenv("AWS_PROFILE", "finance")
    assert await credentials.get() == Credentials("AKID", "secret")


async def test_a_key_that_was_replaced_is_found_after_a_minute(
    credentials: AwsCredentials, clock: Clock, machine: Machine
) -> None:
    machine.has_key("AKID1")
    assert (await credentials.get()).access_key_id == "AKID1"
    machine.has_key("AKID2")
    clock.now_s += FOUND_FOR_S - 1
    assert (await credentials.get()).access_key_id == "AKID1"
    clock.now_s += 1
    assert (await credentials.get()).access_key_id == "AKID2"


async def test_what_expires_soon_is_renewed_before_it_does(
    credentials: AwsCredentials, clock: Clock, machine: Machine
) -> None:
    machine.has_program()
    first = await credentials.get()
    clock.now_s += FOUND_FOR_S
    second = await credentials.get()
    assert int(second.access_key_id.removeprefix("AKID")) > int(first.access_key_id.removeprefix("AKID"))


async def test_many_ask_and_one_is_sent(credentials: AwsCredentials, machine: Machine) -> None:
    machine.has_program()
    alone = AwsCredentials(asyncio.get_running_loop(), Clock())
    await alone.get()
    once = machine.runs.stat().st_size
    found = await asyncio.gather(*(credentials.get() for _ in range(20)))
    assert len(set(found)) == 1
    assert machine.runs.stat().st_size == 2 * once


async def test_who_gives_up_does_not_spoil_it_for_others(
    credentials: AwsCredentials, machine: Machine
) -> None:
    machine.has_key("AKID")
    impatient = asyncio.create_task(credentials.get())
    patient = asyncio.create_task(credentials.get())
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).access_key_id == "AKID"


async def test_what_was_missing_is_looked_for_again(
    credentials: AwsCredentials, clock: Clock, machine: Machine
) -> None:
    with pytest.raises(NoCredentials, match="no AWS credentials on this machine"):
        await credentials.get()
    machine.has_key("AKID")
    with pytest.raises(NoCredentials):
        await credentials.get()
    clock.now_s += MISSED_FOR_S
    assert (await credentials.get()).access_key_id == "AKID"


MISTAKES = {
    "a key without its secret": ("[default]\naws_access_key_id = AKID\n", "Partial credentials"),
    "a file that is none": ("aws_access_key_id = AKID\n", "Unable to parse config file"),
}


@pytest.mark.parametrize(("text", "why"), MISTAKES.values(), ids=MISTAKES)
async def test_says_what_is_wrong(credentials: AwsCredentials, machine: Machine, text: str, why: str) -> None:
    machine.keys.write_text(text)
    with pytest.raises(NoCredentials, match=why):
        await credentials.get()


async def test_without_botocore(
    credentials: AwsCredentials, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(NoCredentials, match=r"pip install 'arc-proxy\[bedrock\]'"):
        await credentials.get()
