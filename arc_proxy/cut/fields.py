"""Credentials in the fields of a body, by name: where they stand, whole or open. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable

from ahocorasick_rs import BytesAhoCorasick

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
GROUP_VALUE_OPEN = re.compile(rb'"' + _GROUP_FIELD_NAME + rb'"\s*:\s*"' + _TEXT + rb"\\?\Z", re.I | re.S)
_JSON_TAIL = re.compile(rb'"(?P<name>[A-Za-z0-9_-]{0,56})(?P<rest>"\s*(?::\s*)?)?\Z')
JSON_VALUE_END = re.compile(_TEXT + rb'"', re.S)
_TAIL_BYTES = 128

_FORM_NAMES = (
    b"client_secret|client_assertion|assertion|access_token|refresh_token|id_token|subject_token|"
    b"actor_token|token|code|code_verifier|device_code|password|api_key"
)
FORM_FIELD = re.compile(rb"(?:\A|(?<=&))(?P<name>" + _FORM_NAMES + rb")=(?P<value>[^&]+)", re.I)


def has_anchor(text: bytes) -> bool:
    """Whether a JSON text may hold a secret field: only then is the slow search worth it."""
    return bool(_ANCHORS.find_matches_as_indexes(text.lower()))


def cut_json(text: bytes, mark: Callable[[re.Match[bytes]], bytes]) -> bytes:
    """The text with the value of each whole field marked, those in groups too."""
    text = _JSON_FIELD.sub(mark, text)
    return _GROUP.sub(lambda group: _GROUP_FIELD.sub(mark, group[0]), text)


def opened(text: bytes) -> re.Match[bytes] | None:
    """The field or group at the text's end that does not end in it."""
    return _GROUP_OPEN.search(text) or _JSON_OPEN.search(text)


def name_begins_at(text: bytes) -> int:
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


def is_group(field: bytes) -> bool:
    return field[field.index(b":") + 1 :].lstrip().startswith(b"{")
