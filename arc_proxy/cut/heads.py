"""Credentials in heads: header fields, targets and URLs. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Protocol
from urllib.parse import unquote_to_bytes

# Shorter values are no secrets ("none", "ollama"), and looking for them would spoil what people wrote.
SECRET_BYTES_MIN = 12

_HEADER_NAMES = frozenset(
    {
        b"authorization",
        b"proxy-authorization",
        b"x-amz-security-token",
        b"x-goog-iap-jwt-assertion",
        b"cookie",
        b"set-cookie",
        b"set-cookie2",
        b"x-bf-vk",
        b"apikey",
        b"api_key",
        b"token",
        b"key",
        b"x-key",
        b"secret",
        b"password",
    }
)
_HEADER_ENDS = (
    b"authorization",
    b"api-key",
    b"apikey",
    b"api_key",
    b"virtual-key",
    b"access-key",
    b"subscription-key",
    b"function-key",
    b"-auth",
    b"-token",
    b"-secret",
    b"-password",
)
_URLS = frozenset(
    {b"location", b"content-location", b"operation-location", b"azure-asyncoperation", b"referer"}
)
_SUBPROTOCOL = b"sec-websocket-protocol"
_QUERY_NAMES = frozenset(
    re.split(
        r"\s+",
        "key token sig signature code password secret auth authorization access_token refresh_token id_token "
        "client_secret client_assertion api_key api-key apikey x-api-key x-goog-api-key subscription-key "
        "x-amz-signature x-amz-credential x-amz-security-token x-goog-signature x-goog-credential "
        "awsaccesskeyid",
    )
)

SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,24}) +(?=\S)")


class Marks(Protocol):
    """Who makes the marks that stand for credentials."""

    def mark(self, value: bytes) -> bytes: ...


def is_secret_header(name: bytes) -> bool:
    """Whether a header field of this name (any case) carries a credential, or a URL that may."""
    name = name.lower()
    return name in _HEADER_NAMES or name in _URLS or name == _SUBPROTOCOL or name.endswith(_HEADER_ENDS)


def cut_header(name: bytes, value: bytes, marks: Marks) -> tuple[bytes, tuple[bytes, ...]]:
    """What to keep of a secret header's value, and the secrets in it that may come back elsewhere."""
    name = name.lower()
    if name == _SUBPROTOCOL:
        return _cut_subprotocols(value, marks)
    if name in _URLS:
        url, found = cut_query(value.decode(errors="surrogateescape"), marks)
        return url.encode(errors="surrogateescape"), found
    if name in (b"cookie", b"set-cookie", b"set-cookie2"):
        return marks.mark(value), _cookie_secrets(value)
    scheme = SCHEME.match(value)
    secret = value[scheme.end() :] if scheme else value
    secrets: tuple[bytes, ...] = (secret,)
    if scheme and scheme[1].lower() == b"basic":
        secrets += _password_of(secret)
    kept = scheme[1] + b" " if scheme else b""
    return kept + marks.mark(secret), secrets


def cut_query(target: str, marks: Marks) -> tuple[str, tuple[bytes, ...]]:
    """A request target or URL with the values of secret parameters cut, and those secrets."""
    path, mark, query = target.partition("?")
    if not query:
        return target, ()
    pairs = []
    secrets: list[bytes] = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if value and unquote_to_bytes(name).lower().decode(errors="replace") in _QUERY_NAMES:
            raw = value.encode(errors="surrogateescape")
            plain = unquote_to_bytes(raw)
            secrets += {raw, plain}
            pairs.append(f"{name}{equals}{marks.mark(plain).decode()}")
        else:
            pairs.append(pair)
    return path + mark + "&".join(pairs), tuple(secrets)


def _cut_subprotocols(value: bytes, marks: Marks) -> tuple[bytes, tuple[bytes, ...]]:
    """OpenAI's realtime clients in a browser send `openai-insecure-api-key.KEY` as a subprotocol."""
    kept, secrets = [], []
    for protocol in value.split(b","):
        name, dot, rest = protocol.strip().partition(b".")
        if dot and len(rest) >= SECRET_BYTES_MIN:
            secrets.append(rest)
            kept.append(name + dot + marks.mark(rest))
        elif len(protocol.strip()) >= 2 * SECRET_BYTES_MIN:
            secrets.append(protocol.strip())
            kept.append(marks.mark(protocol.strip()))
        else:
            kept.append(protocol.strip())
    return b", ".join(kept), tuple(secrets)


def _cookie_secrets(value: bytes) -> tuple[bytes, ...]:
    pairs = (pair.partition(b"=")[2].strip() for pair in value.split(b";"))
    return tuple(secret for secret in pairs if len(secret) >= SECRET_BYTES_MIN)


def _password_of(basic: bytes) -> tuple[bytes, ...]:
    try:
        user, _, password = base64.b64decode(basic, validate=True).partition(b":")
    except binascii.Error:
        return ()
    return tuple(secret for secret in (user, password) if len(secret) >= SECRET_BYTES_MIN)
