"""
Recorded exchanges, imported as a HAR file and exported: does every number survive?

The expectations were read straight from the responses by another program, in each provider's own meaning;
`normalised` turns them into the export's. What still differs is listed in `EXCEPTIONS`, with the reason.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from arc_proxy.cut import Fingerprints
from arc_proxy.export.har import write_har
from arc_proxy.export.har_import import import_har
from arc_proxy.export.jsonl import to_json, write_jsonl
from arc_proxy.export.rows import export_call, load_schema
from arc_proxy.ingest.recost import recost
from arc_proxy.ingest.worker import Caught, catch_up, rebuild
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import iter_calls
from pricing.book import PriceBook, load_book
from tests.ingest.dump import dump

pytestmark = pytest.mark.corpus

UNREAD = {"other", "interactions"}  # by the other program, but for their errors
RIGHT_SHARE_MIN = 0.998
GROUP_SHARE_MIN = 0.995  # of a provider's endpoint, streamed or not
GROUP_MIN = 20

Exchange = Mapping[str, Any]
Wrong = Mapping[str, tuple[Any, Any]]


def _is_beside(exchange: Exchange, wrong: Wrong) -> bool:
    return wrong.keys() == {"usage"} and "/" in (exchange["expected"]["usage_location"] or "")


def _is_a_reranking(exchange: Exchange, wrong: Wrong) -> bool:
    return exchange["endpoint"] == "rerank" and set(wrong) == set(TOKENS)


def _is_reasoning(exchange: Exchange, wrong: Wrong) -> bool:
    return exchange["endpoint"] == "cohere.chat" and wrong.keys() == {"reasoning_tokens"}


def _has_two_calls(exchange: Exchange, wrong: Wrong) -> bool:
    return exchange["endpoint"] == "dashscope.generation" and wrong.keys() == {"tool_calls"}


def _is_all_zero(exchange: Exchange, wrong: Wrong) -> bool:
    return set(wrong) == set(TOKENS) and all(pair == (None, 0) for pair in wrong.values())


EXCEPTIONS: dict[str, Callable[[Exchange, Wrong], bool]] = {
    "Titan counts the output beside the answer; ours has both counts": _is_beside,
    "a reranking counts its tokens in `usage`, which the other program did not read": _is_a_reranking,
    "Cohere counts reasoning, which the other program did not read": _is_reasoning,
    "the other program counts one of two calls of the same tool": _has_two_calls,
    "every count is zero beside an answer: it counts nothing, and is not free": _is_all_zero,
}
# Small groups in which one or two exceptions are more than the share that is allowed.
LOW_GROUPS = {
    ("other", "dashscope.generation", False),  # one of two calls of the same tool
}
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


@pytest.fixture(scope="module")
def exchanges(shared: Path) -> list[Exchange]:
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def har(exchanges: list[Exchange], data_dir: Path) -> Path:
    entries = [as_entry(number, exchange) for number, exchange in enumerate(exchanges)]
    path = data_dir / "recorded.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


@pytest.fixture(scope="module")
def store(har: Path, data_dir: Path, exchanges: list[Exchange], book: PriceBook) -> Iterator[Store]:
    imported = import_har(har, data_dir)
    assert (imported.entries, imported.is_new) == (len(exchanges), True)
    store = open_store(data_dir / "arc.db")
    assert catch_up(data_dir, store, book).calls == len(exchanges)
    yield store
    store.close()


@pytest.fixture(scope="module")
def rows(store: Store) -> list[Mapping[str, Any]]:
    lines = io.BytesIO()
    write_jsonl(map(export_call, iter_calls(store)), lines)
    read = [json.loads(line) for line in lines.getvalue().splitlines()]
    return sorted(read, key=lambda row: int(row["tags"]["case"]))


def as_entry(number: int, exchange: Exchange) -> dict[str, Any]:
    headers = dict(exchange["request_headers"] or {}) | {"x-arc-tags": f"case={number}"}
    return {
        "startedDateTime": "2026-01-01T00:00:00.000Z",
        "time": 10,
        "timings": {"send": 0, "wait": 5, "receive": 5},
        "request": {
            "method": exchange["method"],
            "url": exchange["url"],
            "httpVersion": "HTTP/1.1",
            "headers": fields(headers),
            "postData": body(exchange, "request_body"),
        },
        "response": {
            "status": exchange["status"],
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": fields(exchange["response_headers"] or {}),
            "content": body(exchange, "response_body"),
        },
    }


def fields(headers: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items() if isinstance(value, str)]


def body(exchange: Exchange, side: str) -> dict[str, Any]:
    if exchange.get(f"{side}_b64"):
        return {"mimeType": "", "text": exchange[f"{side}_b64"], "encoding": "base64"}
    return {"mimeType": "", "text": exchange[side] or ""}


def normalised(exchange: Exchange) -> dict[str, Any]:
    """The expectations in the export's words."""
    expected = exchange["expected"]
    if exchange["endpoint"] in UNREAD:
        return {"is_error": expected["is_error"], "error_type": expected["error_type"]}
    wanted: dict[str, Any] = {
        "model": expected["model"],
        "output_text": expected["output_text_sha1"],
        "finish_reason": None if expected["finish_reason"] is None else str(expected["finish_reason"]),
        "tool_calls": expected["tool_call_names"],
        "server_tools": expected["server_tool_names"],
        "is_error": expected["is_error"],
        "error_type": expected["error_type"],
    }
    if expected["usage_raw"] is not None:  # else the counts stand elsewhere, and ours is made of them
        wanted["usage"] = expected["usage_raw"]
    if expected["input_tokens"] is None and expected["output_tokens"] is None:
        return wanted | dict.fromkeys(TOKENS)
    given, made = expected["input_tokens"] or 0, expected["output_tokens"] or 0
    cached, written = expected["cached_input_tokens"] or 0, expected["cache_creation_tokens"] or 0
    reasoning = expected["reasoning_tokens"] or 0
    if exchange["endpoint"] in {"messages", "converse", "invoke_model"}:
        given += cached + written
    if exchange["endpoint"] in {"generateContent", "streamGenerateContent"}:
        made += reasoning
        given += (expected["usage_raw"] or {}).get("toolUsePromptTokenCount") or 0
    # The provider's own total says what is inside what.
    usage = expected["usage_raw"] or {}
    total = usage.get("total_tokens")
    audio = (usage.get("prompt_tokens_details") or {}).get("audio_tokens") or 0
    if total == given + made + reasoning:
        made += reasoning
    elif total == given + audio + made:
        given += audio
    return wanted | dict(zip(TOKENS, (given, cached, written, made, reasoning), strict=True))


