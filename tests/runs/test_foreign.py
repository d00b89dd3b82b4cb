"""What other products' headers and bodies fill, row by row, and what is made of nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.foreign import FIELDS
from arc_proxy.prefix import NO_PREFIX
from arc_proxy.runs.claim import Level
from arc_proxy.runs.said import read_claims
from arc_proxy.runs.tags import TAGS_MAX
from tests.foreign_rows import IDS, ROWS, TRACE_ID, TRACEPARENT, Row

AGENT, SESSION, PARENT, RUN = Level.AGENT, Level.SESSION, Level.PARENT_RUN, Level.RUN
USER = Level.USER


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_header_fills_what_its_product_means_by_it(row: Row) -> None:
    headers = [(row.name.encode(), row.value.encode())]
    if row.name == "Helicone-Session-Path":
        headers.append((b"Helicone-Session-Id", b"hs"))
    said = read_claims(headers, NO_PREFIX, {})
    claims = [claim for claim in said.claims if (claim.level, claim.value) != (SESSION, "hs")]
    assert {claim.level: claim.value for claim in claims} == row.fills
    assert len(claims) == len(row.fills)
    assert said.tags == row.tags
    assert any(claim.joins for claim in claims) is row.joins
    for claim in claims:
        assert claim.joins is (claim.level in (SESSION, RUN))
        assert not claim.separates
        assert claim.is_name is (claim.level not in (RUN, PARENT)), "the id of a run is inferred"
        assert 0.0 < claim.confidence <= 0.9


def test_every_row_of_the_table_is_tested() -> None:
    names = [row.name.lower() for row in ROWS]
    untested = [
        field.name
        for field in FIELDS
        if not any(
            name.startswith(field.name[:-1]) if field.name.endswith("*") else name == field.name
            for name in names
        )
    ]
    assert not untested


BODIES: dict[str, tuple[dict[str, Any], dict[Level, str], dict[str, str]]] = {
    "LiteLLM's session": ({"litellm_session_id": "s"}, {SESSION: "s"}, {}),
    "LiteLLM's trace": ({"litellm_trace_id": "t"}, {RUN: "t"}, {}),
    "LiteLLM's metadata": (
        {"litellm_metadata": {"session_id": "s", "trace_id": "t", "tags": ["a"], "trace_user_id": "u"}},
        {SESSION: "s", RUN: "t", USER: "u"},
        {"a": "true"},
    ),
    "metadata as LiteLLM and Langfuse read it": (
        {
            "metadata": {
                "session_id": "s",
                "trace_id": "t",
                "trace_name": "planner",
                "trace_user_id": "u",
                "generation_name": "plan",
                "tags": ["a", "b=c"],
            }
        },
        {SESSION: "s", RUN: "t", AGENT: "planner", USER: "u"},
        {"step": "plan", "a": "true", "b": "c"},
    ),
    "OpenRouter": (
        {
            "session_id": "s",
            "user": "u",
            "trace": {
                "trace_id": "t",
                "trace_name": "planner",
                "span_name": "tools",
                "generation_name": "plan",
                "parent_span_id": "p",
            },
        },
        {SESSION: "s", RUN: "t", AGENT: "planner", USER: "u"},
        {"span": "tools", "step": "plan"},
    ),
    "TensorZero": (
        {
            "tensorzero::episode_id": "e",
            "tensorzero::tags": {"team": "a"},
            "tensorzero::namespace": "n",
            "tensorzero::dryrun": True,
        },
        {RUN: "e"},
        {"team": "a", "namespace": "n"},
    ),
    "a user": ({"user": "u"}, {USER: "u"}, {}),
    "a safety identifier": ({"safety_identifier": "u"}, {USER: "u"}, {}),
    "Anthropic's user": ({"metadata": {"user_id": "u"}}, {USER: "u"}, {}),
    "a cache key of a client that is not Codex": ({"prompt_cache_key": "everybody"}, {}, {}),
    "what the provider keeps": ({"previous_response_id": "resp_1", "conversation": "conv_1"}, {}, {}),
    "other kinds of values": (
        {"session_id": 7, "user": ["u"], "trace": "t", "metadata": None, "litellm_metadata": [1]},
        {},
        {},
    ),
    "text beyond what we take": ({"session_id": "x" * 201, "user": "a\nb", "litellm_trace_id": ""}, {}, {}),
}


@pytest.mark.parametrize(("body", "fills", "tags"), BODIES.values(), ids=BODIES)
def test_a_body_fills_what_its_product_means_by_it(
    body: dict[str, Any], fills: dict[Level, str], tags: dict[str, str]
) -> None:
    said = read_claims([], NO_PREFIX, body)
    assert {claim.level: claim.value for claim in said.claims} == fills
    assert said.tags == tags
    for claim in said.claims:
        assert (claim.joins, claim.separates) == (claim.level in (SESSION, RUN), False)


NO_TRACES = {
    "all zeros": f"00-{'0' * 32}-b7ad6b7169203331-01",
    "no parent": f"00-{TRACE_ID}-{'0' * 16}-01",
    "capitals": TRACEPARENT.upper(),
    "version ff": f"ff{TRACEPARENT[2:]}",
    "too short": TRACEPARENT[:-1],
    "a space": f" {TRACEPARENT[1:]}",
    "nothing": "",
}


@pytest.mark.parametrize("value", NO_TRACES.values(), ids=NO_TRACES)
def test_a_traceparent_that_is_none(value: str) -> None:
    assert read_claims([(b"traceparent", value.encode())], NO_PREFIX, {}).claims == ()


def test_a_later_version_of_traceparent_may_say_more() -> None:
    value = f"01{TRACEPARENT[2:]}-what-comes-later"
    (claim,) = read_claims([(b"traceparent", value.encode())], NO_PREFIX, {}).claims
    assert claim.value == TRACE_ID


def test_a_trace_is_no_session() -> None:
    said = read_claims([(b"traceparent", TRACEPARENT.encode())], NO_PREFIX, {"user": "everybody"})
    assert {claim.level for claim in said.claims} == {RUN, USER}


def test_a_name_that_looks_like_a_sessions_counts_only_where_nothing_else_names_one() -> None:
    generic = (b"x-acme-session-id", b"conversation-17")
    assert [claim.rule for claim in read_claims([generic], NO_PREFIX, {}).claims] == ["session"]
    for stronger in (b"x-litellm-session-id", b"x-arc-session-id", b"x-claude-code-session-id"):
        rules = [claim.rule for claim in read_claims([generic, (stronger, b"s")], NO_PREFIX, {}).claims]
        assert rules
        assert "session" not in rules


@pytest.mark.parametrize("value", ["short", "has a space in it", "x" * 201, "a/b/c/d/e/f", "Ω" * 20])
def test_a_value_that_does_not_look_like_an_id_is_no_session(value: str) -> None:
    assert read_claims([(b"x-session-id", value.encode())], NO_PREFIX, {}).claims == ()


HOSTILE = {
    "too long": b"x" * 201,
    "a control character": b"a\x00b",
    "no UTF-8": b"\xff\xfe",
    "empty": b"",
    "JSON that breaks off": b'{"a":',
    "JSON that nests too deep": b'{"a":' + b"[" * 20_000,
    "JSON that is no object": b"[1,2]x",
    "an object in an object": b'{"a":{"b":1},"c":[1]}',
    "keys that are no names": b'{"":"x","a\\u0000b":"x","' + b"k" * 300 + b'":"x"}',
    "a percent sign alone": b"session.id=%ff%",
    "commas": b",,,=,;=",
}
READ = sorted({row.name for row in ROWS if row.fills or row.tags})


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", READ)
def test_a_hostile_value_is_nothing_and_no_mistake_of_ours(name: str, value: bytes) -> None:
    headers = [(name.encode(), value), (b"x-arc-run-id", b"r")]
    said = read_claims(headers, NO_PREFIX, {})
    assert (said.claims[0].value, said.malformed) == ("r", ())
    texts = [claim.value for claim in said.claims] + [*said.tags, *said.tags.values()]
    assert all(text.isprintable() and len(text) <= 401 for text in texts)


def test_tags_of_many_headers_are_bounded_and_ours_come_first() -> None:
    headers = [(f"helicone-property-p{n}".encode(), b"x") for n in range(2 * TAGS_MAX)]
    said = read_claims([*headers, (b"x-arc-tags", b"p0=ours,own")], NO_PREFIX, {})
    assert len(said.tags) == TAGS_MAX
    assert (said.tags["p0"], said.tags["own"]) == ("ours", "true")


NAMES = st.sampled_from(
    [row.name.encode() for row in ROWS] + [b"x-codex-turn-metadata", b"x-arc-metadata", b"X"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
FIELDS_OF_BODIES = st.sampled_from(
    ["metadata", "user", "trace", "session_id", "tensorzero::tags", "litellm_metadata", "client_metadata"]
)
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(
        st.sampled_from(["user_id", "tags", "session_id", "thread_id", "trace_id", "x"]), SCALARS, max_size=4
    )
)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=6),
    st.dictionaries(FIELDS_OF_BODIES, VALUES, max_size=4),
)
def test_nothing_that_clients_send_is_a_mistake(
    headers: list[tuple[bytes, bytes]], body: dict[str, Any]
) -> None:
    said = read_claims(headers, NO_PREFIX, body)
    texts = [claim.value for claim in said.claims] + [*said.tags, *said.tags.values()]
    assert all(map(str.isprintable, texts))
    assert read_claims(headers, NO_PREFIX, body) == said
