"""
AWS Signature Version 4: what a request with these bytes is signed with. Standard library only, no I/O.

    canonical request   method, path, query, the signed fields, their names, hash of the body
    text to sign        "AWS4-HMAC-SHA256", time, scope, hash of the canonical request
    scope               date / region / service / "aws4_request"
    Authorization       key id and scope, names of the signed fields, HMAC of the text

The path is percent-encoded once more than it is sent (`%3A` becomes `%253A`), as every service but S3 wants.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = b"AWS4-HMAC-SHA256"

_TIME = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
_SIGNED_NAMES = re.compile(rb"SignedHeaders=([^,\s]+)")
_UNRESERVED = "-_.~"
_DATE, _TOKEN, _BODY_HASH = b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"
# What a proxy on the way may change, or we have taken out, is in no signature.
_NEVER_SIGNED = frozenset(
    {b"authorization", b"connection", b"content-length", b"expect", b"te", b"transfer-encoding"}
)

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """`session_token` comes with temporary ones. Neither it nor the key is in the text form."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def sign(
    method: bytes,
    target: bytes,
    fields: Fields,
    body_sha256: str,
    credentials: Credentials,
    *,
    region: str,
    service: str,
    now: bytes,
) -> list[tuple[bytes, bytes]]:
    """
    The request's fields, in their order, with a signature in place of the one that they held.

    `fields` have a Host. `body_sha256` is in hex. The time is the request's own `X-Amz-Date`, so that who
    has set its clock by Amazon's answers is not undone; `now`, 20261127T081500Z, where it has none. Signed
    are the Host, all fields of AWS, and what the caller had signed.
    """
    time = _time_of(fields) or now
    fresh = _with_ours(fields, time, body_sha256, credentials)
    names = _names_to_sign(fresh, _named_as_signed(fields))
    request = canonical_request(method, target, fresh, names, body_sha256)
    scope = f"{time[:8].decode()}/{region}/{service}/aws4_request".encode()
    text = b"\n".join((ALGORITHM, time, scope, hashlib.sha256(request).hexdigest().encode()))
    signature = hmac.new(_signing_key(credentials.secret_access_key, scope), text, hashlib.sha256)
    authorization = b"%b Credential=%b/%b, SignedHeaders=%b, Signature=%b" % (
        ALGORITHM,
        credentials.access_key_id.encode(),
        scope,
        b";".join(names),
        signature.hexdigest().encode(),
    )
    return [(name, authorization if name.lower() == b"authorization" else value) for name, value in fresh]


def canonical_request(
    method: bytes, target: bytes, fields: Fields, names: Sequence[bytes], body_sha256: str
) -> bytes:
    """`names`: of the fields that are signed, in lower case and sorted."""
    path, _, query = target.partition(b"?")
    lines = [method, _canonical_path(path), _canonical_query(query)]
    for name in names:
        values = [b" ".join(value.split()) for each, value in fields if each.lower() == name]
        lines.append(b"%b:%b" % (name, b",".join(values)))
    return b"\n".join((*lines, b"", b";".join(names), body_sha256.encode()))


def _with_ours(
    fields: Fields, time: bytes, body_sha256: str, credentials: Credentials
) -> list[tuple[bytes, bytes]]:
    """The caller's token is gone, whether we have one or not; an `Authorization` is there to be filled."""
    token = credentials.session_token
    values = {_DATE: time, _BODY_HASH: body_sha256.encode()}
    if token:
        values[_TOKEN] = token.encode()
    fresh = [
        (name, values.get(name.lower(), value)) for name, value in fields if token or name.lower() != _TOKEN
    ]
    there = {name.lower() for name, _ in fresh}
    if _DATE not in there:
        fresh.append((b"X-Amz-Date", time))
    if token and _TOKEN not in there:
        fresh.append((b"X-Amz-Security-Token", token.encode()))
    if b"authorization" not in there:
        fresh.append((b"Authorization", b""))
    return fresh


def _time_of(fields: Fields) -> bytes | None:
    times = [value for name, value in fields if name.lower() == _DATE]
    return times[0] if times and _TIME.fullmatch(times[0]) else None


def _named_as_signed(fields: Fields) -> Set[bytes]:
    """The names in the signature that the caller made."""
    for name, value in fields:
        if name.lower() == b"authorization" and (found := _SIGNED_NAMES.search(value)):
            return set(found[1].lower().split(b";"))
    return set()


def _names_to_sign(fields: Fields, signed_before: Set[bytes]) -> list[bytes]:
    there = {name.lower() for name, _ in fields}
    wanted = {name for name in there if name == b"host" or name.startswith(b"x-amz-")}
    return sorted(wanted | (there & signed_before) - _NEVER_SIGNED)


def _canonical_path(path: bytes) -> bytes:
    """Without `.`, `..` and empty segments, as RFC 3986, section 5.2.4, removes them."""
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    end = b"/" if segments and path.endswith(b"/") else b""
    return quote_from_bytes(b"/" + b"/".join(segments) + end, safe="/" + _UNRESERVED).encode()


def _canonical_query(query: bytes) -> bytes:
    pairs = (pair.partition(b"=") for pair in query.split(b"&") if pair)
    encoded = sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    return b"&".join(b"%b=%b" % pair for pair in encoded)


def _encode(text: bytes) -> bytes:
    """In the one form that counts, however the caller encoded it."""
    return quote_from_bytes(unquote_to_bytes(text), safe=_UNRESERVED).encode()


def _signing_key(secret_access_key: str, scope: bytes) -> bytes:
    key = b"AWS4" + secret_access_key.encode()
    for part in scope.split(b"/"):
        key = hmac.new(key, part, hashlib.sha256).digest()
    return key
