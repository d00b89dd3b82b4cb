"""Rate limits and quotas, in the forms that providers state them in."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.limit import Limit
from arc_proxy.wire.rate_limit import read_limits

S = 10**9
AT_NS = 1_790_000_000 * S


def limit(
    name: str, remaining: float | None, used: float | None, resets_s: float | None, **more: Any
) -> Limit:
    resets_ns = None if resets_s is None else AT_NS + round(resets_s * S)
    return Limit(name=name, as_of_ns=AT_NS, remaining=remaining, used=used, resets_ns=resets_ns, **more)


CASES: dict[str, tuple[dict[str, str], list[Limit]]] = {
    "OpenAI counts requests and tokens, and says how long until all is there again": (
        {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-requests": "7500",
            "x-ratelimit-remaining-tokens": "50000",
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-reset-tokens": "88ms",
        },
        [limit("requests", 7500, 0.25, 360), limit("tokens", 50_000, 0.75, 0.088)],
    ),
    "Groq's durations have fractions": (
        {
            "x-ratelimit-limit-requests": "100",
            "x-ratelimit-remaining-requests": "50",
            "x-ratelimit-reset-requests": "1m22.824s",
        },
        [limit("requests", 50, 0.5, 82.824)],
    ),
    "Anthropic gives the moment": (
        {
            "anthropic-ratelimit-input-tokens-limit": "2000000",
            "anthropic-ratelimit-input-tokens-remaining": "500000",
            "anthropic-ratelimit-input-tokens-reset": datetime.fromtimestamp(1_790_000_012, UTC)
            .isoformat()
            .replace("+00:00", "Z"),
        },
        [limit("input tokens", 500_000, 0.75, 12)],
    ),
    "a subscription of Anthropic has windows for the whole account": (
        {
            "anthropic-ratelimit-unified-status": "allowed_warning",
            "anthropic-ratelimit-unified-reset": "1790003600",
            "anthropic-ratelimit-unified-5h-status": "allowed_warning",
            "anthropic-ratelimit-unified-5h-utilization": "0.91",
            "anthropic-ratelimit-unified-5h-reset": "1790003600",
            "anthropic-ratelimit-unified-7d_oi-utilization": "0.4",
            "anthropic-ratelimit-unified-overage-utilization": "0.0",
        },
        [
            limit("5h window", None, 0.91, 3600, is_of_model=False),
            limit("7d oi window", None, 0.4, None, is_of_model=False),
        ],
    ),
    "a window that refuses is used up": (
        {
            "anthropic-ratelimit-unified-5h-status": "rejected",
            "anthropic-ratelimit-unified-5h-reset": "2026-09-21T15:13:20Z",
        },
        [limit("5h window", None, 1.0, 3600, is_of_model=False)],
    ),
    "a plan of ChatGPT counts in per cent": (
        {
            "x-codex-primary-used-percent": "42.5",
            "x-codex-primary-window-minutes": "300",
            "x-codex-primary-reset-after-seconds": "600",
            "x-codex-secondary-used-percent": "13",
            "x-codex-secondary-window-minutes": "10080",
            "x-codex-secondary-reset-at": "1790003600",
            "x-codex-credits-balance": "12",
        },
        [
            limit("5h window", None, 0.425, 600, is_of_model=False),
            limit("7d window", None, 0.13, 3600, is_of_model=False),
        ],
    ),
    "Cerebras says seconds, with many digits": (
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-remaining-requests-day": "7200",
            "x-ratelimit-reset-requests-day": "20458.5",
        },
        [limit("requests a day", 7200, 0.5, 20458.5)],
    ),
    "Mistral says nothing of when": (
        {"x-ratelimit-limit-req-minute": "60", "x-ratelimit-remaining-req-minute": "45"},
        [limit("requests a minute", 45, 0.25, None)],
    ),
    "Mistral by size": (
        {
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "375000",
            "ratelimitbysize-reset": "19",
            "x-ratelimitbysize-limit-month": "1000",
            "x-ratelimitbysize-remaining-month": "500",
        },
        [limit("tokens by size", 375_000, 0.25, 19), limit("tokens a month", 500, 0.5, None)],
    ),
    "OpenRouter's moment is in milliseconds": (
        {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000060000"},
        [limit("calls", 0, 1.0, 60)],
    ),
    "Azure says what remains and not of how much": (
        {"x-ratelimit-remaining-tokens": "239999"},
        [limit("tokens", 239_999, None, None)],
    ),
    "the draft's structured fields": (
        {"ratelimit-policy": '"burst";q=100;w=60, "day";q=1000;w=86400', "ratelimit": '"burst";r=50;t=30'},
        [limit("burst", 50, 0.5, 30)],
    ),
    "a burst that is allowed makes no share": (
        {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "19", "x-ratelimit-reset": "2"},
        [limit("calls", 19, None, 2)],
    ),
    "2**63 is no limit": ({"x-ratelimit-remaining-tokens-day": "9223372036854767616"}, []),
    "a recorder has blotted it out": (
        {"x-ratelimit-limit-tokens": "REDACTED", "x-ratelimit-remaining-tokens": "X-RATELIMIT-XXX"},
        [],
    ),
    "a moment without a zone, or that is none, is not known": (
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "2026-09-21T15:13:20"},
        [limit("calls", 5, None, None)],
    ),
    "a moment before the first, or after the last, is not known": (
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "0001-01-01T00:00:00+01:00"},
        [limit("calls", 5, None, None)],
    ),
    "a moment after the last": (
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "9999-12-31T23:59:59-01:00"},
        [limit("calls", 5, None, None)],
    ),
    "a reset in a hundred thousand years is none": (
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "9007199254740000"},
        [limit("calls", 5, None, None)],
    ),
    "names in any case": ({"X-RateLimit-Remaining-Requests": " 5 "}, [limit("requests", 5, None, None)]),
    "no limits": ({"content-type": "application/json", "retry-after": "5"}, []),
}


@pytest.mark.parametrize(("headers", "limits"), CASES.values(), ids=CASES)
def test_reads(headers: dict[str, str], limits: list[Limit]) -> None:
    assert list(read_limits(headers.items(), AT_NS)) == limits


names = st.sampled_from([name for headers, _ in CASES.values() for name in headers]) | st.text()
values = (
    st.text()
    | st.from_regex(r"[0-9]{1,25}(\.[0-9]+)?(ms|s|m|h)?", fullmatch=True)
    | st.sampled_from([value for headers, _ in CASES.values() for value in headers.values()])
    | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
)


@given(st.lists(st.tuples(names, values)), st.integers(0, 2**62))
def test_any_headers_give_shares_and_nothing_raises(headers: list[tuple[str, str]], at_ns: int) -> None:
    for each in read_limits(headers, at_ns):
        assert each.left is not None
        assert each.left >= 0
        assert each.used is None or each.used >= 0


@pytest.mark.corpus
def test_recorded_limits_are_read(shared: Path) -> None:
    """Every header of a limit with a number in it is part of what is read; the others are blotted out."""
    found: Counter[str] = Counter()
    read, exchanges = Counter[str](), 0
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        for line in lines:
            exchange = json.loads(line)
            headers = exchange["response_headers"] or {}
            remaining = {
                name: value
                for name, value in headers.items()
                if "ratelimit" in name and "remaining" in name and value.isdigit() and int(value) < 2**53
            }
            limits = read_limits(headers.items(), AT_NS)
            assert len(limits) == len(remaining), (exchange["id"], headers)
            exchanges += bool(limits)
            for each in limits:
                found[each.name] += 1
                read["with a share"] += each.used is not None
                read["with a reset"] += each.resets_ns is not None
    print(f"\nlimits of {exchanges} exchanges, {dict(read)}: {dict(found.most_common())}")
    assert exchanges > 2_900
    assert found["tokens"] > 2_900
    assert found["input tokens"] > 700
