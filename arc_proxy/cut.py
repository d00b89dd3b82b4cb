"""
Credentials are cut out before anything is written. No I/O but the key file.

A value becomes `cut-` and 8 hex digits of its HMAC under this data folder's secret key, so that two calls
with one key can be told to belong together and nobody can go back from there. Cut are:

* the values of the header fields that carry credentials; a scheme (`Bearer`) and the first part of a
  subprotocol stay;
* the values of query parameters that do;
* the same values where they come back in captured bytes of either side, in one piece or in several;
* the string values of the body fields that do, in JSON and in forms.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ahocorasick_rs import BytesAhoCorasick

# Shorter values are no secrets ("none", "ollama"), and looking for them would spoil what people wrote.
SECRET_BYTES_MIN = 12
# Marks and the like that are kept in memory.
REMEMBERED_MAX = 1024
# Keys are shorter; the marks of longer values are made anew each time, so that memory stays bounded.
REMEMBERED_BYTES_MAX = 4096
# A value that runs on longer than this is cut without knowing its end.
HELD_BYTES_MAX = 64 * 1024

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

# After any first words: "x-litellm-api-key", "aws_secret_access_key", as MCP servers' `headers` have them.
_JSON_ENDS = (
    rb"authorization|api[_-]?key|access[_-]?token|refresh[_-]?token|id[_-]?token|session[_-]?token|"
    rb"auth[_-]?token|bearer[_-]?token|security[_-]?token|client[_-]?secret|signing[_-]?secret|"
    rb"webhook[_-]?secret|secret[_-]?access[_-]?key|subscription[_-]?key|private[_-]?key"
)
_JSON_NAME = (
    rb"(?:(?:[a-z0-9_-]{0,32}[_-])?(?:" + _JSON_ENDS + rb")|"
    rb"authorization_token|subject_token|actor_token|secretaccesskey|sessiontoken|cookie|set-cookie)"
)
# Objects that are a credential: Azure's {"authentication": {"type": "api_key", "key": "..."}}, a session's
# {"client_secret": {"value": "..."}}.
_GROUP_NAME = rb"(?:authentication|client_secret)"
_GROUP_FIELD_NAME = rb"(?:key|value|secret|token|password|connection_string)"
# How every such name ends. Looked for in one pass, several times as fast as one search after another.
_ANCHORS = BytesAhoCorasick(
    [b'token"', b'secret"', b'key"', b'authorization"', b'authentication"', b'cookie"']
)
_NAME = re.compile(_JSON_NAME + rb"|" + _GROUP_NAME, re.I)
_TEXT = rb'(?:[^"\\]|\\.)*+'  # the inside of a JSON string
# The inside of an object as far as no other object stands in it.
_MEMBERS = rb'(?:[^{}"]++|"' + _TEXT + rb'")*+'
_JSON_FIELD = re.compile(rb'"' + _JSON_NAME + rb'"\s*:\s*"(?P<value>' + _TEXT + rb')"', re.I | re.S)
_JSON_OPEN = re.compile(rb'"' + _JSON_NAME + rb'"\s*:\s*"' + _TEXT + rb"\\?\Z", re.I | re.S)
_GROUP = re.compile(rb'"' + _GROUP_NAME + rb'"\s*:\s*\{' + _MEMBERS, re.I | re.S)
_GROUP_FIELD = re.compile(rb'"' + _GROUP_FIELD_NAME + rb'"\s*:\s*"(?P<value>' + _TEXT + rb')"', re.I | re.S)
_GROUP_OPEN = re.compile(
    rb'"' + _GROUP_NAME + rb'"\s*:\s*\{' + _MEMBERS + rb'(?:"' + _TEXT + rb"\\?)?\Z", re.I | re.S
)
_GROUP_VALUE_OPEN = re.compile(rb'"' + _GROUP_FIELD_NAME + rb'"\s*:\s*"' + _TEXT + rb"\\?\Z", re.I | re.S)
_JSON_TAIL = re.compile(rb'"(?P<name>[A-Za-z0-9_-]{0,56})(?P<rest>"\s*(?::\s*)?)?\Z')
_JSON_VALUE_END = re.compile(_TEXT + rb'"', re.S)
_TAIL_BYTES = 128

_FORM_NAMES = (
    b"client_secret|client_assertion|assertion|access_token|refresh_token|id_token|subject_token|"
    b"actor_token|token|code|code_verifier|device_code|password|api_key"
)
_FORM_FIELD = re.compile(rb"(?:\A|(?<=&))(?P<name>" + _FORM_NAMES + rb")=(?P<value>[^&]+)", re.I)

_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,24}) +(?=\S)")


_HEX = re.compile(rb"%[0-9A-F]{2}")
_URLSAFE = bytes.maketrans(b"+/", b"-_")

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class BodyForm(Enum):
    """What kind of fields a body is searched for."""

    NONE = "none"
    JSON = "json"
    FORM = "form"


# Looking a member up in its class costs more than the comparison it is for.
_JSON, _FORM, _OTHER = BodyForm.JSON, BodyForm.FORM, BodyForm.NONE


@dataclass(frozen=True, slots=True)
class Needle:
    """A secret in one of its forms, and what stands for it."""

    text: bytes
    mark: bytes
    starts: tuple[bytes, ...]  # its first one, two and three bytes
    head: bytes  # its first four
    reach: int  # how far from the end of a text it may begin and not be whole


class Fingerprints:
    """Makes the marks that stand for credentials. Keys come again and again, so what it made is kept."""

    def __init__(self, secret_key: bytes) -> None:
        self._secret_key = secret_key
        self._marks: dict[bytes, bytes] = {}
        self._needles: dict[bytes, tuple[Needle, ...]] = {}
        self._headers: dict[tuple[bytes, bytes], tuple[bytes, tuple[bytes, ...]]] = {}

    def mark(self, value: bytes) -> bytes:
        """`cut-` and 8 hex digits."""
        mark = self._marks.get(value)
        if mark is None:
            digest = hmac.new(self._secret_key, value, hashlib.sha256).hexdigest()
            mark = b"cut-" + digest[:8].encode()
            _remember(self._marks, value, mark, len(value))
        return mark

    def cut_header(self, name: bytes, value: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """See the function of this name."""
        known = self._headers.get((name, value))
        if known is None:
            known = cut_header(name, value, self)
            _remember(self._headers, (name, value), known, len(value))
        return known

    def needles(self, secret: bytes) -> tuple[Needle, ...]:
        """The forms in which a secret may come back; none if it is too short to be one."""
        known = self._needles.get(secret)
        if known is None:
            quoted = quote_from_bytes(secret, safe="").encode()
            forms = {secret, secret.replace(b"/", b"\\/"), quoted, _HEX.sub(_lower, quoted)}
            if len(secret) < SECRET_BYTES_MIN:
                forms.clear()
            mark = self.mark(secret)
            known = tuple(_needle(form, mark) for form in sorted(forms))
            _remember(self._needles, secret, known, len(secret))
        return known


def _needle(form: bytes, mark: bytes) -> Needle:
    return Needle(form, mark, (form[:1], form[:2], form[:3]), form[:4], len(form) - 1)


def _lower(found: re.Match[bytes]) -> bytes:
    return found[0].lower()


def _base64_forms(secret: bytes) -> set[bytes]:
    """The letters that base64 makes of a secret alone, wherever in a longer text it stands."""
    forms = set()
    for before in range(3):
        start = -(-before * 8 // 6)
        end = (before + len(secret)) * 8 // 6
        whole = base64.b64encode(bytes(before) + secret)[start:end]
        forms |= {whole, whole.translate(_URLSAFE)}
    return forms


def _remember(memory: dict[_K, _V], key: _K, value: _V, size_bytes: int) -> None:
    if size_bytes > REMEMBERED_BYTES_MAX:
        return
    if len(memory) >= REMEMBERED_MAX:
        memory.clear()
    memory[key] = value


def load_secret_key(path: Path) -> bytes:
    """
    The data folder's secret key, 32 bytes, made on first use. Several processes may ask at once.

    Raises OSError if it can neither be read nor made, ValueError if the file is no such key.
    """
    if not path.exists():
        made = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)  # unlike a rename, it never replaces the key of another process
        made.unlink()
    secret_key = path.read_bytes()
    if len(secret_key) != 32:
        raise ValueError(f"{path} is no secret key: it has {len(secret_key)} bytes instead of 32")
    return secret_key


def is_secret_header(name: bytes) -> bool:
    """Whether a header field of this name (any case) carries a credential, or a URL that may."""
    name = name.lower()
    return name in _HEADER_NAMES or name in _URLS or name == _SUBPROTOCOL or name.endswith(_HEADER_ENDS)


def cut_header(name: bytes, value: bytes, fingerprints: Fingerprints) -> tuple[bytes, tuple[bytes, ...]]:
    """What to keep of a secret header's value, and the secrets in it that may come back elsewhere."""
    name = name.lower()
    if name == _SUBPROTOCOL:
        return _cut_subprotocols(value, fingerprints)
    if name in _URLS:
        url, found = cut_query(value.decode(errors="surrogateescape"), fingerprints)
        return url.encode(errors="surrogateescape"), found
    if name in (b"cookie", b"set-cookie", b"set-cookie2"):
        return fingerprints.mark(value), _cookie_secrets(value)
    scheme = _SCHEME.match(value)
    secret = value[scheme.end() :] if scheme else value
    secrets: tuple[bytes, ...] = (secret,)
    if scheme and scheme[1].lower() == b"basic":
        secrets += _password_of(secret)
    kept = scheme[1] + b" " if scheme else b""
    return kept + fingerprints.mark(secret), secrets


