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
    """`detail`: of those that the export calls "other", who it is, in the price book's word."""

    name: str
    prefixes: tuple[str, ...]  # the first path segment that chooses it at our proxy
    hosts: tuple[str, ...]  # shell patterns; a port only where the port is the sign
    detail: str | None = None


PROVIDERS = (
    Provider("openai", ("openai",), ("api.openai.com", "*.api.openai.com")),
    Provider("anthropic", ("anthropic",), ("api.anthropic.com", "*.api.anthropic.com")),
    Provider(
        "azure",
        ("azure", "azure_ai"),
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
        ("gemini", "google", "genai", "vertex", "vertex_ai", "codeassist"),
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
    Provider("xai", ("xai", "grok"), ("api.x.ai", "*.api.x.ai")),
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
    Provider(OTHER, ("chatgpt",), ("chatgpt.com",), "chatgpt"),
    Provider(OTHER, ("github",), ("models.github.ai", "models.github.com"), "github"),
    Provider(OTHER, (), ("api.githubcopilot.com", "*.githubcopilot.com"), "copilot"),
    Provider(OTHER, (), ("ai-gateway.vercel.sh",), "vercel-gateway"),
    Provider(OTHER, ("cerebras",), ("api.cerebras.ai",), "cerebras"),
    Provider(OTHER, ("sambanova",), ("api.sambanova.ai",), "sambanova"),
    Provider(OTHER, ("deepinfra",), ("api.deepinfra.com",), "deepinfra"),
    Provider(OTHER, ("moonshot", "kimi"), ("api.moonshot.ai", "api.moonshot.cn"), "moonshot"),
    Provider(OTHER, ("minimax",), ("api.minimax.io", "api.minimaxi.com"), "minimax"),
    Provider(OTHER, ("zai",), ("api.z.ai",), "zai"),
    Provider(OTHER, ("dashscope",), ("dashscope*.aliyuncs.com",), "dashscope"),
    Provider(OTHER, ("nvidia",), ("integrate.api.nvidia.com",), "nvidia"),
    Provider(OTHER, ("voyage",), ("api.voyageai.com",), "voyage"),
    Provider(OTHER, ("jina",), ("api.jina.ai",), "jina_ai"),
    Provider(OTHER, ("replicate",), ("api.replicate.com",), "replicate"),
    Provider(OTHER, (), ("*.azuredatabricks.net", "*.cloud.databricks.com"), "databricks"),
    Provider(OTHER, (), ("api.cloudflare.com",), "cloudflare"),
    Provider(OTHER, (), ("api.doubleword.ai",), "doubleword"),
    Provider(OTHER, (), ("api.avian.io",), "avian"),
    Provider(OTHER, (), ("api.ai21.com",), "ai21"),
)

_BY_PREFIX = {prefix: provider for provider in PROVIDERS for prefix in provider.prefixes}
_BY_HOST = [
    (re.compile(translate(pattern)), provider) for provider in PROVIDERS for pattern in provider.hosts
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
    known = _known(upstream, host)
    if known is not None:
        return known.name
    return OTHER if host is not None else _BY_ENDPOINT.get(endpoint, OTHER)


def recognise_detail(*, upstream: str | None, host: str | None) -> str | None:
    """
    Who answers of those that `recognise_provider` calls "other", in the price book's word.

    One that is not in the table is called as its prefix is, so that own prices can be given for it.
    """
    known = _known(upstream, host)
    return upstream if known is None else known.detail


def _known(upstream: str | None, host: str | None) -> Provider | None:
    return (_provider_at(host) if host is not None else None) or _BY_PREFIX.get(upstream or "")


@lru_cache(maxsize=1024)
def _provider_at(host: str) -> Provider | None:
    host = host.lower()
    names = [host, host.rpartition(":")[0]] if re.search(r":\d+$", host) else [host]
    for pattern, provider in _BY_HOST:
        if any(pattern.match(name) for name in names):
            return provider
    return None
