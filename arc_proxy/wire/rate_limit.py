"""
Rate limits and quotas, as response headers state them. No I/O.

    x-ratelimit-{limit,remaining,reset}-requests|tokens|project-tokens|...   OpenAI, Azure, Groq, Portkey
    x-ratelimit-{limit,remaining,reset}-tokens-minute|requests-day|...       Mistral, Cerebras, Hugging Face
    anthropic-ratelimit-{requests,tokens,...}-{limit,remaining,reset}        Anthropic, by key
    anthropic-ratelimit-unified-{5h,7d,...}-{utilization,reset,status}       Anthropic, by subscription
    x-codex-{primary,secondary}-{used-percent,window-minutes,reset-at,reset-after-seconds}   ChatGPT plans
    ratelimit-{limit,remaining,reset}, x-ratelimit-..., ratelimitbysize-...  drafts of IETF until 06, and kin
    ratelimit: "name";r=50;t=30 with ratelimit-policy: "name";q=100;w=60     drafts of IETF from 08

A reset is a duration ("6m0s", "88ms"), seconds from now ("19", "20458.8"), Unix time in seconds or in
milliseconds, or RFC 3339: which one of them shows by its form and its size. What is anything else, such as
a value that a recorder has blotted out, is not read.

Sources: https://platform.openai.com/docs/guides/rate-limits, https://docs.claude.com/en/api/rate-limits,
https://console.groq.com/docs/rate-limits,
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/; the subscriptions' are documented
nowhere and read as Claude Code and Codex read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from arc_proxy.limit import Limit

LIMITS_MAX = 32  # of one response
VALUE_CHARACTERS_MAX = 400
# Hugging Face says 2**63 where there is no limit.
NUMBER_MAX = 2**53

_SECOND_NS = 10**9
# Seconds from now are below it (three years), Unix times above, and in milliseconds from a thousand times up.
_UNIX_MIN = 10**8
_RESET_NS_MAX = 40 * 86_400 * 10**9  # a month is the longest that is known
_UNIX_MS_MIN = 10**11

_SPANS = frozenset({"second", "minute", "hour", "day", "month"})
_UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,20})?", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|us|µs|ns|d|h|m|s)){1,6}", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)

_ANTHROPIC = re.compile(r"anthropic-ratelimit-(?!unified)([a-z-]{1,40})-(limit|remaining|reset)")
_UNIFIED = re.compile(r"anthropic-ratelimit-unified-(\d[a-z0-9_]{0,20})-(utilization|reset|status)")
_CODEX = re.compile(r"x-codex-(primary|secondary)-(used-percent|window-minutes|reset-at|reset-after-seconds)")
_PLAIN = re.compile(r"(?:x-)?ratelimit(bysize)?-(limit|remaining|reset)(?:-([a-z-]{1,40}))?")
_ITEM = re.compile(r'"([^"]{1,60})"((?:\s*;\s*[a-z]{1,10}=[^;,"]{1,30})*)', re.ASCII)
_PARAMETER = re.compile(r"([a-z]+)=(\d{1,15})", re.ASCII)

_Fields = dict[str, str]


def read_limits(headers: Iterable[tuple[str, str]], at_ns: int) -> tuple[Limit, ...]:
    """
    What a response says of limits, in the order of its headers; empty where it says nothing.

    `at_ns`: when it came, Unix time. Never raises, whatever the headers are.
    """
    stated: dict[tuple[str, str], _Fields] = {}
    for header, value in headers:
        name = header.lower()
        if "ratelimit" not in name and not name.startswith("x-codex-"):
            continue
        if len(value) <= VALUE_CHARACTERS_MAX:
            _sort(name, value.strip(), stated)
    limits = (_limit(family, subject, said, at_ns) for (family, subject), said in stated.items())
    return tuple(limit for limit in limits if limit is not None)[:LIMITS_MAX]


def _sort(name: str, value: str, stated: dict[tuple[str, str], _Fields]) -> None:
    """Put one header with those that speak of the same limit."""
    if found := _UNIFIED.fullmatch(name):
        stated.setdefault(("unified", found[1]), {})[found[2]] = value
    elif found := _ANTHROPIC.fullmatch(name):
        stated.setdefault(("counted", found[1]), {})[found[2]] = value
    elif found := _CODEX.fullmatch(name):
        stated.setdefault(("codex", found[1]), {})[found[2]] = value
    elif found := _PLAIN.fullmatch(name):
        family = "sized" if found[1] else "counted"
        stated.setdefault((family, found[3] or ""), {})[found[2]] = value
    elif name in ("ratelimit", "ratelimit-policy"):
        for title, parameters in _ITEM.findall(value):
            fields = dict(_PARAMETER.findall(parameters))
            stated.setdefault(("draft", title), {}).update(fields)


def _limit(family: str, subject: str, said: Mapping[str, str], at_ns: int) -> Limit | None:
    match family:
        case "unified":
            used = _number(said.get("utilization"))
            if said.get("status") == "rejected":
                used = 1.0
            return _of_share(f"{subject.replace('_', ' ')} window", used, said.get("reset"), at_ns)
        case "codex":
            percent = _number(said.get("used-percent"))
            minutes = _number(said.get("window-minutes")) or 0
            reset = said.get("reset-at") or said.get("reset-after-seconds")
            window = _window_words(minutes) or subject
            return _of_share(f"{window} window", percent and percent / 100, reset, at_ns)
        case "draft":
            whole, left, seconds = said.get("q"), said.get("r"), said.get("t")
            return _counted(subject, whole, left, seconds, at_ns)
    name = _subject_words(subject) or "calls"
    if family == "sized":
        name = f"tokens {name}" if subject else "tokens by size"
    return _counted(name, said.get("limit"), said.get("remaining"), said.get("reset"), at_ns)


def _of_share(name: str, used: float | None, reset: str | None, at_ns: int) -> Limit | None:
    if used is None:
        return None
    return Limit(name=name, as_of_ns=at_ns, used=used, resets_ns=_moment(reset, at_ns), is_of_model=False)


def _counted(
    name: str, whole: str | None, remaining: str | None, reset: str | None, at_ns: int
) -> Limit | None:
    left = _number(remaining)
    if left is None:
        return None
    limit = _number(whole)
    # Where a burst is allowed, more may remain than the limit.
    used = 1 - left / limit if limit and left <= limit else None
    return Limit(name=name, as_of_ns=at_ns, remaining=left, used=used, resets_ns=_moment(reset, at_ns))


def _subject_words(subject: str) -> str:
    """`tokens a minute` of "tokens-minute", `input tokens` of "input-tokens"."""
    words = ["requests" if word == "req" else word for word in subject.split("-") if word]
    if words and words[-1] in _SPANS:
        return " ".join([*words[:-1], "an" if words[-1] == "hour" else "a", words[-1]])
    return " ".join(words)


def _window_words(minutes: float) -> str:
    """`5h` of 300, `7d` of 10,080; "" of what is neither."""
    for size, unit in ((1440, "d"), (60, "h"), (1, "m")):
        if minutes >= size and minutes % size == 0:
            return f"{minutes // size:.0f}{unit}"
    return ""


def _number(text: str | None) -> float | None:
    """A count or a share; None for what is none, or too large to be a limit."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if number < NUMBER_MAX else None


def _moment(text: str | None, at_ns: int) -> int | None:
    """Unix time in nanoseconds, of any form of a reset; None for one that no window is as long as."""
    moment = _any_moment(text, at_ns)
    return moment if moment is not None and abs(moment - at_ns) <= _RESET_NS_MAX else None


def _any_moment(text: str | None, at_ns: int) -> int | None:
    if not text:
        return None
    number = _number(text)
    if number is not None:
        if number >= _UNIX_MS_MIN:
            return round(number * 1_000_000)
        return round(number * _SECOND_NS) + (0 if number >= _UNIX_MIN else at_ns)
    if _DURATION.fullmatch(text):
        seconds = sum(float(size) * _UNITS_S[unit] for size, unit in _DURATION_PART.findall(text))
        return at_ns + round(seconds * _SECOND_NS)
    try:
        moment = datetime.fromisoformat(text)
        # A day alone is no moment, and one without a zone is nobody's.
        return None if moment.tzinfo is None else round(moment.astimezone(UTC).timestamp()) * _SECOND_NS
    except (ValueError, OverflowError):  # the latter at both ends of what a date can be
        return None
