"""
The gist of a message: what is left of it when clients and frameworks have rewritten it. No I/O.

Kept are who speaks, the text without any white space, names and parsed arguments of tool calls. Reasoning,
ids, `cache_control`, the order of fields, and whether a text stands as a string or in parts make no
difference. Read are the forms of OpenAI's chat and responses, Anthropic, Gemini and its interactions,
Bedrock, Ollama, Cohere, DashScope.

A message is parsed once: agents send the same ones again with every step, so gists are remembered,
CACHED_MAX of them (some 400 bytes each).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

# 63 bits, never negative: a hash of typed parts. Reaches the database, so what goes into it is a format.
Key = int

TEXT_CHARS_MIN = 32  # shorter texts are said by everybody; white space does not count
CACHED_MAX = 16_384

ASSISTANT = "assistant"
OPENING = "opening"  # system prompts, tools
OTHER = "other"

_ASSISTANTS = frozenset({"assistant", "model", "chatbot", "CHATBOT"})
_OPENERS = frozenset({"system", "developer"})
# Of Gemini, Anthropic, Bedrock, OpenAI, OpenRouter; then thoughts as they are, which few clients send back.
_SEALS = (
    *("thoughtSignature", "thought_signature", "signature", "encrypted_content", "redactedContent"),
    *("reasoning_content", "thinking"),
)
_SEALED = frozenset(_SEALS)
_SEAL_CHARS_MIN = 40
_BASE64 = str.maketrans("-_", "+/", "=")  # clients write it in either alphabet
_CONTENTS = ("content", "parts", "message")
_CALL_TYPES = frozenset({"tool_use", "function_call", "custom_tool_call"})
_RESULT_TYPES = frozenset(
    {"tool_result", "function_call_output", "custom_tool_call_output", "function_result"}
)
_THOUGHTS = frozenset({"reasoning", "thought"})
_ANSWER_TYPE = "model_output"  # a step of Gemini's interactions has no role
_UNSPOKEN_TYPES = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "item_reference", "compaction", "thought"}
)
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_OBSERVATION = "\nObservation:"
# How smolagents quotes a model's calls: in words, as Python writes a list of them. Code that a model wrote it
# quotes twice, as what was said, whose end may have been the model's stop word, and as a call of its own.
_QUOTED_CALLS = "Calling tools:\n[{'id': '"
_QUOTED_ID = re.compile(r"\{'id': '([^'\n]{1,128})', 'type': 'function', 'function': \{")
_QUOTED_CODE = re.compile(
    r"\nCalling tools:\n\[\{'id': '[^'\n]{1,128}', 'type': 'function', "
    r"'function': \{'name': 'python_interpreter', .*",
    re.DOTALL,
)
_CODE_END = "</code>"
# A stretch of an id that is long, or of some length with digits and letters in it.
_UNIQUE = re.compile(
    r"[A-Za-z0-9]{24}|(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{8}", re.ASCII
)


class Gist(NamedTuple):
    role: str  # ASSISTANT, OPENING, OTHER
    digest: bytes  # 16 bytes, b"" if nothing is said
    weight: int  # letters of text and arguments
    text: Key | None  # the text alone, if it has some length
    ids: tuple[Key, ...]  # of its tool calls, results and items, those that look like no other
    thought: Key | None = None  # the first thing that only its thoughts can hold: a signature, or their text
    deed: Key | None = None  # its tool calls alone, names and arguments, if they have some length

    @property
    def speaks(self) -> bool:
        """An assistant said something here."""
        return self.role == ASSISTANT and bool(self.digest)


def make_key(kind: bytes, *parts: bytes) -> Key:
    framed = b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return int.from_bytes(blake2b(framed, digest_size=8, person=kind).digest(), "big") >> 1


def squeeze(text: str) -> str:
    """A text without white space."""
    return "".join(text.split())


def text_key(text: str) -> Key | None:
    """Of a text of some length, whoever says it."""
    squeezed = squeeze(text)
    return _long_key(squeezed) if len(squeezed) >= TEXT_CHARS_MIN else None


def is_unique(provider_id: str) -> bool:
    """Whether an id looks like one that is never given again: `call_1`, `c0` and scrubbed ids do not."""
    return _UNIQUE.search(provider_id) is not None


# By Python's own hash, which is 64 bits and keyed anew in each process: nobody can make two meet.
_cached: dict[int, tuple[Gist, ...]] = {}


def read_gist(message: bytes) -> tuple[Gist, ...]:
    """
    The gists of one message in canonical JSON: one, or those of its items where it is a list of them.

    What is no message has none.
    """
    key = hash(message)
    gists = _cached.get(key)
    if gists is None:
        if len(_cached) >= CACHED_MAX:
            _cached.clear()
        gists = _cached[key] = _read(message)
    return gists


def _read(message: bytes) -> tuple[Gist, ...]:
    if message.startswith((b'{"tools":', b'{"functions":')):
        return (Gist(OPENING, blake2b(message, digest_size=16).digest(), 0, None, ()),)
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return ()
    items = value if isinstance(value, list) else [value]
    return tuple([_gist(part) for item in items if isinstance(item, dict) for part in _turns(item)])


def _turns(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    The message, in two where an agent that reasons in text (ReAct) wrote what its tool answered behind what
    the model had said. Source of the form: https://arxiv.org/abs/2210.03629
    """
    content = message.get("content")
    if message.get("role") == "assistant" and isinstance(content, str) and _OBSERVATION in content:
        said, mark, answered = content.partition(_OBSERVATION)
        yield message | {"content": said}
        yield {"role": "user", "content": mark + answered}
    else:
        yield message


