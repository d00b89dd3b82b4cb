"""
Ids that a model made up: arguments of tools that stand in nothing that it had read. Pure.

Models know ids from elsewhere than the messages: a paper's, a CVE's, or one that they make for a thing that
they create. So an id is called made up only where it also was wrong: the tool did not know it, or changed
what exists by it. That nothing was found by an id is no sign, as there may be nothing.

What a model may put together is no invention either: parts of a name with a number that it read, a date, the
next number of a row. Where something was read that is not in the captured text, nothing is claimed from there
on: a picture, a history that the provider keeps, a search of the provider's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.loop_failure import canonical_arguments
from analysis.tool_failure import Used
from analysis.tool_name import acts_on_existing, words_of
from analysis.tool_result import Verdict
from arc_proxy.call import Call, Captured, ToolCall

# Of a run's text: what is absent is searched for to its end, again for each id.
TEXT_BYTES_MAX = 4_000_000
VALUES_MAX = 100  # of one call
_ID_CHARACTERS = range(4, 65)
_PART_CHARACTERS_MIN = 4  # shorter ones are counters: step-1, camera_001
_NUMBER_DIGITS_MIN = 4  # of a number that a prefix may have been put in front of
_NEXT_MAX = 20  # so far apart are numbers of one row
_CLOCK_S = 2 * 366 * 86_400
_DEPTH_MAX = 4

_ID_WORDS = frozenset({"id", "ids", "uuid", "uuids", "guid", "guids", "sku", "skus"})
# Of these the one who calls makes the id.
_OWN_WORDS = frozenset(
    {"idempotency", "request", "correlation", "trace", "span", "client", "nonce", "external", "temp", "local"}
    | {"session", "thread", "conversation", "message", "event"}
)
_ID = re.compile(r"[#\w.:\-,]+", re.ASCII)
_DATE = re.compile(r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])(?:[T_-]?\d{4,6}Z?)?")
_NOT_FOUND = re.compile(
    r"not (?:be )?(?:found|known|valid|exist)|(?:n't|no longer) exist"
    r"|\bno (?:such|\w+ (?:found|with|matching))"
    r"|\b(?:unknown|invalid|nonexistent|non-existent|unrecognized|unrecognised|404)\b"
    r"|can(?:'t|not| not) find|could(?:n't| not) (?:be found|find)",
    re.I,
)
# Parameters by which a provider is told of text that the request does not have.
_HIDDEN_PARAMETERS = ("conversation", "cachedContent", "cached_content", "prompt")
# Of content that is no text here, or that the provider keeps. In canonical JSON these stand in no text.
_HIDDEN_SIGNS = (
    *(b"arc-media;type=", b'"image_url"', b'"type":"image"', b'"type":"document"', b'"type":"input_image"'),
    *(b'"type":"input_file"', b'"input_audio"', b'"inlineData"', b'"fileData"', b'"file_id"', b'"images":["'),
    *(
        b'_tool_result"',
        b'"type":"web_search_call"',
        b'"type":"file_search_call"',
        b'"code_interpreter_call"',
    ),
    *(b'"type":"item_reference"', b'"type":"compaction"'),
)
_ESCAPE = re.compile(rb"\\+(?:[nrtbf]|u[0-9a-f]{4})")
_TOKEN = re.compile(rb"[0-9a-z]+")
_NUMBER = re.compile(rb"\d+")
_PREFIXED = re.compile(rb"([a-z]{0,6})(\d+)")
_BESIDE_WORDS = bytes(byte for byte in range(256) if not (48 <= byte < 58 or 97 <= byte < 123))


class _Value(NamedTuple):
    parameter: str
    text: str


def ungrounded_failures(calls: Sequence[Call], uses: Iterable[Used]) -> Iterator[Failure]:
    """`calls`: the generations of one run, in order. Each id once, by the call that first gave it."""
    asked = {call.call_id: [(made, _ids(made)) for made in call.reply.tool_calls] for call in calls}
    if not any(ids for made in asked.values() for _, ids in made):
        return
    answered = {_key(used.use.call_id, used.use.name, used.use.arguments): used for used in uses}
    read = _Read()
    told: set[str] = set()
    for call in calls:
        read.add_request(call)
        if read.is_hidden:
            return
        for made, ids in asked[call.call_id]:
            used = answered.get(_key(made.id, made.name, made.arguments))
            if used is None or not _is_wrong(made.name, used):
                continue
            for each in ids:
                if each.text not in told and not read.grounds(each.text, call.started_ns // 10**9):
                    told.add(each.text)
                    yield _failure(call, made, each)
        read.add_reply(call)


def _key(call_id: str | None, name: str, arguments: str) -> tuple[str, ...]:
    return (call_id,) if call_id else (name, canonical_arguments(arguments))


def _is_wrong(name: str, used: Used) -> bool:
    """Whether the tool did not know what it was asked for, or changed what exists by it."""
    if used.read.verdict is Verdict.ERROR:
        return _NOT_FOUND.search(used.read.message) is not None
    return used.read.verdict is Verdict.ANSWER and acts_on_existing(name)


def _ids(made: ToolCall) -> list[_Value]:
    """What looks like an id, by its parameter's name and by itself."""
    try:
        arguments = json.loads(made.arguments or "{}")
    except (ValueError, RecursionError):
        return []
    found = [value for value in _values(arguments, "", 0) if _is_id(value)]
    return found[:VALUES_MAX]


