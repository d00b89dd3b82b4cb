from __future__ import annotations

import pytest

from arc_proxy.tokens.family import TextClass, class_of, family_of

FAMILIES = {
    "gpt-4o-mini-2024-07-18": "o200k_base",
    "openai/gpt-5.1": "o200k_base",
    "gpt-4.1": "o200k_base",
    "o3-mini": "o200k_base",
    "gpt-6-sol": "o200k_base",
    "gpt-4-0613": "cl100k_base",
    "gpt-3.5-turbo": "cl100k_base",
    "claude-sonnet-4-5": "claude",
    "anthropic/claude-opus-4-8": "claude-4.7",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": "claude",
    "models/gemini-2.5-flash": "gemini",
    "meta-llama/Llama-3.3-70B-Instruct": "llama-3",
    "deepseek-chat": "deepseek",
    "Qwen/Qwen3-32B": "qwen",
    "mistral-small-latest": "mistral",
}


@pytest.mark.parametrize(("model", "family"), FAMILIES.items())
def test_a_models_family(model, family):
    assert (family_of(model).name, family_of(model).assumed) == (family, False)


@pytest.mark.parametrize("model", ["acme-7b", "", None])
def test_of_a_model_that_nobody_knows_the_tokenizer_is_assumed(model):
    assert (family_of(model).name, family_of(model).assumed) == ("o200k_base", True)
    assert family_of(model).ratio(TextClass.JSON) == 1.0


CLASSES = {
    "What does travel cost?": TextClass.PROSE,
    '{"id": 7}': TextClass.JSON,
    ' [{"id": 7}]': TextClass.JSON,
    "def f(x):\n    return x": TextClass.CODE,
    "import os": TextClass.CODE,
    "旅行にいくらかかりますか": TextClass.CJK,
    "": TextClass.PROSE,
}


@pytest.mark.parametrize(("text", "text_class"), CLASSES.items())
def test_a_texts_class(text, text_class):
    assert class_of(text) is text_class