def cut_query(target: str, fingerprints: Fingerprints) -> tuple[str, tuple[bytes, ...]]:
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
            pairs.append(f"{name}{equals}{fingerprints.mark(plain).decode()}")
        else:
            pairs.append(pair)
    return path + mark + "&".join(pairs), tuple(secrets)


class Secrets:
    """The credentials of one exchange: found in its heads and its request, looked for in all of it."""

    __slots__ = ("_fingerprints", "_needles", "_plain")

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._needles: list[Needle] = []
        self._plain: list[bytes] = []

    def add(self, secrets: Iterable[bytes]) -> None:
        for secret in secrets:
            self._plain.append(secret)
            for needle in self._fingerprints.needles(secret):
                if needle not in self._needles:
                    self._needles.append(needle)

    def expect_base64(self) -> None:
        """Look for what is known so far in base64 too, as some errors quote it. Takes longer."""
        for secret in dict.fromkeys(self._plain):
            if len(secret) >= SECRET_BYTES_MIN:
                mark = self._fingerprints.mark(secret)
                self._needles += [_needle(form, mark) for form in sorted(_base64_forms(secret))]

    def mark(self, value: bytes) -> bytes:
        return self._fingerprints.mark(value)

    def cut(self, text: bytes) -> bytes:
        """The text with every secret in it replaced by its mark."""
        for needle in self._needles:
            if needle.text in text:
                text = text.replace(needle.text, needle.mark)
        return text

    def cut_field(self, found: re.Match[bytes], form: BodyForm) -> bytes:
        """A body field with its value cut; the value is a secret from now on."""
        value = found["value"]
        if not value or value.startswith(b"cut-"):
            return found[0]
        whole, start = found[0], found.start("value") - found.start()
        scheme = _SCHEME.match(value)
        skip = scheme.end() if scheme else 0
        secret = value[skip:]
        self.add((secret, unquote_to_bytes(secret)) if form is _FORM else (secret,))
        return whole[: start + skip] + self.mark(secret) + whole[start + len(value) :]

    def begins_at(self, text: bytes) -> int:
        """Where in the text a secret may have begun that does not end in it; its length if none has."""
        size = len(text)
        first = size
        for needle in self._needles:
            at = text.find(needle.head, size - needle.reach if size > needle.reach else 0)
            while at != -1 and at < first:
                if needle.text.startswith(text[at:]):
                    first = at
                    break
                at = text.find(needle.head, at + 1)
            if text.endswith(needle.starts):
                first = min(first, next(size - n for n in (3, 2, 1) if text.endswith(needle.text[:n])))
        return first


