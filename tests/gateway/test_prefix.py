from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.prefix import NAME_LEN_MAX, Prefix, is_name, split_prefix

CASES = {
    "nothing in front": ("/openai/v1/models", Prefix(), "/openai/v1/models"),
    "a run": ("/run/8f3a/openai/v1/models", Prefix("8f3a"), "/openai/v1/models"),
    "all three": ("/run/a/session/b/agent/c/v1/x", Prefix("a", "b", "c"), "/v1/x"),
    "any order": ("/agent/c/run/a/v1/x", Prefix("a", None, "c"), "/v1/x"),
    "percent-decoded": ("/run/a%20b%2Fc/v1/x", Prefix("a b/c"), "/v1/x"),
    "the rest stays encoded": ("/run/a/v1/%2e%2e/x?q=%2F", Prefix("a"), "/v1/%2e%2e/x?q=%2F"),
    "a trailing question mark stays": ("/run/a/v1/x?", Prefix("a"), "/v1/x?"),
    "no rest": ("/run/a", Prefix("a"), "/"),
    "only a query behind it": ("/run/a?beta=true", Prefix("a"), "/?beta=true"),
    "a double slash in the rest stays": ("/run/a//evil.example/x", Prefix("a"), "//evil.example/x"),
    "an empty id is passed over": ("/run//openai/v1", Prefix(malformed=1), "/openai/v1"),
    "a control character is passed over": ("/run/a%0d%0ab/openai/v1", Prefix(malformed=1), "/openai/v1"),
    "half a character is passed over": ("/run/%ff/openai/v1", Prefix(malformed=1), "/openai/v1"),
    "too long is passed over": (f"/run/{'a' * 201}/v1/x", Prefix(malformed=1), "/v1/x"),
    "a word again belongs to the rest": ("/run/a/run/b/v1/x", Prefix("a"), "/run/b/v1/x"),
    "a longer word is none of ours": ("/runs/a/v1/x", Prefix(), "/runs/a/v1/x"),
    "the word alone is none": ("/run", Prefix(), "/run"),
}


@pytest.mark.parametrize(("target", "prefix", "rest"), CASES.values(), ids=CASES)
def test_splits(target: str, prefix: Prefix, rest: str) -> None:
    assert split_prefix(target) == (prefix, rest)


names = st.text(min_size=1, max_size=NAME_LEN_MAX).filter(is_name)


@given(run=names, agent=names)
def test_every_name_comes_back(run: str, agent: str) -> None:
    target = f"/agent/{quote(agent, safe='')}/run/{quote(run, safe='')}/v1/chat/completions?x"
    assert split_prefix(target) == (Prefix(run_id=run, agent=agent), "/v1/chat/completions?x")


@given(st.text())
def test_any_target_is_split_without_an_exception(target: str) -> None:
    _, rest = split_prefix("/" + target)
    assert rest.startswith("/")