def _gist(message: dict[str, Any]) -> Gist:
    said = _Said()
    role, kind = _word(message.get("role")), _word(message.get("type"))
    if kind in _CALL_TYPES:
        role = "assistant"
        said.add_call(message)
    elif kind in _RESULT_TYPES:
        said.add_result(message)
    elif kind in _THOUGHTS or (not role and kind.endswith("_call")):
        role = "assistant"  # reasoning, and what the provider's own tools did: quoted or left out
        said.add_thought(message)
    else:
        role = "assistant" if kind == _ANSWER_TYPE else role
        said.add_content(next((message[name] for name in _CONTENTS if name in message), None))
        said.add_beside(message)
    if isinstance(message.get("id"), str):
        said.add_id(message["id"])
    speaker = ASSISTANT if role in _ASSISTANTS else OPENING if role in _OPENERS else OTHER
    return said.gist(speaker)


class _Said:
    """What one message says, put together part by part."""

    __slots__ = ("_calls", "_ids", "_others", "_texts", "_thought")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: list[bytes] = []
        self._others: list[bytes] = []  # images and the like
        self._ids: list[str] = []
        self._thought: Key | None = None

    def add_thought(self, holder: dict[str, Any]) -> None:
        """Providers sign thoughts, or encrypt them; clients have to send that back as it was."""
        if _SEALED.isdisjoint(holder):
            return
        for field in _SEALS:
            seal = holder.get(field)
            if isinstance(seal, str) and len(seal) >= _SEAL_CHARS_MIN and self._thought is None:
                self._thought = make_key(
                    b"thought", squeeze(seal).translate(_BASE64).encode(errors="replace")
                )

    def add_content(self, content: Any) -> None:
        if isinstance(content, str):
            self._texts.append(content)
        elif isinstance(content, list):
            for part in content:
                self._add_part(part)
        elif isinstance(content, dict):
            self._add_part(content)

    def add_beside(self, message: dict[str, Any]) -> None:
        """Fields of a message beside its content."""
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self.add_call(call)
        if isinstance(message.get("function_call"), dict):
            self.add_call(message["function_call"])
        self.add_thought(message)
        details = message.get("reasoning_details")
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict):
                self.add_thought(detail)
        if isinstance(message.get("refusal"), str):
            self._texts.append(message["refusal"])
        if isinstance(message.get("tool_call_id"), str):
            self.add_id(message["tool_call_id"])

    def add_call(self, call: dict[str, Any]) -> None:
        function = call.get("function") or call.get("custom")
        if not isinstance(function, dict):
            function = call
        given = [function[name] for name in ("arguments", "input", "args") if function.get(name) is not None]
        arguments = given[0] if given else None
        name = str(function.get("name"))
        self._calls.append(orjson.dumps([name, _parsed(arguments)], option=orjson.OPT_SORT_KEYS))
        for field in ("call_id", "id", "toolUseId"):
            if isinstance(call.get(field), str):
                self.add_id(call[field])
                break

    def add_result(self, result: dict[str, Any]) -> None:
        for field in ("tool_use_id", "call_id", "toolUseId", "id"):
            if isinstance(result.get(field), str):
                self.add_id(result[field])
                break
        for field in ("output", "content", "response", "result"):
            value = result.get(field)
            if isinstance(value, dict):
                self._others.append(_canonical(value))
            else:
                self.add_content(value)

    def add_id(self, provider_id: str) -> None:
        if is_unique(provider_id):
            self._ids.append(provider_id)

    def _add_part(self, part: Any) -> None:
        if isinstance(part, str):
            self._texts.append(part)
            return
        if not isinstance(part, dict):
            return
        self.add_thought(part)
        reasoning = part.get("reasoningContent")
        if isinstance(reasoning, dict):
            text = reasoning.get("reasoningText")
            self.add_thought(text if isinstance(text, dict) else reasoning)
            return
        kind = _word(part.get("type"))
        # A cache point is Converse's `cache_control`: it moves on with every step.
        if kind in _UNSPOKEN_TYPES or part.get("thought") is True or "cachePoint" in part:
            return
        if kind in _CALL_TYPES:
            self.add_call(part)
        elif kind in _RESULT_TYPES:
            self.add_result(part)
        elif isinstance(call := part.get("functionCall") or part.get("toolUse"), dict):
            self.add_call(call)
        elif isinstance(result := part.get("functionResponse") or part.get("toolResult"), dict):
            self.add_result(result)
        elif isinstance(cited := part.get("citationsContent"), dict):
            self.add_content(cited.get("content"))
        elif isinstance(part.get("text"), str):
            self._texts.append(part["text"])
        elif isinstance(part.get("refusal"), str):
            self._texts.append(part["refusal"])
        elif part:
            self._others.append(_canonical({name: part[name] for name in part if name != "cache_control"}))

    def gist(self, role: str) -> Gist:
        text = "".join(self._texts)
        if role == ASSISTANT and _QUOTED_CALLS in text:
            for provider_id in _QUOTED_ID.findall(text):
                self.add_id(provider_id)
            text = _QUOTED_CODE.sub("", text)
        if role == ASSISTANT and "<" in text:
            text = _THOUGHT.sub("", text)
        text = quotable = squeeze(text)
        if role == ASSISTANT and not self._calls:
            # Clients write ReAct's labels anew, in front of what the model said and around its answer.
            text = text.removeprefix("Thought:").removesuffix(_CODE_END)
            quotable = text.rpartition("FinalAnswer:")[2]
        # What a provider's own tools did stands in a reply and is often left out where it is quoted.
        others = [] if role == ASSISTANT else self._others
        ids = tuple([make_key(b"id", provider_id.encode()) for provider_id in dict.fromkeys(self._ids)])
        encoded = text.encode(errors="replace")
        if not encoded and not self._calls and not others and role != OPENING:
            return Gist(role, b"", 0, None, ids, self._thought)
        pieces = b"\0".join((encoded, *self._calls, *others))
        return Gist(
            role,
            blake2b(pieces, digest_size=16, person=role.encode()).digest(),
            len(text) + sum(map(len, self._calls)),
            _long_key(quotable) if len(quotable) >= TEXT_CHARS_MIN and role != OPENING else None,
            ids,
            self._thought,
            _deed_key(self._calls) if role == ASSISTANT else None,
        )


def _deed_key(calls: list[bytes]) -> Key | None:
    return make_key(b"deed", *calls) if sum(map(len, calls)) >= TEXT_CHARS_MIN else None


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _long_key(squeezed: str) -> Key:
    return make_key(b"text", squeezed.encode(errors="replace"))


def _parsed(arguments: Any) -> Any:
    """Arguments as the value that they are, however they are written; None and an empty object are one."""
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return squeeze(arguments) or None
    return arguments or None


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
