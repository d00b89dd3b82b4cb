"""
LiteLLM's table of prices (MIT): the second source.

Source: https://github.com/BerriAI/litellm, model_prices_and_context_window.json. The file is read as data
out of a wheel that is never installed: releases 1.82.7, 1.82.8 and 1.107.x of the package were reported
compromised, so the release is pinned, and so is the checksum of the file.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pricing import checked
from pricing.model import Model
from pricing.rate import EVERY_DAY, STANDARD, Hours, Rate

VERSION = "1.106.2"
TABLE = "litellm/model_prices_and_context_window_backup.json"
TABLE_SHA256 = "66970be01c88f94618f9f69c1a1d29e400474f2d7b89973de7e373c110f455c2"
URL = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"

# Its providers under the name that the base source has for them; all others keep their own.
SHELVES = {
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "bedrock_mantle": "aws",
    "codestral": "mistral",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "moonshot": "moonshotai",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
# Prices of a plan, not of tokens, or a zero where nobody knows.
SKIPPED = {"chatgpt", "github_copilot", "ollama", "ollama_chat"}

BUCKETS = {
    "input_cost_per_token": "input_text",
    "output_cost_per_token": "output_text",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_reasoning_token": "reasoning",
}
# What a call may need of a model; the table has more, about its own parameters.
FEATURES = (
    "assistant_prefill",
    "audio_input",
    "audio_output",
    "computer_use",
    "function_calling",
    "parallel_function_calling",
    "pdf_input",
    "prompt_caching",
    "reasoning",
    "response_schema",
    "sampling_params",
    "tool_choice",
    "vision",
    "web_search",
)
UPLIFT_MAX = 10
TIERS = {"batches": "batch", "flex": "flex", "priority": "priority"}
_FIELD = re.compile(
    rf"(?P<base>{'|'.join(sorted(BUCKETS, key=len, reverse=True))})"
    rf"(?:_above_(?P<over>\d+)k_tokens)?(?:_(?P<tier>{'|'.join(TIERS)}))?"
)
# Names that carry a region, a commitment or a size of image in front of the model.
_ELSEWHERE = re.compile(
    r"^(?:[a-z]{2}(?:-[a-z]+)+-\d|us-gov|eu|us|global|global-standard|regional|low|medium|high|hd|standard"
    r"|\d+-x-\d+|max-x-max)/"
)


def read_table(wheel: Path) -> dict[str, dict[str, Any]]:
    """The table inside a wheel; ValueError unless it is the one that was looked at."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(TABLE)
    found = hashlib.sha256(content).hexdigest()
    if found != TABLE_SHA256:
        raise ValueError(f"{wheel.name}: {TABLE} has sha256 {found}, expected {TABLE_SHA256}")
    table: dict[str, dict[str, Any]] = json.loads(content, parse_float=Decimal)
    return table


def download(folder: Path) -> Path:
    """Fetch the pinned wheel with pip, without its dependencies and without installing anything."""
    if find_spec("pip") is None:
        raise SystemExit(
            f"no pip in this environment: `python -m ensurepip`, or fetch litellm=={VERSION} elsewhere with "
            "`pip download --no-deps` and name the wheel by --litellm"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--abi", "abi3"]
    target = ["--dest", str(folder), f"litellm=={VERSION}"]
    subprocess.run([*command, *platform, *target], check=True)  # noqa: S603
    return next(folder.glob("litellm-*.whl"))


def models(table: Mapping[str, Any], *, source: str, recorded: date) -> Iterator[Model]:
    """
    Every entry that has a price per token, as a model known by that one name.

    Zeros are dropped: the table has them for what is free and for what nobody looked up. The row of a
    tier holds only what is said of that tier. SourceError for a price that is none, and for an entry of
    another shape.
    """
    for key, entry in sorted(table.items()):
        try:
            found = _model(key, checked.table(entry, key), source=source, recorded=recorded)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, checked.SourceError):
                raise
            raise checked.SourceError(f"{key[:80]}: the entry has another shape than LiteLLM's") from None
        if found is not None:
            yield found


def _model(key: str, entry: Mapping[str, Any], *, source: str, recorded: date) -> Model | None:
    owner = str(entry.get("litellm_provider", ""))
    if key == "sample_spec" or owner in SKIPPED or not owner:
        return None
    shelf = "google" if owner.startswith("vertex_ai") else SHELVES.get(owner, owner)
    name = key.lower().removeprefix(f"{owner}/")
    for vertex in ("vertex_ai/", "gemini/", "bedrock/", "azure_ai/", "fireworks_ai/"):
        name = name.removeprefix(vertex)
    if _ELSEWHERE.match(name):
        return None
    rates = tuple(_rates(entry, provider=shelf, model=name, source=source, recorded=recorded))
    if not rates:
        return None
    return Model(
        provider=checked.provider_id(shelf, key),
        id=checked.text(name, key),
        clauses=(["=", name], *((["^", f"{name}:"],) if name.startswith("ft:") else ())),
        mode=_mode(entry.get("mode")),
        input_tokens_max=_whole_number(entry.get("max_input_tokens")),
        output_tokens_max=_whole_number(entry.get("max_output_tokens")),
        cache_tokens_min=_whole_number(entry.get("prompt_cache_min_tokens")),
        retires=_day(entry.get("deprecation_date")),
        supports=_supported(entry, True),
        lacks=_supported(entry, False),
        rates=rates,
    )


