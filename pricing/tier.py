"""Which of a model's price lists a call was served under. Nothing here raises."""

from __future__ import annotations

from pricing.counts import mapping
from pricing.rate import STANDARD

BATCH = "batch"
FAST = "fast"

# "auto" is what a request asks for; a response that still says so was not told otherwise.
_STANDARD_WORDS = {"", "auto", "default", "standard", "on_demand", "ondemand", "none", "unspecified"}
_WORD_CHARACTERS_MAX = 40


def served_tier(raw_usage: object, *, service_tier: str | None, batch: bool) -> str:
    """
    The tier a call is billed by: "standard", "flex", "priority", "batch", "fast" or the provider's word.

    The response decides, never the request: OpenAI states the tier beside the usage (`service_tier`, the
    argument), Anthropic and Gemini inside it. A batch line of OpenAI's says "default", so a batch has to be
    known from its endpoint.
    """
    usage = mapping(raw_usage)
    if batch:
        return BATCH
    if usage.get("speed") == FAST:
        return FAST
    for said in (service_tier, usage.get("service_tier"), usage.get("serviceTier")):
        if isinstance(said, str) and said.strip().lower() not in _STANDARD_WORDS:
            return said.strip().lower()[:_WORD_CHARACTERS_MAX]
    return STANDARD


def costs_no_less(shelf: str, tier: str) -> bool:
    """Whether the standard price is the least a tier can cost, for a tier whose price is not known."""
    return tier in ("priority", FAST) and shelf in ("openai", "azure", "google")
