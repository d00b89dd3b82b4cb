"""
Usage: what a provider counted, in buckets that do not overlap.

Providers disagree on what contains what: OpenAI's prompt_tokens include cached ones, Anthropic's
input_tokens exclude them, Gemini's thoughts stand beside the candidates' tokens. Here every token is in
exactly one bucket, and the buckets sum to the provider's own total. Where a provider states that total it
decides what is inside what, so a compatible server with other habits is read right without being named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pricing.buckets import TOKEN_BUCKETS, BilledPart, Usage, UsageGrade
from pricing.counts import Counts, mapping
from pricing.dialects import iterations, read_usage

__all__ = ["TOKEN_BUCKETS", "BilledPart", "Usage", "UsageGrade", "billed_parts", "normalise_usage"]

# What the tools that a provider runs itself are called in a reply -> the unit they are billed by.
SERVER_TOOL_UNITS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
    "google_search": "web_search",
}


def normalise_usage(
    raw: object,
    *,
    dialect: str,
    provider: str,
    finished: bool = True,
    server_tools: Iterable[str] = (),
) -> tuple[Usage, UsageGrade]:
    """
    A provider's usage object in our buckets. Never raises, never negative, whatever the JSON holds.

    `raw`: the object itself, of a stream the last non-null value of each field; anything that is not an
    object is no usage. `finished` False: the stream was cut before its last count, so the numbers are a
    lower bound. `server_tools`: the provider's own tools as the reply names them, one entry per use; they
    are billed, but some providers count them nowhere in the usage. `provider` decides only what no
    number can tell.
    """
    usage, grade = read_usage(mapping(raw), dialect, provider)
    called = dict(usage.tool_units)
    for name in server_tools:
        unit = SERVER_TOOL_UNITS.get(name)
        if unit is not None:
            called[unit] = called.get(unit, 0) + 1
    if called != usage.tool_units:
        usage = replace(usage, tool_units=called)
    if grade is UsageGrade.REPORTED and not finished:
        grade = UsageGrade.PARTIAL
    return usage, grade


def billed_parts(raw: object, usage: Usage) -> tuple[BilledPart, ...]:
    """
    The shares in which a call is billed; one, the whole usage, for nearly every call.

    An Anthropic call can consist of several requests to models: each is priced, and its context length
    judged, by itself. Cohere counts more tokens than it bills.
    """
    steps = iterations(mapping(raw))
    together = sum((step.usage for step in steps), Usage())
    if steps and (together.input_tokens, together.output_tokens) == (usage.input_tokens, usage.output_tokens):
        first, *rest = steps
        return (replace(first, usage=replace(first.usage, tool_units=usage.tool_units)), *rest)
    billed = mapping(mapping(raw).get("billed_units"))
    if billed and usage.input_tokens + usage.output_tokens:
        counts = Counts(billed)
        units = Usage(
            input_text=counts.get("input_tokens") or 0,
            input_image=counts.get("image_tokens") or 0,
            output_text=counts.get("output_tokens") or 0,
            tool_units=usage.tool_units,
        )
        return (BilledPart(usage=units),)
    return (BilledPart(usage=usage),)
