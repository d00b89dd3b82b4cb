"""
Whether a model can do what an agent's calls used. Pure.

What nobody says of a model is told apart from what it can do: it is never taken to be fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from analysis.envelope import Envelope, Need
from analysis.token_ratio import Ratio
from pricing.model import Model

# Nobody moves an agent to a model that is gone in two months.
RETIRES_SOON = timedelta(days=60)

NEED_WORDS = {
    Need.TOOLS: "tools",
    Need.PARALLEL_TOOLS: "parallel tool calls",
    Need.TOOL_CHOICE: "a forced tool choice",
    Need.VISION: "pictures",
    Need.PDF: "documents",
    Need.AUDIO: "sound",
    Need.SCHEMA: "a JSON schema",
    Need.REASONING: "reasoning",
    Need.SAMPLING: "temperature or top_p",
    Need.PREFILL: "prefilled answers",
    Need.WEB_SEARCH: "web search",
    Need.COMPUTER: "computer use",
    Need.SERVER_TOOLS: "the provider's own tools",
    Need.CHOICES: "several choices (n)",
    Need.LOGPROBS: "logprobs",
    Need.SEED: "seed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """In words: why it cannot take the calls, and what of it is not known."""

    against: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_ruled_out(self) -> bool:
        return bool(self.against)

    def but(self, reason: str) -> Fit:
        """Ruled out for one reason more."""
        return replace(self, against=(*self.against, reason))

    @property
    def is_sure(self) -> bool:
        return not self.against and not self.unknown


def fit(envelope: Envelope, model: Model, ratio: Ratio, *, today: date) -> Fit:
    against: list[str] = []
    unknown: list[str] = []
    for is_known, words in (*_sizes(envelope, model, ratio), *_needs(envelope, model)):
        (against if is_known else unknown).append(words)
    if model.retires is not None and model.retires <= today + RETIRES_SOON:
        against.append(f"retires on {model.retires.isoformat()}")
    return Fit(against=tuple(against), unknown=tuple(unknown))


def _sizes(envelope: Envelope, model: Model, ratio: Ratio) -> Iterator[tuple[bool, str]]:
    """By the high end of the range: a prompt that may not fit does not fit."""
    longest = round(envelope.input_tokens_max * ratio.high)
    if model.input_tokens_max is None:
        yield False, "context not known"
    elif longest > model.input_tokens_max:
        yield True, f"prompts of {longest:,} tokens, takes {model.input_tokens_max:,}"
    said = round(envelope.output_tokens_max * ratio.high)
    if model.output_tokens_max is None:
        yield False, "longest answer not known"
    elif said > model.output_tokens_max:
        yield True, f"answers of {said:,} tokens, gives {model.output_tokens_max:,}"
    elif envelope.output_limit_max > model.output_tokens_max:
        yield True, f"asked for up to {envelope.output_limit_max:,} tokens, gives {model.output_tokens_max:,}"


def _needs(envelope: Envelope, model: Model) -> Iterator[tuple[bool, str]]:
    if not envelope.sampled:
        yield False, "no request was kept to look at"
    for need in sorted(envelope.needs):
        if need in model.lacks:
            yield True, f"takes no {NEED_WORDS[need].removeprefix('a ')}"
        elif need not in model.supports:
            yield False, f"{NEED_WORDS[need]} not known"
