"""Credentials in heads: header fields, targets and URLs. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Protocol
from urllib.parse import unquote_to_bytes

from arc_proxy.cut.names import (
    CHALLENGE_ENDS,
    CHALLENGE_WORDS,
    COOKIE_HEADERS,
    HEADER_ENDS,
    HEADER_NAMES,
    KEY,
    QUERY_NAMES,
    SUBPROTOCOL_HEADER,
    URL_HEADERS,
)

# Shorter values are no secrets ("none", "ollama"), and looking for them would spoil what people wrote.
SECRET_BYTES_MIN = 12

SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,24}) +(?=\S)")

_SECRET_ENDS = HEADER_ENDS + CHALLENGE_ENDS
# The parts of a challenge between its commas and spaces: a parameter, or a token68 behind a scheme.
_CHALLENGE_PART = re.compile(
    rb"(?P<name>[A-Za-z0-9!#$%&\'*.^_`|~-]+)[ \t]*=[ \t]*"
    rb'(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"?|(?P<bare>[^\s,"=][^\s,"]*))'
    rb"|(?P<token>[A-Za-z0-9._~+/-]{12,}=*)",
    re.S,
)


class Marks(Protocol):
    """Who makes the marks that stand for credentials."""

    def mark(self, value: bytes) -> bytes: ...


def is_secret_header(name: bytes) -> bool:
    """Whether a header field of this name (any case) carries a credential, or a URL that may."""
    name = name.lower()
    return (
        name in HEADER_NAMES
        or name in URL_HEADERS
        or name == SUBPROTOCOL_HEADER
        or name.endswith(_SECRET_ENDS)
    )


def cut_header(name: bytes, value: bytes, marks: Marks) -> tuple[bytes, tuple[bytes, ...]]:
    """What to keep of a secret header's value, and the secrets in it that may come back elsewhere."""
    name = name.lower()
    if name == SUBPROTOCOL_HEADER:
        return _cut_subprotocols(value, marks)
    if name in URL_HEADERS:
        url, found = cut_query(value.decode(errors="surrogateescape"), marks)
        return url.encode(errors="surrogateescape"), found
    if name in COOKIE_HEADERS:
        return marks.mark(value), _cookie_secrets(value)
    if name.endswith(CHALLENGE_ENDS):
        return _cut_challenge(value, marks)
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
        if value and unquote_to_bytes(name).lower().decode(errors="replace") in QUERY_NAMES:
            raw = value.encode(errors="surrogateescape")
            plain = unquote_to_bytes(raw)
            secrets += {raw, plain}
            pairs.append(f"{name}{equals}{marks.mark(plain).decode()}")
        else:
            pairs.append(pair)
    return path + mark + "&".join(pairs), tuple(secrets)


def _cut_challenge(value: bytes, marks: Marks) -> tuple[bytes, tuple[bytes, ...]]:
    """`Negotiate TOKEN`, `Bearer realm="x", error="invalid_token", ticket="TOKEN"`: the words stay."""
    secrets: list[bytes] = []

    def cut(part: re.Match[bytes]) -> bytes:
        word = part["name"]
        secret: bytes = part["token"] or part["quoted"] or part["bare"] or b""
        at = part.start("quoted") if part["quoted"] else part.start("bare")
        if not secret:
            return part[0]
        if word is None:
            is_scheme = part.end() < len(value) and value[part.end() :].lstrip(b" \t")[:1] not in (b"", b",")
            if is_scheme:
                return part[0]
            at = part.start()
        elif word.lower() in CHALLENGE_WORDS and not KEY.fullmatch(secret):
            url, found = cut_query(secret.decode(errors="surrogateescape"), marks)
            secrets.extend(found)
            return part[0].replace(secret, url.encode(errors="surrogateescape"))
        secrets.append(secret)
        start = at - part.start()
        return part[0][:start] + marks.mark(secret) + part[0][start + len(secret) :]

    return _CHALLENGE_PART.sub(cut, value), tuple(secrets)


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
