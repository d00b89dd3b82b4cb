"""boto3 through the gateway, before a Bedrock that checks each signature with botocore's own signer."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, InvalidEndpointConfigurationError

from arc_proxy.gateway.bedrock import caller_refusal, with_region
from arc_proxy.journal.record import Ended
from arc_proxy.token import api_token
from tests.fake_bedrock import NOTHING_ELSE, TEXT, Account, FakeBedrock
from tests.fake_provider import FakeProvider, reply
from tests.gateway.harness import Gateway, StartGateway
from tests.gateway.test_dial import TLS, ConnectProxy

# What the machine has, and what the program thinks it has.
MACHINE = Account("AKIDMACHINE000000001", "machine/secret+key", "machine//session+token==")
PROGRAM = Account("AKIDPROGRAM000000001", "program/secret+key", "program//session+token==")
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE_ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5"
MESSAGES = [{"role": "user", "content": [{"text": "How did travel do?"}]}]
LOCAL = "127.0.0.1"


def addresses() -> list[str]:
    """Those of this machine, and at least the one that every machine has."""
    found = [each for card in psutil.net_if_addrs().values() for each in card]
    return [each.address for each in found if each.family == socket.AF_INET]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (NOTHING_ELSE | MACHINE.environ).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bedrock(provider: FakeProvider) -> FakeBedrock:
    fake = FakeBedrock(MACHINE)
    provider.answer = fake.answer
    return fake


@pytest.fixture
async def start_signing(start_gateway: StartGateway, provider: FakeProvider) -> StartGateway:
    """Starts one that signs, with what the environment says now."""
    return partial(start_gateway, bedrock=True, upstreams={"bedrock": provider.url})


@pytest.fixture
async def signing(start_signing: StartGateway) -> Gateway:
    return await start_signing()


async def call(
    gateway: Gateway,
    operation: str,
    *,
    path: str = "/bedrock",
    region: str = "eu-central-1",
    program: Account | None = PROGRAM,
    **arguments: Any,
) -> dict[str, Any]:
    """
    What boto3 makes of it, its stream read to the end. Raises ClientError.

    `program` None: with what the environment has.
    """

    def ask() -> dict[str, Any]:
        keys = () if program is None else (program.key, program.secret, program.token)
        client = boto3.Session(*keys, region_name=region).client(
            "bedrock-runtime",
            endpoint_url=f"http://127.0.0.1:{gateway.port}{path}",
            config=Config(retries={"mode": "standard", "max_attempts": 2}, read_timeout=30),
        )
        try:
            said = getattr(client, operation)(**arguments)
            body = said.get("body") or said.get("stream")
            if body is not None:
                said["body"] = body.read() if hasattr(body, "read") else list(body)
            return dict(said)
        finally:
            client.close()

    return await asyncio.to_thread(ask)


async def test_converse(signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider) -> None:
    said = await call(signing, "converse", modelId=MODEL, messages=MESSAGES)
    assert said["output"]["message"]["content"] == [{"text": TEXT}]
    assert bedrock.regions == ["eu-central-1"]
    [request] = provider.requests
    assert request.line == f"POST /model/{MODEL.replace(':', '%3A')}/converse HTTP/1.1".encode()
    assert PROGRAM.key.encode() not in request.raw
    assert json.loads(request.body) == {"messages": MESSAGES}


async def test_converse_as_a_stream(signing: Gateway, bedrock: FakeBedrock) -> None:
    said = await call(signing, "converse_stream", modelId=MODEL, messages=MESSAGES)
    assert said["body"][1]["contentBlockDelta"]["delta"] == {"text": TEXT}
    assert said["body"][-1]["metadata"]["usage"]["outputTokens"] == 400
    assert len(bedrock.regions) == 1


async def test_invoke_and_invoke_as_a_stream(signing: Gateway, bedrock: FakeBedrock) -> None:
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []})
    said = await call(signing, "invoke_model", modelId=MODEL, body=body)
    assert json.loads(said["body"])["content"][0]["text"] == TEXT
    said = await call(signing, "invoke_model_with_response_stream", modelId=MODEL, body=body)
    assert json.loads(said["body"][2]["chunk"]["bytes"])["delta"]["text"] == TEXT
    assert len(bedrock.regions) == 2


async def test_anthropics_sdk(signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider) -> None:
    """It signs all its headers, and some are no longer there when they leave us."""

    def ask() -> list[str]:
        client = anthropic.AnthropicBedrock(
            aws_access_key=PROGRAM.key,
            aws_secret_key=PROGRAM.secret,
            aws_session_token=PROGRAM.token,
            aws_region="eu-west-3",
            base_url=f"http://127.0.0.1:{signing.port}/bedrock",
        )
        asked: Any = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        with client:
            said = client.messages.create(**asked, extra_headers={"x-arc-agent": "finance"})
            with client.messages.stream(**asked) as stream:
                return [said.content[0].text, stream.get_final_text()]

    assert await asyncio.to_thread(ask) == [TEXT, TEXT]
    assert bedrock.regions == ["eu-west-3"] * 2
    assert provider.requests[0].get(b"x-arc-agent") is None


PLACES = {
    "the region of the signature": ("/bedrock", "us-west-2", "us-west-2"),
    "the region of the path": ("/bedrock/ap-south-1", "us-west-2", "ap-south-1"),
    "a path of Bedrock's alone": ("", "us-west-2", "us-west-2"),
    "behind names": ("/run/r-7/agent/finance/bedrock", "us-west-2", "us-west-2"),
}


@pytest.mark.parametrize(("path", "region", "signed_for"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("model", [MODEL, PROFILE_ARN, "us.amazon.nova-pro-v1:0"])
async def test_the_region(
    signing: Gateway,
    bedrock: FakeBedrock,
    provider: FakeProvider,
    path: str,
    region: str,
    signed_for: str,
    model: str,
) -> None:
    await call(signing, "converse", path=path, region=region, modelId=model, messages=MESSAGES)
    assert bedrock.regions == [signed_for]
    quoted = model.replace(":", "%3A").replace("/", "%2F")
    assert provider.requests[0].line == f"POST /model/{quoted}/converse HTTP/1.1".encode()


async def test_amazons_own_host(start_gateway: StartGateway) -> None:
    """Not moved anywhere: a proxy on the way leads the connection to that host to the fake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "bedrock.pem")
    bedrock = FakeBedrock(MACHINE)
    async with FakeProvider(tls=context) as amazon, ConnectProxy(leads_to=amazon.port) as proxy:
        amazon.answer = bedrock.answer
        gateway = await start_gateway(
            bedrock=True,
            upstreams={},
            ca_bundle=str(TLS / "bedrock-authority.pem"),
            https_proxy=f"http://127.0.0.1:{proxy.port}",
        )
        said = await call(gateway, "converse_stream", modelId=MODEL, messages=MESSAGES)
        assert said["body"][1]["contentBlockDelta"]["delta"] == {"text": TEXT}
        assert amazon.requests[0].get(b"host") == b"bedrock-runtime.eu-central-1.amazonaws.com"
        assert proxy.heads[0].startswith(b"CONNECT bedrock-runtime.eu-central-1.amazonaws.com:443 ")
    assert bedrock.regions == ["eu-central-1"]
    [kept] = await gateway.ended()
    path = f"/model/{MODEL.replace(':', '%3A')}/converse-stream"
    assert kept.request.url == f"https://bedrock-runtime.eu-central-1.amazonaws.com{path}"