def cut_whole(text: bytes, secrets: Secrets, form: BodyForm) -> bytes:
    """
    All of one side, or the end of it. The beginning of a credential that never ends is cut too.

    The same as a `Cutter` that is fed and finished, for a text in one piece.
    """
    if form is _JSON:
        if _has_anchor(text):
            text = _cut_json(text, lambda found: secrets.cut_field(found, form))
            opened = _opened(text)
            if opened is not None:
                text = text[: opened.start()] + _open_marked(opened[0], secrets)
    elif form is _FORM:
        text = _FORM_FIELD.sub(lambda found: secrets.cut_field(found, form), text)
    text = secrets.cut(text)
    begun = secrets.begins_at(text)
    if len(text) - begun >= SECRET_BYTES_MIN:
        text = text[:begun] + secrets.mark(text[begun:])
    return text


class Cutter:
    """
    Cuts the bytes of one side as they pass. Feed all pieces in order, then `finish`.

    What comes out lags behind by no more than what may be the beginning of a credential. The client's
    bytes do not wait for it: this is for what goes to the journal.
    """

    __slots__ = ("_form", "_held", "_secrets", "_value_end", "cuts")

    dropped = 0  # nothing is left out, unlike of a body that is encoded

    def __init__(self, secrets: Secrets, form: BodyForm) -> None:
        self._secrets = secrets
        self._form = form
        self._held = b""
        self._value_end = b""  # of a value that was cut without knowing where it ends, while inside it
        self.cuts = 0  # how often something was cut

    @property
    def is_holding(self) -> bool:
        return bool(self._held or self._value_end)

    def feed(self, piece: bytes) -> bytes:
        """What may be written now."""
        text = self._held + piece if self._held else piece
        if self._form is _OTHER:
            text = self._cut_secrets(text)
            keep = self._secrets.begins_at(text)
            self._held = text[keep:]
            return text[:keep] if self._held else text
        if self._value_end:
            text = self._leave_value(text)
        if self._form is _FORM:
            keep = text.rfind(b"&") + 1
            ready = self._cut_secrets(_FORM_FIELD.sub(self._mark_field, text[:keep]))
        else:
            has_anchor = _has_anchor(text)
            if has_anchor:
                text = _cut_json(text, self._mark_field)
            text = self._cut_secrets(text)
            keep = min(self._secrets.begins_at(text), _name_begins_at(text))
            if has_anchor and (opened := _opened(text)) is not None:
                keep = min(keep, opened.start())
            ready = text[:keep]
        self._held = text[keep:]
        if len(self._held) > HELD_BYTES_MAX:
            return ready + self._give_up()
        return ready

    def finish(self, piece: bytes = b"") -> bytes:
        """The rest. The beginning of a credential that never ended is cut too."""
        text = self._held + piece if self._held else piece
        self._held = b""
        if self._value_end:
            text = self._leave_value(text)
            self._value_end = b""
        kept = cut_whole(text, self._secrets, self._form)
        if kept != text:
            self.cuts += 1
        return kept

    def _cut_secrets(self, text: bytes) -> bytes:
        kept = self._secrets.cut(text)
        if kept is not text:
            self.cuts += 1
        return kept

    def _mark_field(self, found: re.Match[bytes]) -> bytes:
        self.cuts += 1
        return self._secrets.cut_field(found, self._form)

    def _give_up(self) -> bytes:
        """A held value that is too long: its beginning is marked, the rest of it is thrown away."""
        held, self._held = self._held, b""
        self.cuts += 1
        if self._form is _JSON:
            if _is_group(held):
                self._value_end = b"}"
                return held[: held.index(b"{")] + b'{"cut":"' + self._secrets.mark(held) + b'"'
            self._value_end = b'"'
            return _open_marked(held, self._secrets)
        self._value_end = b"&"
        name, equals, value = held.partition(b"=")
        return name + equals + self._secrets.mark(value)

    def _leave_value(self, text: bytes) -> bytes:
        if self._value_end == b'"':
            end = _JSON_VALUE_END.match(text)
            if end is None:
                # A lone backslash at the end belongs to the byte that follows.
                self._held = b"\\" if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
                return b""
            at = end.end() - 1
        else:
            at = text.find(self._value_end)
            if at == -1:
                return b""
        self._value_end = b""
        return text[at:]