def found(row: Mapping[str, Any]) -> dict[str, Any]:
    text, error = row["output_text"], row["error"]
    digest = None if text is None else hashlib.sha1(text.encode(errors="surrogatepass")).hexdigest()
    return {
        "model": row["model"],
        "output_text": digest,
        "finish_reason": row["finish_reason"],
        "tool_calls": [each["name"] for each in row["tool_calls"]],
        "server_tools": row["server_tools"],
        "is_error": error is not None,
        "error_type": error and error["type"],
        "usage": row["usage"],
        **{name: row[name] for name in TOKENS},
    }


def test_what_is_exported_is_what_the_responses_say(
    exchanges: list[Exchange], rows: list[Mapping[str, Any]]
) -> None:
    reasons: Counter[str] = Counter()
    groups: dict[tuple[str, str, bool], list[bool]] = defaultdict(list)
    unexplained = []
    for exchange, row in zip(exchanges, rows, strict=True):
        got, wanted = found(row), normalised(exchange)
        wrong = {name: (got[name], wanted[name]) for name in wanted if got[name] != wanted[name]}
        # The provider's own object is kept beside what is made of it.
        is_right = not wrong.keys() - {"usage"}
        groups[exchange["provider"], exchange["endpoint"], exchange["stream"]].append(is_right)
        if not wrong:
            continue
        reason = next((why for why, fits in EXCEPTIONS.items() if fits(exchange, wrong)), None)
        if reason is None:
            unexplained.append((exchange["source_repo"], exchange["path"], exchange["index"], wrong))
        else:
            reasons[reason] += 1
    for reason, count in reasons.most_common():
        print(f"{count:4} {reason}")
    every = [is_right for group in groups.values() for is_right in group]
    shares = {group: sum(right) / len(right) for group, right in groups.items() if len(right) >= GROUP_MIN}
    print(f"{sum(every)} of {len(every)} right; {len(shares)} groups, the worst {min(shares.values()):.4f}")
    assert unexplained == []
    assert sum(every) / len(every) >= RIGHT_SHARE_MIN
    assert {group for group, share in shares.items() if share < GROUP_SHARE_MIN} == LOW_GROUPS


def test_calls_are_named_as_they_were_recorded(
    exchanges: list[Exchange], rows: list[Mapping[str, Any]]
) -> None:
    differing = [
        (name, row[name], exchange[name])
        for exchange, row in zip(exchanges, rows, strict=True)
        for name in ("provider", "endpoint", "stream", "status")
        if row[name] != exchange[name]
    ]
    # Azure's older hosts, which the recordings count among the others.
    assert [each for each in differing if each != ("provider", "azure", "other")] == []
    assert Counter(row["ended"] for row in rows) == {"complete": len(rows)}


def test_every_row_is_what_the_schema_says(rows: list[Mapping[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(load_schema("call"))
    for row in rows[::7]:
        validator.validate(row)


def test_a_second_import_and_a_rebuild_change_nothing(
    har: Path, data_dir: Path, store: Store, book: PriceBook, exchanges: list[Exchange]
) -> None:
    before = dump(store)
    assert not import_har(har, data_dir).is_new
    assert catch_up(data_dir, store, book) == Caught()
    assert dump(store) == before
    assert rebuild(data_dir, store, book).calls == len(exchanges)
    assert dump(store) == before


def test_pricing_again_by_the_same_book_changes_nothing(
    data_dir: Path, store: Store, book: PriceBook, exchanges: list[Exchange]
) -> None:
    found = recost(data_dir, store, book, apply=False)
    assert (found.calls, found.changed) == (len(exchanges), 0), dict(found.models)


def test_a_har_of_every_tenth_call_gives_the_same_calls_elsewhere(
    data_dir: Path, tmp_path: Path, book: PriceBook, rows: list[Mapping[str, Any]]
) -> None:
    chosen = rows[::10]
    with (tmp_path / "exported.har").open("wb") as file:
        write_har(
            (row["call_id"] for row in chosen),
            data_dir / "journal",
            file,
            version="1",
            fingerprints=Fingerprints(bytes(32)),
        )
    import_har(tmp_path / "exported.har", tmp_path)
    store = open_store(tmp_path / "arc.db")
    catch_up(tmp_path, store, book)
    again = {row.tags["case"]: json.loads(to_json(export_call(row))) for row in iter_calls(store)}
    store.close()
    assert len(again) == len(chosen)
    for row in chosen:
        same = again[row["tags"]["case"]] | {"call_id": row["call_id"], "run_id": row["run_id"]}
        assert same == row