async def test_an_upstream_that_a_header_chose_is_signed_for_too(
    start_signing: StartGateway, bedrock: FakeBedrock, provider: FakeProvider
) -> None:
    gateway = await start_signing(allow_targets=["bedrock"])
    assert (await ask(gateway, x_arc_upstream="bedrock"))[0] == 200
    assert bedrock.regions == ["eu-central-1"]


async def test_an_upstream_with_a_path_is_signed_with_it(
    start_gateway: StartGateway, provider: FakeProvider, bedrock: FakeBedrock
) -> None:
    gateway = await start_gateway(bedrock=True, upstreams={"*": f"{provider.url}/tenant%20a"})
    await call(gateway, "converse", modelId=MODEL, messages=MESSAGES)
    assert provider.requests[0].line.startswith(b"POST /tenant%20a/model/")
    assert bedrock.refusals == []


async def test_credentials_that_are_not_temporary(
    start_signing: StartGateway, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's session token has to go with its key."""
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    bedrock = FakeBedrock(Account(MACHINE.key, MACHINE.secret))
    provider.answer = bedrock.answer
    await call(await start_signing(), "converse", modelId=MODEL, messages=MESSAGES)
    assert provider.requests[0].get(b"x-amz-security-token") is None
    assert bedrock.refusals == []


async def test_what_is_tried_again_is_signed_again(
    signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider
) -> None:
    slow_down = ("x-amzn-ErrorType", "ThrottlingException")
    bedrock.failures.append(reply(b'{"message":"slow down"}', slow_down, status="429 Too Many Requests"))
    said = await call(signing, "converse", modelId=MODEL, messages=MESSAGES)
    assert said["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(provider.requests) == 2
    assert bedrock.refusals == []


async def test_many_calls_on_one_connection(signing: Gateway, bedrock: FakeBedrock) -> None:
    """Within a second their heads are the same but for a length and a signature."""
    connection = http.client.HTTPConnection(LOCAL, signing.port, timeout=30)

    def ask(number: int) -> int:
        body = json.dumps({"messages": MESSAGES * number})
        connection.request("POST", f"/bedrock/model/{MODEL}/converse", body, headers=SIGNED)
        response = connection.getresponse()
        response.read()
        return response.status

    try:
        assert {await asyncio.to_thread(ask, number) for number in range(1, 5)} == {200}
    finally:
        connection.close()
    assert len(bedrock.regions) == 4


async def test_a_wrong_secret_is_noticed_and_nothing_of_ours_is_kept(
    signing: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer quotes the session token that we have sent, as Amazon's does."""
    bedrock = FakeBedrock(Account(MACHINE.key, "another secret", MACHINE.token))
    provider.answer = bedrock.answer
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        await call(signing, "converse", modelId=MODEL, messages=MESSAGES)
    [refusal] = bedrock.refusals
    assert MACHINE.token is not None
    assert MACHINE.token in refusal
    [kept] = await signing.ended()
    assert b"Canonical String" in kept.response_body
    journal = b"".join(path.read_bytes() for path in signing.config.journal_dir.rglob("*.seg"))
    for secret in (MACHINE, PROGRAM):
        for text in (secret.key, secret.secret, secret.token):
            assert text is not None
            assert text.encode() not in journal
            assert base64.b64encode(text.encode())[:-4] not in journal
            assert text not in caplog.text


async def test_the_journal_has_what_the_program_sent(signing: Gateway, bedrock: FakeBedrock) -> None:
    await call(signing, "converse", modelId=MODEL, messages=MESSAGES)
    [kept] = await signing.ended()
    assert kept.request.target == f"/bedrock/model/{MODEL.replace(':', '%3A')}/converse".encode()
    fields = {name.lower(): value for name, value in kept.request.headers}
    assert fields[b"authorization"].startswith(b"AWS4-HMAC-SHA256 cut-")
    assert fields[b"x-amz-security-token"].startswith(b"cut-")
    assert json.loads(kept.request_body) == {"messages": MESSAGES}
    assert kept.end is not None
    assert kept.end.ended is Ended.COMPLETE


# Without boto3: what it never sends.
SIGNED = {
    "Content-Type": "application/json",
    "X-Amz-Date": "20261127T081500Z",
    "X-Amz-Security-Token": "programs",
    "Authorization": (
        "AWS4-HMAC-SHA256 Credential=AKIDPROGRAM/20261127/eu-central-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=00"
    ),
}


async def ask(
    gateway: Gateway, body: bytes = b"{}", *, address: str = LOCAL, **fields: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of the answer to a request that is signed as by boto3, `fields` changed."""

    def send() -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(address, gateway.port, timeout=30)
        try:
            changed = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request("POST", "/bedrock/model/m/converse", body, headers={**SIGNED, **changed})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    return await asyncio.to_thread(send)


def message(body: bytes) -> str:
    said = json.loads(body)
    assert list(said) == ["message"], "the shape of Bedrock's errors"
    return str(said["message"])


async def test_the_time_is_the_requests_own(
    signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider
) -> None:
    status, _, _ = await ask(signing)
    assert status == 200
    assert provider.requests[0].get(b"x-amz-date") == b"20261127T081500Z"
    assert b"/20261127/eu-central-1/" in (provider.requests[0].get(b"authorization") or b"")


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_bearer_key_passes_as_it_is(
    start_signing: StartGateway, provider: FakeProvider, bedrock: FakeBedrock, is_on: bool
) -> None:
    gateway = await start_signing(bedrock=is_on)

    def ask() -> str:
        with anthropic.AnthropicBedrock(
            api_key="ABSK0123456789",
            aws_region="us-east-1",
            base_url=f"http://127.0.0.1:{gateway.port}/bedrock/us-east-1",
        ) as client:
            asked: Any = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
            return str(client.messages.create(**asked).content[0].text)

    assert await asyncio.to_thread(ask) == TEXT
    [request] = provider.requests
    assert request.get(b"authorization") == b"Bearer ABSK0123456789"
    assert request.get(b"x-amz-date") is None
    assert bedrock.regions == []


async def test_boto3_sends_no_bearer_key_to_a_plain_address(
    signing: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New versions do not; that is why `env` leaves Bedrock out where one is set."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSK0123456789")
    with pytest.raises(InvalidEndpointConfigurationError, match="requires an HTTPS endpoint"):
        await call(signing, "converse", program=None, modelId=MODEL, messages=MESSAGES)


async def test_a_body_in_chunks(signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider) -> None:
    wire = await signing.connect()
    lines = [f"{name}: {value}".encode() for name, value in SIGNED.items()]
    head = signing.request("/bedrock/model/m/converse", *lines, b"Transfer-Encoding: chunked", method=b"POST")
    await wire.send(head, b'3\r\n{"a\r\n', b'4\r\n":1}\r\n0\r\n\r\n')
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert bytes(provider.requests[0].body) == b'{"a":1}'
    assert bedrock.refusals == []


async def test_who_waits_to_be_told_to_go_on_is_told(
    signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider
) -> None:
    wire = await signing.connect()
    lines = [f"{name}: {value}".encode() for name, value in SIGNED.items()]
    head = signing.request(
        "/bedrock/model/m/converse", *lines, b"Expect: 100-continue", b"Content-Length: 2", method=b"POST"
    )
    await wire.send(head)
    assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"{}")
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert provider.requests[0].get(b"expect") is None
    assert bedrock.refusals == []


async def test_a_client_that_leaves_in_the_middle_of_its_body(
    signing: Gateway, provider: FakeProvider
) -> None:
    wire = await signing.connect()
    lines = [f"{name}: {value}".encode() for name, value in SIGNED.items()]
    await wire.send(
        signing.request("/bedrock/model/m/converse", *lines, b"Content-Length: 9", method=b"POST"), b"{"
    )
    wire.close()
    [kept] = await signing.ended()
    assert kept.request_body == b"{"
    assert kept.end is not None
    assert kept.end.ended is Ended.CLIENT_CLOSED
    assert provider.connections == []


def test_botocore_costs_nothing_where_nothing_is_signed() -> None:
    code = "import arc_proxy.gateway.server, sys; print('botocore' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


# Refusals.


async def test_without_the_setting_it_says_what_to_do(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(upstreams={})
    with pytest.raises(ClientError) as caught:
        await call(gateway, "converse", modelId=MODEL, messages=MESSAGES)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    for cure in ("--bedrock", "pip install 'arc-proxy[bedrock]'", "Authorization: Bearer"):
        assert cure in error["Message"]
    [kept] = await gateway.ended()
    assert kept.end is not None
    assert (kept.end.ended, kept.end.detail) == (Ended.REFUSED, "bedrock_off")


async def test_without_the_setting_another_upstream_gets_what_the_program_sent(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(upstreams={"bedrock": provider.url})
    assert (await ask(gateway))[0] == 200
    assert provider.requests[0].get(b"authorization") == SIGNED["Authorization"].encode()


async def test_without_credentials_each_call_says_so(
    start_signing: StartGateway, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MACHINE.environ:
        monkeypatch.delenv(name)
    signing = await start_signing()
    for _ in range(2):
        status, fields, body = await ask(signing)
        assert (status, fields["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert "there are no AWS credentials on this machine" in message(body)
        assert "aws sso login" in message(body)
    assert provider.connections == []


async def test_a_profile_that_is_not_there_is_named(
    start_signing: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "finance")
    signing = await start_signing()
    assert "The config profile (finance) could not be found" in message((await ask(signing))[2])


async def test_what_a_credential_program_prints_is_not_repeated(
    start_signing: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in MACHINE.environ:
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = sh -c 'echo hunter2-0123456789 >&2; exit 1'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    signing = await start_signing()
    said = message((await ask(signing))[2])
    assert "custom-process did not give the AWS credentials" in said
    assert "hunter2" not in said + caplog.text


async def test_a_body_that_is_too_long(signing: Gateway, provider: FakeProvider) -> None:
    status, fields, body = await ask(signing, b" " * (25 * 1024 * 1024 + 1))
    assert (status, fields["x-amzn-errortype"]) == (413, "ValidationException")
    assert "26,214,400 bytes" in message(body)
    assert provider.connections == []


async def test_a_long_body_that_is_not_too_long(
    signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider
) -> None:
    assert (await ask(signing, b" " * 20_000_000))[0] == 200
    assert len(provider.requests[0].body) == 20_000_000


async def test_a_request_that_names_no_region(signing: Gateway, provider: FakeProvider) -> None:
    status, _, body = await ask(signing, Authorization="AWS4-HMAC-SHA256 Credential=AKID")
    assert status == 400
    assert "names a region" in message(body)
    assert provider.connections == []


FOR_ANOTHER = {"X_Forwarded_For": "192.0.2.7"}
CALLERS = {
    "this machine": ({}, 200),
    "this machine with a wrong token": ({"x_arc_token": "wrong"}, 200),
    "for another": (FOR_ANOTHER, 403),
    "for another with the token": (FOR_ANOTHER | {"x_arc_token": "ours"}, 200),
    "for another with a wrong token": (FOR_ANOTHER | {"x_arc_token": "wrong"}, 403),
    "for another with an empty token": (FOR_ANOTHER | {"x_arc_token": ""}, 403),
}


@pytest.mark.parametrize(("fields", "expected"), CALLERS.values(), ids=CALLERS)
async def test_who_may(
    signing: Gateway, bedrock: FakeBedrock, provider: FakeProvider, fields: dict[str, str], expected: int
) -> None:
    token = api_token(signing.config.secret_key_file.read_bytes())
    fields = {name: token if value == "ours" else value for name, value in fields.items()}
    status, _, body = await ask(signing, **fields)
    assert status == expected
    if status == 403:
        assert "arc-proxy open --token" in message(body)
        assert provider.connections == []
    else:
        assert provider.requests[0].get(b"x-arc-token") is None
    [kept] = await signing.ended()
    assert token.encode() not in repr(kept).encode()


@pytest.mark.parametrize("address", addresses())
async def test_from_which_address_one_may(
    start_gateway: StartGateway, provider: FakeProvider, bedrock: FakeBedrock, address: str
) -> None:
    gateway = await start_gateway(bedrock=True, host="0.0.0.0", upstreams={"bedrock": provider.url})
    status, _, body = await ask(gateway, address=address)
    is_here = address.startswith("127.")
    assert status == (200 if is_here else 403)
    assert is_here or "programs on that machine alone" in message(body)
    token = api_token(gateway.config.secret_key_file.read_bytes())
    assert (await ask(gateway, address=address, x_arc_token=token))[0] == 200


PEERS = {
    "127.0.0.1": True,
    "127.9.9.9": True,
    "::1": True,
    "::ffff:127.0.0.1": True,
    "::ffff:192.0.2.7": False,
    "fe80::1%eth0": False,
    "192.0.2.7": False,
    "0.0.0.0": False,
    "localhost": False,
    "": False,
    None: False,
}


@pytest.mark.parametrize(("peer", "may"), PEERS.items())
def test_what_is_this_machine(peer: str | None, may: bool) -> None:
    assert (caller_refusal(peer, {}, b"secret") is None) is may


REGIONS = {
    "bare": ("/model/m/converse", "/bedrock/eu-central-1/model/m/converse"),
    "an ARN with its slash": ("/model/a:b/c/converse?x", "/bedrock/eu-central-1/model/a:b/c/converse?x"),
    "prefixed": ("/bedrock/model/m/converse", "/bedrock/eu-central-1/model/m/converse"),
    "chat completions of Bedrock's": ("/bedrock/openai/v1/x", "/bedrock/eu-central-1/openai/v1/x"),
    "a list": ("/async-invoke?maxResults=1", "/bedrock/eu-central-1/async-invoke?maxResults=1"),
    "named": ("/bedrock/us-east-1/model/m/converse", "/bedrock/us-east-1/model/m/converse"),
    "named and nothing behind": ("/bedrock/us-east-1", "/bedrock/us-east-1"),
    "somebody else's": ("/v1/messages", "/v1/messages"),
    "another service's": ("/models/m", "/models/m"),
}


@pytest.mark.parametrize(("target", "named"), REGIONS.values(), ids=REGIONS)
def test_the_region_of_a_signature_goes_into_the_path(target: str, named: str) -> None:
    assert with_region(target, SIGNED) == named


SCOPES = {
    "another service": "AWS4-HMAC-SHA256 Credential=A/20261127/eu-central-1/s3/aws4_request, x",
    "a host in it": "AWS4-HMAC-SHA256 Credential=A/20261127/evil.example#/bedrock/aws4_request, x",
    "a region that is none": "AWS4-HMAC-SHA256 Credential=A/20261127/evil/bedrock/aws4_request, x",
    "no region at all": "AWS4-ECDSA-P256-SHA256 Credential=A/20261127/bedrock/aws4_request, x",
    "blanks without end": "AWS4-HMAC-SHA256" + " " * 60_000,
    "beginnings without end": "AWS4-HMAC-SHA256 " + "Credential=" * 6_000,
    "a bearer key": "Bearer Credential=A/20261127/eu-central-1/bedrock/aws4_request",
}


@pytest.mark.parametrize("authorization", SCOPES.values(), ids=SCOPES)
def test_what_is_no_region_of_bedrocks(authorization: str) -> None:
    assert with_region("/model/m/converse", {"Authorization": authorization}) == "/model/m/converse"
