from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.gateway.routes import PROVIDERS as ROUTED
from arc_proxy.wire.providers import OTHER, PROVIDERS, recognise_detail, recognise_provider
from pricing.book import load_book
from pricing.names import shelf_names

BY_HOST = {
    "api.openai.com": "openai",
    "API.OpenAI.com": "openai",
    "api.openai.com:443": "openai",
    "eu.api.openai.com": "openai",
    "api.openai.com.evil.example": "other",
    "evilapi.openai.com": "other",
    "api.anthropic.com": "anthropic",
    "mine.openai.azure.com": "azure",
    "mine.cognitiveservices.azure.com": "azure",
    "mine.services.ai.azure.com": "azure",
    "eastus.api.cognitive.microsoft.com": "azure",
    "generativelanguage.googleapis.com": "google",
    "aiplatform.googleapis.com": "google",
    "us-east5-aiplatform.googleapis.com": "google",
    "bedrock-runtime.us-east-1.amazonaws.com": "bedrock",
    "bedrock-mantle.us-east-1.api.aws": "bedrock",
    "s3.us-east-1.amazonaws.com": "other",
    "api.mistral.ai": "mistral",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.perplexity.ai": "perplexity",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "localhost:11434": "ollama",
    "127.0.0.1:11434": "ollama",
    "[::1]:11434": "ollama",
    "localhost:8080": "other",
    "router.huggingface.co": "huggingface",
    "dashscope.aliyuncs.com": "other",
    "": "other",
}


@pytest.mark.parametrize(("host", "provider"), BY_HOST.items())
def test_the_host_says_who_answers(host: str, provider: str) -> None:
    assert recognise_provider(upstream=None, host=host, endpoint="chat.completions") == provider


CASES = {
    "a prefix beats a host that we do not know": ("anthropic", "127.0.0.1:4010", "messages", "anthropic"),
    "a host that we know beats the prefix": ("openai", "api.groq.com", "chat.completions", "groq"),
    "a prefix that we do not know says nothing": ("vllm", "gpu-3:8000", "chat.completions", "other"),
    "gemini is google": ("gemini", "localhost:1", "generateContent", "google"),
    "where it went nowhere, the prefix tells": ("mistral", None, "chat.completions", "mistral"),
    "without one, the shape of the path": (None, None, "messages", "anthropic"),
    "or nothing does": (None, None, "other", "other"),
}


@pytest.mark.parametrize(("upstream", "host", "endpoint", "provider"), CASES.values(), ids=CASES)
def test_who_answers(upstream, host, endpoint, provider) -> None:
    assert recognise_provider(upstream=upstream, host=host, endpoint=endpoint) == provider


DETAILS = {
    "by its host": (None, "api.cerebras.ai", "cerebras"),
    "by a host of several regions": ("openai", "dashscope-intl.aliyuncs.com", "dashscope"),
    "by its prefix, wherever that leads": ("kimi", "127.0.0.1:4010", "moonshot"),
    "a prefix of one's own": ("lab-gpus", "gpu-3:8000", "lab-gpus"),
    "nothing for one that has a name": ("openai", "api.openai.com", None),
    "nothing where nothing is known": (None, "gpu-3:8000", None),
}


@pytest.mark.parametrize(("upstream", "host", "detail"), DETAILS.values(), ids=DETAILS)
def test_who_the_others_are(upstream: str | None, host: str, detail: str | None) -> None:
    assert recognise_detail(upstream=upstream, host=host) == detail


@pytest.mark.parametrize("word", [word for each in ROUTED for word in (each.name, *each.aliases)])
def test_every_prefix_says_who_answers(word: str) -> None:
    provider = recognise_provider(upstream=word, host="127.0.0.1:4010", endpoint="chat.completions")
    assert provider != OTHER or recognise_detail(upstream=word, host="127.0.0.1:4010")


def test_the_price_book_knows_the_others_by_these_words() -> None:
    shelves = load_book().providers
    details = {each.detail for each in PROVIDERS if each.detail is not None}
    assert {each for each in details if shelf_names(each)[0] not in shelves} == {"nvidia"}


def test_no_prefix_stands_twice() -> None:
    prefixes = [prefix for provider in PROVIDERS for prefix in provider.prefixes]
    assert len(prefixes) == len(set(prefixes))


@given(st.text(max_size=30))
def test_any_text_is_a_host_or_none(host: str) -> None:
    assert recognise_provider(upstream=host, host=host, endpoint=host)
