"""
Requests to Bedrock that their caller signed: where they go, and for whom they are signed anew. No I/O.

A signature holds for one host and one path, and the caller's are ours, so Amazon would refuse it. A bearer
key holds for any and passes as it is, but boto3 may send one over HTTPS alone (1.44.8 does, 1.42.1 did not).
The region that the path does not name stands in the signature:

    Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261127/us-east-1/bedrock/aws4_request, ...

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from arc_proxy.gateway.refusal import NO_RETRY, Refusal, Shape
from arc_proxy.gateway.routes import REGION, SEGMENT, Route
from arc_proxy.token import is_api_token

SERVICE = "bedrock"
TOKEN_FIELD = "x-arc-token"  # noqa: S105  its name, not one

# The longest body that Bedrock takes has 25,000,000 bytes, and it says so itself.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html (body)
BODY_BYTES_MAX = 25 * 1024 * 1024

_PREFIX = "/bedrock"
_BARE = re.compile(r"/(?:model|guardrail|async-invoke)(?:[/?]|\Z)")
_SCOPE = re.compile(
    r"AWS4-[A-Z0-9-]{1,32} {1,8}Credential=[^/,\s]{1,128}/[0-9]{8}/([^/,\s]{1,63})/bedrock/aws4_request"
)
# Who passes a request on for others says so in one of these.
_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether the caller signed the request, for whatever service of Amazon's."""
    return headers.get("Authorization", "").startswith("AWS4-")


def with_region(target: str, headers: Mapping[str, str]) -> str:
    """The target with the signature's region in it, where it is one of Bedrock's and names none."""
    is_prefixed = target.startswith(f"{_PREFIX}/")
    rest = target.removeprefix(_PREFIX) if is_prefixed else target
    if not is_prefixed and not _BARE.match(target):
        return target
    region = _signed_region(headers)
    return target if region is None or _region_in(rest) else f"{_PREFIX}/{region}{rest}"


def region_to_sign(
    route: Route, target: str, headers: Mapping[str, str], *, is_on: bool
) -> str | Refusal | None:
    """
    The region for which a request that has a signature is to be signed anew; None: it passes as it is.

    An upstream that configuration chose may not care for signatures, so without the setting it gets the
    caller's.
    """
    upstream = route.upstream
    if upstream.name != "bedrock":
        return None
    if not is_on:
        return _OFF if upstream.is_default else None
    region = _region_in(target.removeprefix(_PREFIX)) or _signed_region(headers)
    return _NO_REGION if region is None else region


def caller_refusal(peer: str | None, headers: Mapping[str, str], secret: bytes) -> Refusal | None:
    """
    A refusal for who may not use this machine's credentials. `peer` is the address that the request came
    from, `secret` the data folder's.

    May: programs on this machine, who could read the credentials themselves, and who has the API token.
    """
    is_here = peer is not None and _is_loopback(peer) and not any(name in headers for name in _PASSED_ON)
    if is_here or is_api_token(secret, headers.get(TOKEN_FIELD, "")):
        return None
    return _NOT_ALLOWED


def _region_in(rest: str) -> str | None:
    """The region that is the path's first word."""
    found = SEGMENT.match(rest)
    return found[1] if found and REGION.fullmatch(found[1]) else None


def _signed_region(headers: Mapping[str, str]) -> str | None:
    found = _SCOPE.match(headers.get("Authorization", ""))
    return found[1] if found and REGION.fullmatch(found[1]) else None


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def no_credentials(why: str) -> Refusal:
    """`why` is a sentence."""
    return _refuse(
        403,
        "bedrock_no_credentials",
        f"arc-proxy was started with --bedrock, but cannot sign: {why.rstrip('.')}. Give it credentials "
        "as the AWS CLI takes them (aws sso login, aws configure), or start it anew with AWS_PROFILE or the "
        f"variables set, {_BEARER}. `arc-proxy doctor` says what it finds.",
    )


def _refuse(status: int, code: str, message: str) -> Refusal:
    return Refusal(status=status, code=code, message=message, shape=Shape.BEDROCK, fields=(NO_RETRY,))


_BEARER = (
    "or use a client that sends a Bedrock API key as Authorization: Bearer, which passes as it is "
    "(new versions of boto3 send it over HTTPS alone)"
)

_OFF = _refuse(
    403,
    "bedrock_off",
    "This request is signed for arc-proxy's address, so Bedrock would refuse it. Start arc-proxy with "
    "--bedrock to have such requests signed with this machine's AWS credentials (it needs "
    f"pip install 'arc-proxy[bedrock]'), {_BEARER}.",
)
_NO_REGION = _refuse(
    400,
    "bedrock_no_region",
    "Neither the path nor the signature names a region: use /bedrock/{region} as the endpoint URL's path.",
)
_NOT_ALLOWED = _refuse(
    403,
    "bedrock_not_allowed",
    "arc-proxy signs with its machine's AWS credentials for programs on that machine alone, and for those "
    f"that send its token as {TOKEN_FIELD}: `arc-proxy open --token` prints it. Send that, {_BEARER}.",
)
TOO_LARGE = _refuse(
    413,
    "bedrock_body_too_large",
    f"A body of more than {BODY_BYTES_MAX:,} bytes cannot be signed anew, and Bedrock takes none so long.",
)
