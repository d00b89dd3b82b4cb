"""
Who is meant by a provider's name, and which names a model may be priced by. No prices here.

A call names its model in the provider's way of that day: `models/gemini-2.5-pro`,
`publishers/anthropic/models/claude-sonnet-4-5@20250929`, an ARN, `gpt-35-turbo`, a snapshot that appeared
after the book was compiled. `spellings` gives the names to look up, the surest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The export's word for a provider -> the shelf that has its prices. Others have one of their own name.
SHELVES = {
    "bedrock": "aws",
    "vertex": "google",
    "gemini": "google",
    "xai": "x-ai",
    "moonshot": "moonshotai",
    "copilot": "github-copilot",
    "github": "github-copilot",
    "chatgpt": "openai",
    "chatgpt-codex": "openai",
    "vercel-gateway": "vercel_ai_gateway",
    "vercel": "vercel_ai_gateway",
    "alibaba": "dashscope",
    "qwen": "dashscope",
    "voyage": "voyageai",
    "fireworks-ai": "fireworks",
    "together-ai": "together",
}

# Shelves whose models are, where they have no row of their own, sold at the price of their maker.
FALLBACKS = {
    "azure": ("openai", "anthropic", "deepseek", "x-ai", "moonshotai"),
    "google": ("anthropic",),
}

_RESOURCE = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/([^/]+)/)?models/")
_FINE_TUNED = re.compile(r"^ft:")
_SNAPSHOT = re.compile(r"[-@](?:20\d{2}-?[01]\d-?[0-3]\d|[01]\d-20\d{2}|00[1-9])(?=$|-v\d+(?::\d+)?$)")
_COMPACT_DATE = re.compile(r"([-@])(20\d{2})([01]\d)([0-3]\d)(?=$|[-:@])")
_ARN = re.compile(r"^arn:[^:]*:bedrock:[^:]*:[^:]*:(?P<kind>[a-z-]+)/(?P<name>.+)$")
_OPAQUE = {
    "application-inference-profile",
    "provisioned-model",
    "custom-model",
    "imported-model",
    "prompt-router",
}


def shelf_names(provider: str) -> tuple[str, ...]:
    """The shelves to look on, in order."""
    shelf = SHELVES.get(provider, provider)
    return (shelf, *FALLBACKS.get(shelf, ()))


def spellings(name: str) -> Iterator[tuple[str, str]]:
    """
    Names that a model may be known by, each with a remark ("" while it is surely the same model).

    Nothing for an ARN that hides its model: only the user can say what is behind it.
    """
    plain = name.strip().lower()
    arn = _ARN.match(plain)
    if arn:
        if arn["kind"] in _OPAQUE:
            return
        plain = arn["name"]
    plain = _RESOURCE.sub("", plain)
    if not plain:
        return
    seen = set()
    for spelling, remark in _variants(plain):
        if spelling not in seen:
            seen.add(spelling)
            yield spelling, remark


def _variants(plain: str) -> Iterator[tuple[str, str]]:
    yield plain, ""
    dashed = _COMPACT_DATE.sub(r"-\2-\3-\4", plain)
    yield dashed, ""
    yield plain.replace("@", "-"), ""
    yield plain.replace("gpt-35", "gpt-3.5"), ""
    if _FINE_TUNED.match(plain):
        return  # a fine-tuned model has a price of its own, not that of the model it was made from
    base = _SNAPSHOT.sub("", plain)
    if base != plain:
        remark = f"priced as {base}: the book has no row for the snapshot {plain}"
        yield base, remark
        yield base.replace("gpt-35", "gpt-3.5"), remark