def _has_anchor(text: bytes) -> bool:
    """Whether a JSON text may hold a secret field: only then is the slow search worth it."""
    return bool(_ANCHORS.find_matches_as_indexes(text.lower()))


def _cut_json(text: bytes, mark: Callable[[re.Match[bytes]], bytes]) -> bytes:
    """The text with the value of each whole field marked, those in groups too."""
    text = _JSON_FIELD.sub(mark, text)
    return _GROUP.sub(lambda group: _GROUP_FIELD.sub(mark, group[0]), text)


def _opened(text: bytes) -> re.Match[bytes] | None:
    """The field or group at the text's end that does not end in it."""
    return _GROUP_OPEN.search(text) or _JSON_OPEN.search(text)


def _name_begins_at(text: bytes) -> int:
    """Where the name of a secret field may have begun that has no value yet, else the text's length."""
    size = len(text)
    last = text.rfind(b'"', max(0, size - _TAIL_BYTES))
    if last == -1:
        return size
    for quote in (text.rfind(b'"', max(0, size - _TAIL_BYTES), last), last):
        found = _JSON_TAIL.match(text, quote) if quote != -1 else None
        if found is not None and _may_be_name(found["name"].lower(), is_whole=found["rest"] is not None):
            return quote
    return size


def _may_be_name(name: bytes, *, is_whole: bool) -> bool:
    return not is_whole or _NAME.fullmatch(name) is not None


def _open_marked(field: bytes, secrets: Secrets) -> bytes:
    """An open field with what there is of its value marked; of a group, what is open in it."""
    if _is_group(field):
        value = _GROUP_VALUE_OPEN.search(field)
        if value is None:
            return field
        return field[: value.start()] + _open_marked(value[0], secrets)
    start = field.index(b'"', field.index(b":")) + 1
    return field[:start] + secrets.mark(field[start:])


def _is_group(field: bytes) -> bool:
    return field[field.index(b":") + 1 :].lstrip().startswith(b"{")


def _cut_subprotocols(value: bytes, fingerprints: Fingerprints) -> tuple[bytes, tuple[bytes, ...]]:
    """OpenAI's realtime clients in a browser send `openai-insecure-api-key.KEY` as a subprotocol."""
    kept, secrets = [], []
    for protocol in value.split(b","):
        name, dot, rest = protocol.strip().partition(b".")
        if dot and len(rest) >= SECRET_BYTES_MIN:
            secrets.append(rest)
            kept.append(name + dot + fingerprints.mark(rest))
        elif len(protocol.strip()) >= 2 * SECRET_BYTES_MIN:
            secrets.append(protocol.strip())
            kept.append(fingerprints.mark(protocol.strip()))
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