def _values(value: Any, parameter: str, depth: int) -> Iterator[_Value]:
    match value:
        case dict() if depth < _DEPTH_MAX:
            for name, inner in value.items():
                yield from _values(inner, name, depth + 1)
        case list() if depth < _DEPTH_MAX:
            for inner in value[:VALUES_MAX]:
                yield from _values(inner, parameter, depth + 1)
        case str():
            yield _Value(parameter, value)
        case int() if not isinstance(value, bool):
            yield _Value(parameter, str(value))


def _is_id(value: _Value) -> bool:
    text, words = value.text, words_of(value.parameter)
    return (
        len(text) in _ID_CHARACTERS
        and bool(words)
        and words[-1] in _ID_WORDS
        and not _OWN_WORDS & set(words)
        and any(map(str.isdigit, text))
        and _ID.fullmatch(text) is not None
    )


@dataclass(slots=True)
class _Read:
    """What the model has read so far. `is_hidden`: there may be more than that."""

    is_hidden: bool = False
    _messages: list[bytes] = field(default_factory=list)
    _known: set[bytes] = field(default_factory=set)
    _letters: bytearray = field(default_factory=bytearray)  # and digits, in lower case, of all of it
    _responses: set[str] = field(default_factory=set)
    _tokens: tuple[int, frozenset[bytes], frozenset[bytes]] = (0, frozenset(), frozenset())

    def add_request(self, call: Call) -> None:
        parameters = call.prompt.parameters
        before = parameters.get("previous_response_id")
        self.is_hidden |= (
            call.captured is not Captured.FULL
            or (bool(before) and before not in self._responses)
            or any(parameters.get(name) for name in _HIDDEN_PARAMETERS)
        )
        for message in call.prompt.messages:
            self._add(message)

    def add_reply(self, call: Call) -> None:
        self.is_hidden |= bool(call.reply.server_tools)
        if call.reply.response_id:
            self._responses.add(call.reply.response_id)
        if call.reply.message is not None:
            self._add(call.reply.message)

    def _add(self, message: bytes) -> None:
        if message in self._known or self.is_hidden:
            return
        self._known.add(message)
        self._messages.append(message)
        self._letters += _letters(message)
        is_unread = len(self._letters) > TEXT_BYTES_MAX or any(sign in message for sign in _HIDDEN_SIGNS)
        self.is_hidden |= is_unread

    def grounds(self, value: str, now_s: int) -> bool:
        """Whether it was read, or can be made of what was read."""
        if _letters(value.encode()) in self._letters:
            return True
        undated = _DATE.sub("", value)
        parts = [part for part in _TOKEN.findall(undated.lower().encode()) if _NUMBER.search(part)]
        return all(len(part) < _PART_CHARACTERS_MIN or self._grounds_part(part, now_s) for part in parts)

    def _grounds_part(self, part: bytes, now_s: int) -> bool:
        tokens, numbers = self._read_tokens()
        if part in tokens or _is_clock(part, now_s):
            return True
        prefixed = _PREFIXED.fullmatch(part)
        if prefixed is None or len(prefixed[2]) < _NUMBER_DIGITS_MIN:
            return False
        digits = prefixed[2]
        bare = digits.lstrip(b"0")
        if digits in numbers or (len(bare) >= _NUMBER_DIGITS_MIN and bare in numbers):
            return True
        number = int(digits)
        around = range(max(0, number - _NEXT_MAX), number + _NEXT_MAX + 1)
        return any(b"%0*d" % (len(digits), other) in numbers for other in around)

    def _read_tokens(self) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Words and numbers of all that was read; made where a value is found nowhere, which is seldom."""
        count, tokens, numbers = self._tokens
        if count != len(self._messages):
            texts = [_ESCAPE.sub(b" ", message.lower()) for message in self._messages[count:]]
            tokens = tokens.union(*map(_TOKEN.findall, texts))
            numbers = numbers.union(*map(_NUMBER.findall, texts))
            self._tokens = (len(self._messages), tokens, numbers)
        return tokens, numbers


def _letters(text: bytes) -> bytes:
    return text.lower().translate(None, _BESIDE_WORDS)


def _is_clock(part: bytes, now_s: int) -> bool:
    """Unix time of about now, in seconds, milliseconds or finer."""
    return part.isdigit() and any(
        abs(int(part) // unit - now_s) < _CLOCK_S for unit in (1, 10**3, 10**6, 10**9)
    )


_SAID = re.compile(r"(.{1,200}?) (\S+) stands in no message before ", re.DOTALL)


def made_up(failure: Failure) -> dict[str, str]:
    """Parameter and value of a failure as it is told here, as facts of `analysis.fixes.observed`."""
    found = _SAID.match(failure.evidence)
    return {"parameter": found[1], "value": found[2]} if found else {}


def _failure(call: Call, made: ToolCall, value: _Value) -> Failure:
    said = f"{value.parameter} {value.text} stands in no message before {made.name}({made.arguments})"
    return Failure(
        FailureCode.TOOL_ARGS_UNGROUNDED,
        said[:EVIDENCE_CHARACTERS_MAX],
        f"reply.tool_calls.arguments[{json.dumps(value.parameter)}]",
        call_id=call.call_id,
        tool_call_id=made.id,
        subject=made.name,
        cause=value.parameter,
    )