def _mode(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[a-z_]{1,40}", value) else ""


def _rates(
    entry: Mapping[str, Any], *, provider: str, model: str, source: str, recorded: date
) -> Iterator[Rate]:
    by_tier: dict[str, dict[int, dict[str, int]]] = {}
    for field, value in entry.items():
        match = _FIELD.fullmatch(field)
        picousd = 0 if match is None else _picousd(value, BUCKETS[match["base"]])
        if match is None or not picousd:
            continue
        tier = TIERS[match["tier"]] if match["tier"] else STANDARD
        over = int(match["over"] or 0) * 1000
        if over and provider == "x-ai":
            over -= 1  # xAI's long price begins at the threshold, not behind it
        by_tier.setdefault(tier, {}).setdefault(over, {})[BUCKETS[match["base"]]] = picousd
    standard = by_tier.get(STANDARD, {})
    by_tier = {tier: steps for tier, steps in by_tier.items() if 0 in steps}
    if "input_text" not in standard.get(0, {}):
        return
    tools = _tools(entry)
    hours = _peak_hours(entry)
    for tier, steps in by_tier.items():
        yield Rate(
            provider=provider,
            model=model,
            tier=tier,
            recorded=recorded,
            source=source,
            url=checked.link(entry.get("source")) or URL,
            picousd=steps.get(0, {}) | (tools | _off_peak(entry, hours) if tier == STANDARD else {}),
            over=tuple(sorted((over, rates) for over, rates in steps.items() if over)),
            uplift_permille=_uplift(entry),
        )
    if hours:
        yield Rate(
            provider=provider,
            model=model,
            recorded=recorded,
            source=source,
            url=checked.link(entry.get("source")) or URL,
            picousd=standard[0] | tools,
            hours=hours,
        )


def _picousd(value: object, bucket: str) -> int:
    """Dollars per token or use as picodollars; 0 for everything that is no number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return 0
    return checked.picousd(value, 10**12, bucket, "a price per token")


def _tools(entry: Mapping[str, Any]) -> dict[str, int]:
    """The fee of a web search, if it is the same for every size of context."""
    by_size = entry.get("search_context_cost_per_query")
    fees = (
        {_picousd(value, "tool:web_search") for value in by_size.values()}
        if isinstance(by_size, dict)
        else set()
    )
    fee = fees.pop() if len(fees) == 1 else 0
    return {"tool:web_search": fee} if fee else {}


def _uplift(entry: Mapping[str, Any]) -> dict[str, int]:
    said = {
        region: entry.get(f"regional_processing_uplift_multiplier_{region}") for region in ("us", "eu")
    } | {
        "regional": entry.get("regional_endpoint_uplift_multiplier"),  # of Vertex AI: any but the global one
        "us_geo": (entry.get("provider_specific_entry") or {}).get("us"),
    }
    found = {}
    for region, factor in said.items():
        if isinstance(factor, Decimal) and 1 < factor <= UPLIFT_MAX:
            found[region.removesuffix("_geo")] = int(factor * 1000)
    return found


def _off_peak(entry: Mapping[str, Any], hours: tuple[Hours, ...]) -> dict[str, int]:
    cheaper = entry["off_peak_pricing"] if hours else {}
    return {
        BUCKETS[name]: _picousd(value, BUCKETS[name])
        for name, value in cheaper.items()
        if name in BUCKETS and value
    }


def _peak_hours(entry: Mapping[str, Any]) -> tuple[Hours, ...]:
    """The hours that are in no off-peak window, for a table that lists the cheap ones."""
    windows = (entry.get("off_peak_pricing") or {}).get("windows") or ()
    cheap: dict[int, list[tuple[int, int]]] = {}
    for window in windows:
        spans = window["hours_utc"] if isinstance(window["hours_utc"], list) else [window["hours_utc"]]
        for day in window.get("weekdays", EVERY_DAY):
            cheap.setdefault(day, []).extend(_minutes(span) for span in spans)
    by_span: dict[tuple[int, int], list[int]] = {}
    for day, spans in cheap.items():
        begin = 0
        for start, end in [*sorted(spans), (24 * 60, 24 * 60)]:
            if start > begin:
                by_span.setdefault((begin, start), []).append(day)
            begin = max(begin, end)
    return tuple(Hours(days=tuple(days), start=start, end=end) for (start, end), days in by_span.items())


def _minutes(span: str) -> tuple[int, int]:
    (start, end) = (int(each[:2]) * 60 + int(each[3:5]) for each in span.split("-"))
    return start, end or 24 * 60


def _supported(entry: Mapping[str, Any], said: bool) -> frozenset[str]:
    return frozenset(name for name in FEATURES if entry.get(f"supports_{name}") is said)


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _day(value: object) -> date | None:
    return (
        date.fromisoformat(value)
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
        else None
    )
