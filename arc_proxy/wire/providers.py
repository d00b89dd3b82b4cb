"""
Who answers, as a table. No I/O.

A new provider is a new line. Its name reaches the database, the price book and the export: never rename.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    prefixes: tuple[str, ...]  # the first path segment that chooses it at our proxy
    hosts: tuple[str, ...]  # shell patterns; a port only where the port is the sign


PROVIDERS = (
    Provider("openai", ("openai",), ("api.openai.com", "*.api.openai.com")),
    Provider("anthropic", ("anthropic",), ("api.anthropic.com", "*.api.anthropic.com")),
    Provider(
        "azure",
        ("azure",),
        (
            "*.openai.azure.com",
            "*.openai.azure.us",
            "*.cognitiveservices.azure.com",
            "*.services.ai.azure.com",
            "*.models.ai.azure.com",
            "models.inference.ai.azure.com",
            "*.api.cognitive.microsoft.com",
        ),
    ),
    Provider(
        "google",
        ("gemini", "google", "genai", "vertex", "vertex_ai"),
        (
            "generativelanguage.googleapis.com",
            "aiplatform.googleapis.com",
            "*-aiplatform.googleapis.com",
            "aiplatform.*.rep.googleapis.com",
            "cloudcode-pa.googleapis.com",
        ),
    ),
    Provider(
        "bedrock", ("bedrock",), ("bedrock*.amazonaws.com", "bedrock*.amazonaws.com.cn", "bedrock*.api.aws")
    ),
    Provider("mistral", ("mistral",), ("api.mistral.ai", "codestral.mistral.ai")),
    Provider("groq", ("groq",), ("api.groq.com",)),
    Provider("deepseek", ("deepseek",), ("api.deepseek.com",)),
    Provider("xai", ("xai",), ("api.x.ai", "*.api.x.ai")),
    Provider("openrouter", ("openrouter",), ("openrouter.ai", "*.openrouter.ai")),
    Provider("together", ("together",), ("api.together.xyz", "api.together.ai")),
    Provider("fireworks", ("fireworks",), ("api.fireworks.ai", "*.api.fireworks.ai")),
    Provider("perplexity", ("perplexity",), ("api.perplexity.ai",)),
    Provider("cohere", ("cohere",), ("api.cohere.ai", "api.cohere.com")),
    Provider("ollama", ("ollama",), ("localhost:11434", "127.0.0.1:11434", "[[]::1]:11434", "ollama.com")),
    Provider(
        "huggingface",
        ("huggingface",),
        ("router.huggingface.co", "api-inference.huggingface.co", "*.endpoints.huggingface.cloud"),
    ),
)

_BY_PREFIX = {prefix: provider.name for provider in PROVIDERS for prefix in provider.prefixes}
_BY_HOST = [
    (re.compile(translate(pattern)), provider.name) for provider in PROVIDERS for pattern in provider.hosts
]
# Who invented the shape of a path: asked only where a request went nowhere, so that no host can tell.
_BY_ENDPOINT = {
    "chat.completions": "openai",
    "responses": "openai",
    "embeddings": "openai",
    "messages": "anthropic",
    "generateContent": "google",
    "streamGenerateContent": "google",
    "converse": "bedrock",
    "invoke_model": "bedrock",
    "ollama.chat": "ollama",
    "ollama.generate": "ollama",
    "cohere.chat": "cohere",
}


def recognise_provider(*, upstream: str | None, host: str | None, endpoint: str) -> str:
    """
    The provider's name, or "other".

    A host that we know says more than the prefix: `--upstream openai=https://api.groq.com/openai` is
    answered by Groq. The prefix says more than a host that we do not know: that is a test, or a relay.
    """
    if host is not None:
        name = _provider_at(host)
        if name is not None:
            return name
    if upstream is not None and upstream in _BY_PREFIX:
        return _BY_PREFIX[upstream]
    return OTHER if host is not None else _BY_ENDPOINT.get(endpoint, OTHER)


@lru_cache(maxsize=1024)
def _provider_at(host: str) -> str | None:
    host = host.lower()
    names = [host, host.rpartition(":")[0]] if re.search(r":\d+$", host) else [host]
    for pattern, provider in _BY_HOST:
        if any(pattern.match(name) for name in names):
            return provider
    return None
