from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.names import shelf_names, spellings

FIRST = {
    "a plain name": ("gpt-5", "gpt-5"),
    "upper case": ("GPT-5", "gpt-5"),
    "Gemini's resource name": ("models/gemini-2.5-pro", "gemini-2.5-pro"),
    "a publisher's resource name": ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
    "Vertex in full": (
        "projects/p-1/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5@20250929",
    ),
    "an ARN of a profile": (
        "arn:aws:bedrock:us-west-2:1:inference-profile/us.amazon.nova-lite-v1:0",
        "us.amazon.nova-lite-v1:0",
    ),
    "an ARN of a model": (
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
        "anthropic.claude-v2",
    ),
}


@pytest.mark.parametrize(("name", "plain"), FIRST.values(), ids=FIRST)
def test_the_surest_spelling_comes_first(name: str, plain: str) -> None:
    assert next(spellings(name)) == (plain, "")


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929"),
        ("gpt-35-turbo", "gpt-3.5-turbo"),
    ],
)
def test_another_way_to_write_a_name_is_the_same_model(name: str, spelling: str) -> None:
    assert (spelling, "") in list(spellings(name))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("gpt-9-2027-01-31", "gpt-9"),
        ("claude-sonnet-9-20270131", "claude-sonnet-9"),
        ("claude-sonnet-9@20270131", "claude-sonnet-9"),
        ("gemini-9-pro-01-2027", "gemini-9-pro"),
        ("gemini-9-pro-002", "gemini-9-pro"),
    ],
)
def test_an_unseen_snapshot_is_priced_as_its_model_and_says_so(name: str, base: str) -> None:
    remarks = dict(spellings(name))
    assert name in remarks[base]


def test_a_profile_that_hides_its_model_has_no_spelling() -> None:
    assert not list(spellings("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"))
    assert not list(spellings("  "))


def test_a_fine_tuned_model_is_not_priced_as_its_base() -> None:
    assert all(name.startswith("ft:") for name, _ in spellings("ft:gpt-4.1-2025-04-14:acme::abc"))


def test_providers_have_their_shelves() -> None:
    assert shelf_names("bedrock") == ("aws",)
    assert shelf_names("xai") == ("x-ai",)
    assert shelf_names("azure")[:2] == ("azure", "openai")
    assert shelf_names("groq") == ("groq",)


@given(st.text(max_size=300))
def test_no_name_raises(name: str) -> None:
    assert len(list(spellings(name))) <= 8
