"""
What a developer needs to know of a provider: its key's variable and header, where to look. Pure.

Sources: https://platform.openai.com/docs/api-reference/authentication,
https://docs.claude.com/en/api/overview,
https://ai.google.dev/gemini-api/docs/api-key, https://docs.mistral.ai/api/, https://console.groq.com/docs,
https://api-docs.deepseek.com/, https://openrouter.ai/docs/api-reference/authentication,
https://docs.x.ai/docs/api-reference, https://docs.aws.amazon.com/bedrock/latest/userguide/
"""

from __future__ import annotations

from typing import NamedTuple

from analysis.fixes.observed import Observed
from analysis.fixes.quote import name


class Vendor(NamedTuple):
    """`billing`, `limits` and `status` are pages; `models` is an address that any good key may read."""

    name: str
    key: str
    header: str
    models: str
    billing: str
    limits: str
    status: str


_BEARER = "Authorization: Bearer $KEY"
VENDORS = {
    "openai": Vendor(
        "OpenAI",
        "OPENAI_API_KEY",
        _BEARER,
        "https://api.openai.com/v1/models",
        "https://platform.openai.com/settings/organization/billing",
        "https://platform.openai.com/settings/organization/limits",
        "https://status.openai.com",
    ),
    "anthropic": Vendor(
        "Anthropic",
        "ANTHROPIC_API_KEY",
        "x-api-key: $KEY",
        "https://api.anthropic.com/v1/models",
        "https://platform.claude.com/settings/billing",
        "https://platform.claude.com/settings/limits",
        "https://status.claude.com",
    ),
    "google": Vendor(
        "Google",
        "GEMINI_API_KEY",
        "x-goog-api-key: $KEY",
        "https://generativelanguage.googleapis.com/v1beta/models",
        "https://aistudio.google.com/billing",
        "https://aistudio.google.com/rate-limit",
        "https://aistudio.google.com/status",
    ),
    "mistral": Vendor(
        "Mistral",
        "MISTRAL_API_KEY",
        _BEARER,
        "https://api.mistral.ai/v1/models",
        "https://admin.mistral.ai/organization/billing",
        "https://admin.mistral.ai/plateforme/limits",
        "https://status.mistral.ai",
    ),
    "groq": Vendor(
        "Groq",
        "GROQ_API_KEY",
        _BEARER,
        "https://api.groq.com/openai/v1/models",
        "https://console.groq.com/settings/billing",
        "https://console.groq.com/settings/limits",
        "https://groqstatus.com",
    ),
    "deepseek": Vendor(
        "DeepSeek",
        "DEEPSEEK_API_KEY",
        _BEARER,
        "https://api.deepseek.com/models",
        "https://platform.deepseek.com/top_up",
        "https://api-docs.deepseek.com/quick_start/rate_limit",
        "https://status.deepseek.com",
    ),
    "openrouter": Vendor(
        "OpenRouter",
        "OPENROUTER_API_KEY",
        _BEARER,
        "https://openrouter.ai/api/v1/key",
        "https://openrouter.ai/settings/credits",
        "https://openrouter.ai/docs/api-reference/limits",
        "https://status.openrouter.ai",
    ),
    "xai": Vendor(
        "xAI",
        "XAI_API_KEY",
        _BEARER,
        "https://api.x.ai/v1/models",
        "https://console.x.ai",
        "https://console.x.ai",
        "https://status.x.ai",
    ),
}


def vendor(observed: Observed) -> Vendor | None:
    return VENDORS.get(observed.provider.strip().lower())


def vendor_name(observed: Observed) -> str:
    """As it stands in a sentence."""
    known = vendor(observed)
    return known.name if known else name(observed.provider) or "the provider"


def refused(observed: Observed) -> str:
    """What happened to a request that its provider did not take."""
    return f"{vendor_name(observed)} refused the request {observed.times}{observed.saying}."
