"""
Which framework, SDK or program made a request, and which one a run is of. No I/O.

The name is a word in lower case: "langgraph", "claude-code", "openai-python", "curl"; what each looks like
stands in `signatures`. One request often shows several at once (LangGraph over LangChain over OpenAI's SDK):
the most specific one counts, and of a run's calls the most specific one again, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from arc_proxy.call import Prompt
from arc_proxy.runs.signatures import FRAMEWORKS, HTTP_CLIENTS, PROGRAMS, SDKS, SIGNATURES, Signature

# Header name in lower case -> its first value.
Fields = Mapping[bytes, bytes]

# A framework's own words stand at the beginning; what comes later is the user's.
_SYSTEM_BYTES_MAX = 4096
_TOOLS_BYTES_MAX = 16 * 1024
_FIRST_BYTES_MAX = 4096
_END_BYTES = 200  # a message's role and name stand among its last keys, and ADK's own words end the prompt
_VALUE_BYTES_MAX = 256
_LEADING_MAX = 4  # system and developer messages in front that are looked at

_ORDER = {name: place for place, name in enumerate((*PROGRAMS, *FRAMEWORKS, *SDKS, *HTTP_CLIENTS))}
_CLIENTS = frozenset(SDKS) | frozenset(HTTP_CLIENTS)
_TOLD_ELSEWHERE = -1  # a name that no table has was given by somebody who knows
_FIELDS = tuple(sorted({name for signature in SIGNATURES for name in signature.fields}))
_PARAMETERS = tuple(sorted({name for signature in SIGNATURES for name in signature.parameters}))


class Opening(NamedTuple):
    """
    What stands before the conversation, and its first message, as in `Prompt.messages`.

    `tools` is b"" where there are none.
    """

    tools: bytes
    system: tuple[bytes, ...]
    first: bytes


def read_fields(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Of a header that was sent twice the first value."""
    return {name.lower(): value for name, value in reversed(headers)}


def read_opening(prompt: Prompt) -> Opening:
    messages = prompt.messages
    place = 0
    tools = b""
    if messages and messages[0].startswith((b'{"tools":', b'{"functions":')):
        tools, place = messages[0], 1
    system = place
    while system < min(len(messages), place + _LEADING_MAX) and is_system(messages[system]):
        system += 1
    first = messages[system] if system < len(messages) else b""
    return Opening(tools, messages[place:system], first)


def is_system(message: bytes) -> bool:
    """Of a system or developer message the role stands outside of any text, so its quotes are bare."""
    end = message[-_END_BYTES:]
    return b'"role":"system"' in end or b'"role":"developer"' in end


def detect_framework(fields: Fields, opening: Opening, parameters: Mapping[str, Any]) -> str | None:
    """`parameters`: a request's body beside messages and tools. None: it shows nothing that we know."""
    return _detect(
        fields.get(b"user-agent", b"")[:_VALUE_BYTES_MAX],
        tuple([value and value[:_VALUE_BYTES_MAX] for value in map(fields.get, _FIELDS)]),
        tuple([_number(parameters.get(name)) for name in _PARAMETERS]),
        _ends(b"\n".join(opening.system), _SYSTEM_BYTES_MAX),
        opening.tools[:_TOOLS_BYTES_MAX],
        _ends(opening.first, _FIRST_BYTES_MAX),
    )


def more_specific(one: str | None, other: str | None) -> str | None:
    """
    Which of two frameworks a run with both is of.

    Commutative and associative, so a run's framework does not depend on the order of its calls. A name that
    no table has beats those that we detect; of two such names the one that sorts first counts.
    """
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda name: (_ORDER.get(name, _TOLD_ELSEWHERE), name))


def is_client(framework: str) -> bool:
    """An SDK or an HTTP client: it says how the call was made, and nothing of the agent that made it."""
    return framework in _CLIENTS


def _ends(text: bytes, bytes_max: int) -> bytes:
    """Its beginning and, of a longer one, its last bytes."""
    return text if len(text) <= bytes_max else text[:bytes_max] + b"\n" + text[-_END_BYTES:]


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


@lru_cache(maxsize=512)
def _detect(
    user_agent: bytes,
    values: tuple[bytes | None, ...],
    parameters: tuple[float | None, ...],
    system: bytes,
    tools: bytes,
    first: bytes,
) -> str | None:
    """The same opening comes again with every step, so nearly all calls are answered from memory."""
    fields = dict(zip(_FIELDS, values, strict=True))
    asked = dict(zip(_PARAMETERS, parameters, strict=True))
    for signature in _candidates(user_agent):
        if (
            (not signature.system or signature.system in system)
            and (not signature.tools or signature.tools in tools)
            and (not signature.first or signature.first in first)
            and all(asked[name] == value for name, value in signature.parameters.items())
            and _has_fields(signature, fields)
        ):
            return signature.framework
    return None


@lru_cache(maxsize=512)
def _candidates(user_agent: bytes) -> tuple[Signature, ...]:
    """Signatures that this user agent leaves open, the most specific first, up to one that surely holds."""
    possible = [
        each for each in _MOST_SPECIFIC_FIRST if not each.user_agent or each.user_agent.search(user_agent)
    ]
    certain = (place for place, each in enumerate(possible) if each.is_told_by_user_agent)
    return tuple(possible[: next(certain, len(possible)) + 1])


def _has_fields(signature: Signature, fields: Mapping[bytes, bytes | None]) -> bool:
    for name, pattern in signature.fields.items():
        value = fields[name]
        if (value is None) != (pattern is None):
            return False
        if pattern is not None and value is not None and not pattern.fullmatch(value):
            return False
    return True


_MOST_SPECIFIC_FIRST = tuple(sorted(SIGNATURES, key=lambda signature: _ORDER[signature.framework]))
