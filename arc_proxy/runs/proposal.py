"""
Names for what the caller did not name: the agent, and which version of it ran. No I/O.

The agent is called by its framework ("langgraph", "claude-code"). Where only an SDK shows, it is `agent-` and
six digits of a hash of the names of its tools and of its system prompt; a call with neither is called by its
SDK or HTTP client. A name given by `arc-proxy run`, a header or a prefix comes before all of these.

The version is `v-` and eight digits of a hash of system prompt, tools, model and sampling parameters. A
program that says its own version ("2.1.197" of Claude Code) has that one: its prompts, tools and models
change from folder to folder and from step to step, and nobody who uses it wrote them.

Prompts are often written anew for each run, with the date, an id or a count in them. So in both hashes
digits, UUIDs (with dashes or without), the English names of months and weekdays, and AM and PM do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from arc_proxy.call import Prompt
from arc_proxy.runs.framework import Opening, is_client
from arc_proxy.runs.signatures import PROGRAMS

# How an agent begins says who it is; what follows is often context that a run put there.
_NAME_BYTES_MAX = 4096
# Longer texts are hashed as they stand: normalising 20 KB takes half a millisecond.
_NORMAL_BYTES_MAX = 64 * 1024
_PARAMETERS = (
    "frequency_penalty",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "stop",
    "stop_sequences",
    "temperature",
    "text",
    "thinking",
    "top_k",
    "top_p",
    "verbosity",
)
_SAY_VERSION = frozenset(PROGRAMS) - {"aider", "cline"}  # these send the user agent of their SDK
_PROGRAM_VERSION = re.compile(rb"[A-Za-z_-]+/(\d[\w.+-]{0,39})")
_TOOL_NAME = re.compile(rb'"name":"([^"\\]{1,200})"')
_DIGITS = b"0123456789"
_UUID_FROM_DASH = re.compile(rb"-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_UUID_HEAD = 8  # hexadecimal digits before the first dash
_BARE_UUID = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])")
_CALENDAR = re.compile(
    rb"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    rb"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|Mon(?:day)?|Tue(?:s|sday)?|Wed(?:nesday)?|Thu(?:rs|rsday)?"
    rb"|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?|AM|PM)\b"
)
_MADE_UP = re.compile(r"v-[0-9a-f]{8}")


def propose_agent(framework: str | None, opening: Opening, auxiliary: str | None) -> str | None:
    """
    None: the call shows nothing to call it by.

    `auxiliary` as of the call, None for a step. The prompt of a call on the side says nothing of the agent,
    but its program's name does, and a title may well be the first call of a run.
    """
    if framework is not None and not is_client(framework):
        return framework
    if auxiliary is not None:
        return None
    if not opening.system and not opening.tools:
        return framework
    return _name(opening.tools, b"\n".join(opening.system)[:_NAME_BYTES_MAX])


@lru_cache(maxsize=256)
def _name(tools: bytes, system: bytes) -> str:
    names = sorted(set(_TOOL_NAME.findall(tools)))
    return f"agent-{_digest(*names, _normal_digest(system))[:6]}"


def propose_version(framework: str | None, user_agent: bytes, prompt: Prompt, opening: Opening) -> str | None:
    """For a generation that is a step of its agent. None: there is no prompt that could have versions."""
    if framework in _SAY_VERSION and (said := _PROGRAM_VERSION.match(user_agent)):
        return said[1].decode()
    if not prompt.messages:
        return None
    sampling = {name: prompt.parameters[name] for name in _PARAMETERS if name in prompt.parameters}
    return _version(opening.tools, b"\n".join(opening.system), prompt.model or "", _canonical(sampling))


def is_made_up(version: str) -> bool:
    """Whether a version is one of ours, made of prompt, tools, model and parameters, as nobody named any."""
    return bool(_MADE_UP.fullmatch(version))


@lru_cache(maxsize=256)
def _version(tools: bytes, system: bytes, model: str, sampling: bytes) -> str:
    key = _digest(
        tools,
        _normal_digest(system[:_NORMAL_BYTES_MAX]),
        system[_NORMAL_BYTES_MAX:],
        model.encode(errors="replace"),
        sampling,
    )
    return f"v-{key[:8]}"


def normal(text: bytes) -> bytes:
    """The text without what changes from run to run while the prompt stays the same."""
    if b"-" in text:
        pieces, rest = [], 0
        for found in _UUID_FROM_DASH.finditer(text):
            pieces.append(text[rest : max(rest, found.start() - _UUID_HEAD)])
            rest = found.end()
        text = b"".join((*pieces, text[rest:]))
    text = _CALENDAR.sub(b"", _BARE_UUID.sub(b"", text))
    return text.translate(None, _DIGITS)


@lru_cache(maxsize=256)
def _normal_digest(text: bytes) -> bytes:
    return _digest(normal(text)).encode()


def _digest(*parts: bytes) -> str:
    framed = b"".join([len(part).to_bytes(8, "little") + part for part in parts])
    return hashlib.blake2b(framed, digest_size=8).hexdigest()


def _canonical(parameters: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS) if parameters else b""
    except orjson.JSONEncodeError:  # nested too deep, or a number beyond 64 bits
        return b""
