"""
A Bedrock that checks signatures, with botocore's own signer and from nothing but the bytes that came.

    bedrock = FakeBedrock(ACCOUNT)
    provider.answer = bedrock.answer

As Amazon does, it answers a signature that does not fit with the request as it should have been signed,
session token and all. A bearer key is taken as it is.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote
from zlib import crc32

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.fake_provider import BODY, LAST_CHUNK, Received, Step, chunk, reply

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>[0-9]{8})/(?P<region>[^/]+)/bedrock/aws4_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
TEXT = "The travel budget is spent."
USAGE = {"inputTokens": 1000, "outputTokens": 400, "totalTokens": 1400}


@dataclass(frozen=True)
class Account:
    """Whose credentials the fake knows."""

    key: str
    secret: str
    token: str | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The variables in which botocore finds them, and nothing else."""
        token = {} if self.token is None else {"AWS_SESSION_TOKEN": self.token}
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, **token}


# Keeps botocore from what this machine may have: its user's files, its cloud's metadata service.
NOTHING_ELSE = {
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def botocore_signature(
    method: str,
    url: str,
    fields: Sequence[tuple[str, str]],
    body: bytes,
    *,
    secret: str,
    region: str,
    names: Sequence[str],
) -> tuple[str, str]:
    """
    The signature that botocore makes for the request, and the canonical request under it.

    `names` are the fields that are signed, in lower case; botocore is shown no others.
    """
    request = botocore.awsrequest.AWSRequest(method, url, data=body)
    for name, value in fields:
        if name.lower() in names:
            request.headers.add_header(name, value)
    request.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials("", secret), "bedrock", region)
    canonical = signer.canonical_request(request)
    return str(signer.signature(signer.string_to_sign(request, canonical), request)), str(canonical)


@dataclass
class FakeBedrock:
    account: Account
    refusals: list[str] = field(default_factory=list)  # why a signature did not fit
    failures: list[bytes] = field(default_factory=list)  # answers to give first, signature or not
    regions: list[str] = field(default_factory=list)  # for which was signed

    def answer(self, request: Received) -> Iterator[Step]:
        yield BODY
        if self.failures:
            yield self.failures.pop(0)
            return
        objection = self._objection(request)
        if objection is not None:
            self.refusals.append(objection)
            body = json.dumps({"message": objection}).encode()
            yield reply(body, ("x-amzn-ErrorType", "InvalidSignatureException"), status="403 Forbidden")
            return
        yield from _answers(request.line.split()[1].decode())

    def _objection(self, request: Received) -> str | None:
        authorization = (request.get(b"authorization") or b"").decode()
        if authorization.startswith("Bearer "):
            return None
        signed = AUTHORIZATION.fullmatch(authorization)
        if signed is None:
            return "no signature"
        if signed["key"] != self.account.key:
            return "no such key"
        if (request.get(b"x-amz-security-token") or b"").decode() != (self.account.token or ""):
            return "another session token"
        names = signed["names"].split(";")
        there = {name.decode().lower() for name, _ in request.fields}
        if unsigned := {name for name in there if name == "host" or name.startswith("x-amz-")} - {*names}:
            return f"not signed: {unsigned}"
        method, target, _ = request.line.decode().split(" ")
        signature, canonical = botocore_signature(
            method,
            f"http://{(request.get(b'host') or b'').decode()}{target}",
            [(name.decode(), value.decode()) for name, value in request.fields],
            bytes(request.body),
            secret=self.account.secret,
            region=signed["region"],
            names=names,
        )
        if signature != signed["signature"]:
            return f"The Canonical String for this request should have been\n'{canonical}'"
        self.regions.append(signed["region"])
        return None


def _answers(target: str) -> Iterator[Step]:
    match unquote(target.rpartition("/")[2]):
        case "converse":
            message = {"role": "assistant", "content": [{"text": TEXT}]}
            yield reply(
                json.dumps(
                    {
                        "output": {"message": message},
                        "stopReason": "end_turn",
                        "usage": USAGE,
                        "metrics": {"latencyMs": 321},
                    }
                ).encode()
            )
        case "converse-stream":
            yield from _event_stream(
                ("messageStart", {"role": "assistant"}),
                ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}}),
                ("contentBlockStop", {"contentBlockIndex": 0}),
                ("messageStop", {"stopReason": "end_turn"}),
                ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 321}}),
            )
        case "invoke":
            yield reply(json.dumps(_anthropic_message()).encode())
        case "invoke-with-response-stream":
            yield from _event_stream(*(("chunk", _packed(each)) for each in _anthropic_events()))
        case _:
            yield reply(b'{"message":"no such path"}', status="404 Not Found")


def _anthropic_message() -> dict[str, object]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": USAGE["inputTokens"], "output_tokens": USAGE["outputTokens"]},
    }


def _anthropic_events() -> Iterator[dict[str, object]]:
    begun = _anthropic_message() | {"content": [], "stop_reason": None}
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
    yield {"type": "content_block_stop", "index": 0}
    usage = {"output_tokens": USAGE["outputTokens"]}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    yield {"type": "message_stop"}


def _packed(event: dict[str, object]) -> dict[str, str]:
    return {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}


def _event_stream(*events: tuple[str, object]) -> Iterator[bytes]:
    yield (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    for name, payload in events:
        yield chunk(_event(name, json.dumps(payload).encode()))
    yield LAST_CHUNK


def _event(name: str, payload: bytes) -> bytes:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the same framing)"""
    headers = ((":event-type", name), (":content-type", "application/json"), (":message-type", "event"))
    block = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in headers
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    whole = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return whole + struct.pack(">I", crc32(whole))
