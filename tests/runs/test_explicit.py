"""What callers say in headers and prefixes, and what is made of nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Grouping
from arc_proxy.prefix import NO_PREFIX, Prefix, split_prefix
from arc_proxy.runs.explicit import group_call
from arc_proxy.runs.tags import TAGS_MAX

CALL_ID = "0" * 26
ALONE = Grouping(run_id=f"r-{CALL_ID}")
Headers = list[tuple[bytes, bytes]]

GROUPINGS: dict[str, tuple[Headers, str, Grouping]] = {
    "nobody named it": ([(b"content-type", b"application/json")], "/v1/x", ALONE),
    "every header": (
        [
            (b"x-arc-run-id", b"run 1"),
            (b"X-Arc-Session-Id", b"chat/7"),
            (b"X-ARC-AGENT", b"finance"),
            (b"x-arc-parent-run-id", b"run 0"),
            (b"x-arc-user", "Zoë".encode()),
            (b"x-arc-version", b"2.1"),
            (b"x-arc-tags", b"case=17, beta,env = prod"),
        ],
        "/v1/x",
        Grouping(
            run_id="run 1",
            session_id="chat/7",
            agent="finance",
            parent_run_id="run 0",
            user="Zoë",
            version="2.1",
            tags={"case": "17", "beta": "true", "env": "prod"},
            rule="header",
            confidence=1.0,
        ),
    ),
    "every prefix": (
        [],
        "/agent/fin%20ance/run/a%2Fb/session/s/openai/v1/x",
        Grouping(run_id="a/b", session_id="s", agent="fin ance", rule="prefix", confidence=1.0),
    ),
    "a header beats a prefix, level by level": (
        [(b"x-arc-run-id", b"by header")],
        "/run/by-prefix/agent/fin/v1/x",
        Grouping(run_id="by header", agent="fin", rule="header", confidence=1.0),
    ),
    "an agent without a run": (
        [(b"x-arc-agent", b"fin")],
        "/v1/x",
        Grouping(run_id=f"r-{CALL_ID}", agent="fin"),
    ),
    "of two run ids the first counts": (
        [(b"x-arc-run-id", b"one"), (b"x-arc-run-id", b"two")],
        "/v1/x",
        Grouping(run_id="one", rule="header", confidence=1.0),
    ),
    "tags of several headers come together, the first of a name counts": (
        [(b"x-arc-tags", b"a=1,,"), (b"x-arc-tags", b"a=2,b=x=y, c=")],
        "/v1/x",
        Grouping(run_id=f"r-{CALL_ID}", tags={"a": "1", "b": "x=y", "c": ""}),
    ),
    "headers of ours that say nothing of grouping": ([(b"x-arc-capture", b"none")], "/v1/x", ALONE),
}


@pytest.mark.parametrize(("headers", "target", "grouping"), GROUPINGS.values(), ids=GROUPINGS)
def test_callers_name_their_runs(headers: Headers, target: str, grouping: Grouping) -> None:
    assert group_call(CALL_ID, headers, split_prefix(target)[0]) == (grouping, ())


MALFORMED: dict[str, tuple[bytes, bytes]] = {
    "empty": (b"x-arc-run-id", b""),
    "201 characters": (b"x-arc-run-id", b"x" * 201),
    "a tab": (b"x-arc-session-id", b"a\tb"),
    "an escape sequence": (b"x-arc-agent", b"\x1b[31mred"),
    "a right-to-left override": (b"x-arc-user", "a\u202eb".encode()),
    "bytes that are no UTF-8": (b"x-arc-version", b"caf\xe9"),
    "a tag without a name": (b"x-arc-tags", b"=1"),
    "a tag that is too long": (b"x-arc-tags", b"k=" + b"v" * 201),
    "tags that are no UTF-8": (b"x-arc-tags", b"\xff"),
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_value_is_ignored_and_counted(header: tuple[bytes, bytes]) -> None:
    grouping, malformed = group_call(CALL_ID, [header], NO_PREFIX)
    assert (grouping, malformed) == (ALONE, (header[0].decode(),))


def test_a_good_value_behind_a_malformed_one_counts() -> None:
    headers = [(b"x-arc-run-id", b"\x00"), (b"x-arc-run-id", b"good")]
    grouping, malformed = group_call(CALL_ID, headers, NO_PREFIX)
    assert (grouping.run_id, malformed) == ("good", ("x-arc-run-id",))


def test_good_tags_beside_a_bad_one_are_kept() -> None:
    grouping, malformed = group_call(CALL_ID, [(b"x-arc-tags", b"a=1,=2,c=3")], NO_PREFIX)
    assert (grouping.tags, malformed) == ({"a": "1", "c": "3"}, ("x-arc-tags",))


def test_malformed_prefixes_are_counted() -> None:
    assert group_call(CALL_ID, [], Prefix(malformed=2)) == (ALONE, ("prefix", "prefix"))


def test_the_number_of_tags_is_bounded() -> None:
    value = ",".join(f"t{n}=1" for n in range(TAGS_MAX + 1)).encode()
    grouping, malformed = group_call(CALL_ID, [(b"x-arc-tags", value)], NO_PREFIX)
    assert (len(grouping.tags), malformed) == (TAGS_MAX, ("x-arc-tags",))


@pytest.mark.parametrize("run_id", ["x" * 200, "a b", "Ω" * 200, "😀", "' OR 1=1 --", "{}", "r-1"])
def test_a_run_id_is_kept_byte_for_byte(run_id: str) -> None:
    grouping, malformed = group_call(CALL_ID, [(b"x-arc-run-id", run_id.encode())], NO_PREFIX)
    assert (grouping.run_id, malformed) == (run_id, ())


NAMES = st.sampled_from([b"x-arc-run-id", b"X-Arc-Tags", b"x-arc-agent", b"x-arc-nonsense", b"accept", b"x"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=8))
def test_no_bytes_refuse_a_call(headers: Headers) -> None:
    grouping, _ = group_call(CALL_ID, headers, NO_PREFIX)
    assert 0 < len(grouping.run_id) <= 200
    assert all(map(str.isprintable, [grouping.run_id, *grouping.tags, *grouping.tags.values()]))
