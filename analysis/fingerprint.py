"""
What tells issues apart: the code, the agent, what it is about, and the message without what varies. Pure.

The order of preference is Sentry's, https://docs.sentry.io/concepts/data-management/event-grouping/: an
exception's type and place where there is one, else the normalised message. `VERSION` is part of each
fingerprint: a change of these rules makes new issues instead of mixing old ones.
"""

from __future__ import annotations

import hashlib
import re

from analysis.failure import Failure, FailureCode

VERSION = 1
CAUSE_CHARACTERS_MAX = 160

# What is told of the same trouble: one issue, by the worst of its codes.
_FAMILIES = {
    FailureCode.TOOL_ERROR_REPEATED: FailureCode.TOOL_ERROR,
    FailureCode.TOOL_ERROR_CONSECUTIVE: FailureCode.TOOL_ERROR,
    FailureCode.TOOL_ERROR_UNRECOVERED: FailureCode.TOOL_ERROR,
}

# In this order: what a later one would cut apart is taken by an earlier one.
_VARYING = (
    (re.compile(r"https?://[^\s\"'<>)\]]+"), "<url>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "<email>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<date>"),
    (re.compile(r"(?<![\w/])(?:[A-Za-z]:\\|~?/)[\w.\-\\/]*[\w\-]"), "<path>"),
    (re.compile(r"\"[^\"]{1,200}\"|'[^']{1,200}'|`[^`]{1,200}`|“[^”]{1,200}”"), "<text>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{6,}\b"), "<id>"),
    (re.compile(r"#?\b\d+(?:[.,]\d+)*\b%?"), "<n>"),
)
# Words in quotes that are the trouble itself: a key, a column, a module.
_KEPT = re.compile(r"\b(?:(?:Key|Name|Attribute|ModuleNotFound|Import|Type)Error|no such (?:column|table))\b")
_SPACE = re.compile(r"\s+")


def normalised(cause: str) -> str:
    """The first line of a message, what varies from one time to the next replaced, 160 characters at most."""
    line = next((line for line in cause.splitlines() if line.strip()), "")[:1000]
    names_it = _KEPT.search(line)
    for pattern, word in _VARYING:
        if not (names_it and word == "<text>"):
            line = pattern.sub(word, line)
    return _SPACE.sub(" ", line).strip()[:CAUSE_CHARACTERS_MAX]


def family(failure: Failure) -> FailureCode:
    """The code that its issue goes by."""
    code = failure.follows or failure.code
    return _FAMILIES.get(code, code)


def fingerprint(failure: Failure, agent: str | None) -> str:
    """16 hexadecimal digits; the same for the same trouble of the same agent."""
    parts = (str(VERSION), family(failure), agent or "", failure.subject, normalised(failure.cause))
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]
