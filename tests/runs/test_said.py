"""Which of the things that are said comes first, and that the rest is kept."""

from __future__ import annotations

from typing import Any

import pytest

from arc_proxy.prefix import NO_PREFIX, split_prefix
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.said import read_claims
from tests.foreign_rows import TRACE_ID, TRACEPARENT

Headers = list[tuple[bytes, bytes]]

ORDERS: dict[str, tuple[Headers, dict[str, Any], str, Level, list[tuple[str, str]]]] = {
    "a header of ours, then a prefix's levels": (
        [(b"x-arc-run-id", b"ours"), (b"x-litellm-trace-id", b"t")],
        {},
        "/run/in-front/v1/x",
        Level.RUN,
        [("header", "ours"), ("litellm", "t")],
    ),
    "a prefix before a coding agent": (
        [(b"x-claude-code-session-id", b"s")],
        {},
        "/run/in-front/v1/x",
        Level.RUN,
        [("prefix", "in-front"), ("claude_code", "s")],
    ),
    "a coding agent before the trace that spans its sub-agents": (
        [
            (b"traceparent", TRACEPARENT.encode()),
            (b"x-claude-code-session-id", b"s"),
            (b"x-claude-code-agent-id", b"a"),
        ],
        {},
        "/v1/x",
        Level.RUN,
        [("claude_code", "s/a"), ("traceparent", TRACE_ID)],
    ),
    "instrumentation before gateways": (
        [(b"helicone-session-id", b"h"), (b"baggage", b"session.id=b")],
        {},
        "/v1/x",
        Level.SESSION,
        [("baggage", "b"), ("helicone", "h")],
    ),
    "headers before bodies": (
        [(b"x-bf-session-id", b"in the header")],
        {"session_id": "in the body", "metadata": {"session_id": "in the metadata"}},
        "/v1/x",
        Level.SESSION,
        [("bifrost", "in the header"), ("openrouter", "in the body"), ("metadata", "in the metadata")],
    ),
    "users": (
        [(b"helicone-user-id", b"h")],
        {"user": "u"},
        "/v1/x",
        Level.USER,
        [("helicone", "h"), ("user", "u")],
    ),
}


@pytest.mark.parametrize(("headers", "body", "target", "level", "values"), ORDERS.values(), ids=ORDERS)
def test_the_strongest_comes_first_and_the_others_behind_it(
    headers: Headers, body: dict[str, Any], target: str, level: Level, values: list[tuple[str, str]]
) -> None:
    said = read_claims(headers, split_prefix(target)[0], body)
    assert [(claim.rule, claim.value) for claim in said.claims if claim.level is level] == values


def test_what_separates_stands_before_what_only_joins() -> None:
    headers = [
        (b"traceparent", TRACEPARENT.encode()),
        (b"x-portkey-trace-id", b"p"),
        (b"x-dynamo-session-id", b"d"),
        (b"x-arc-session-id", b"s"),
    ]
    separating = [claim.separates for claim in read_claims(headers, NO_PREFIX, {"user": "u"}).claims]
    assert separating == sorted(separating, reverse=True)


def test_our_own_headers_name_ids_byte_for_byte() -> None:
    headers = [(b"X-Arc-Run-Id", b"run 1"), (b"x-arc-agent", b"fin"), (b"x-arc-parent-run-id", b"run 0")]
    said = read_claims(headers, NO_PREFIX, {})
    assert said.claims == (
        Claim(level=Level.RUN, value="run 1", rule="header", separates=True, is_name=True),
        Claim(level=Level.AGENT, value="fin", rule="header", joins=False, separates=True, is_name=True),
        Claim(level=Level.PARENT_RUN, value="run 0", rule="header", joins=False, is_name=True),
    )


def test_a_malformed_value_of_ours_is_counted_and_leaves_the_others_alone() -> None:
    headers = [(b"x-arc-run-id", b"\xff"), (b"x-arc-metadata", b"{"), (b"x-bf-session-id", b"s")]
    said = read_claims(headers, split_prefix("/agent/%00/v1/x")[0], {})
    assert [claim.value for claim in said.claims] == ["s"]
    assert said.malformed == ("x-arc-run-id", "x-arc-metadata", "prefix")


def test_tags_and_steps_in_headers_of_ours() -> None:
    headers = [(b"x-arc-metadata", b'{"team":"a","n":1,"beta":true,"none":null}'), (b"x-arc-step", b"plan")]
    said = read_claims(headers, NO_PREFIX, {})
    assert said.tags == {"team": "a", "n": "1", "beta": "true", "step": "plan"}
    assert said.malformed == ()


def test_what_is_said_twice_is_claimed_once() -> None:
    headers = [(b"x-litellm-end-user-id", b"u"), (b"x-litellm-customer-id", b"u")]
    assert len(read_claims(headers, NO_PREFIX, {}).claims) == 1


def test_more_names_than_are_remembered_are_still_read() -> None:
    for number in range(3000):
        read_claims([(b"x-name-%d" % number, b"v")], NO_PREFIX, {})
    assert read_claims([(b"x-bf-session-id", b"s")], NO_PREFIX, {}).claims[0].value == "s"
