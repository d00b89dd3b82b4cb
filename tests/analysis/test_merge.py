"""Issues that people said are one, in the order in which they said it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.merge import MergeRule, Target, merged


def rules(*said: str) -> list[MergeRule]:
    """ "b>a": b is shown as a; "a|": what was merged into a is its own again."""
    found = []
    for each in said:
        part, _, into = each.rstrip("|").partition(">")
        found.append(MergeRule("finance", part, Target(into, "tool", "cause") if into else None))
    return found


CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "one into another": (["b>a"], {"b": "a"}),
    "two into one": (["b>a", "c>a"], {"b": "a", "c": "a"}),
    "one after the other": (["b>a", "a>c"], {"a": "c", "b": "c"}),
    "the other way round later": (["b>a", "a>b"], {"a": "b"}),
    "round a longer way": (["b>a", "c>b", "a>c"], {"a": "c", "b": "c"}),
    "into itself": (["a>a"], {}),
    "into another one later": (["b>a", "b>c"], {"b": "c"}),
    "split": (["b>a", "c>a", "d>e", "a|"], {"d": "e"}),
    "split with what was merged into its parts": (["c>b", "b>a", "a|"], {}),
    "split of a part": (["b>a", "b|"], {"b": "a"}),
    "merged again": (["b>a", "a|", "b>a"], {"b": "a"}),
    "nothing": ([], {}),
}


@pytest.mark.parametrize(("said", "shown"), CASES.values(), ids=CASES)
def test_what_is_shown_as_what(said, shown):
    found = merged(rules(*said))
    assert {name[1]: target.fingerprint for name, target in found.items()} == shown


def test_rules_of_one_agent_say_nothing_of_another():
    other = MergeRule("support", "b", Target("a", "", ""))
    assert set(merged([*rules("b>a"), MergeRule("support", "a", None), other])) == {
        ("finance", "b"),
        ("support", "b"),
    }


_NAMES = st.sampled_from("abcd")
_SAID = st.lists(st.builds("{}>{}".format, _NAMES, _NAMES) | st.builds("{}|".format, _NAMES), max_size=12)


@given(_SAID)
def test_whatever_was_said_each_issue_is_shown_as_one_that_is_its_own(said):
    found = merged(rules(*said))
    assert all((name[0], target.fingerprint) not in found for name, target in found.items())
