"""
Every failure that shows on the wire, in every format, streamed or not, as the official SDKs meet it.

The provider is a real server that fails in one way, the SDK asks it through the gateway, and what was
recorded goes the way of every call. Each case has to be found by its code and no other; what goes well has
none.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from analysis.failure import FailureCode as Code
from arc_proxy.demo.dialects import Turn
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.ingest.worker import catch_up
from arc_proxy.store.engine import open_store
from arc_proxy.store.failures import iter_failures
from arc_proxy.store.filters import CallFilter, RunFilter
from arc_proxy.store.read import iter_calls
from pricing.book import load_book
from tests.fake_provider import BODY, HANG_UP, LAST_CHUNK, RESET, Received, Step, chunk, reply, stream_head
from tests.sdk.script import IDS, streams, turn
from tests.sdk.voices import VOICES, Voice

CLEAN_CALLS = 1_000
# What an SDK takes for a whole answer, or tells as an event like any other.
SILENT = ("a stream that ends too early", "responses, streamed: an error within a stream")
Kinds = Mapping[str, str]  # format -> its word


def _words(openai: str, anthropic: str, gemini: str) -> Kinds:
    return {"chat": openai, "responses": openai, "anthropic": anthropic, "gemini": gemini}


_INVALID = _words("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")

# Code, status, the word for it, and the message: as the providers' own documents have them.
ERRORS: dict[str, tuple[Code, int, Kinds, Kinds]] = {
    "a wrong key": (
        Code.AUTH,
        401,
        _words("invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
        _words("Incorrect API key provided: sk-none.", "invalid x-api-key", "API key not valid."),
    ),
    "no permission": (
        Code.AUTH,
        403,
        _words("permission_denied", "permission_error", "PERMISSION_DENIED"),
        _words("You have no access to this model.", "Your key may not do this.", "Permission denied."),
    ),
    "an empty purse": (
        Code.QUOTA_EXHAUSTED,
        429,
        _words("insufficient_quota", "billing_error", "FAILED_PRECONDITION"),
        _words(
            "You exceeded your current quota, please check your plan and billing details.",
            "Your credit balance is too low to access the Anthropic API.",
            "Payment required: account is not active.",
        ),
    ),
    "too many requests": (
        Code.RATE_LIMITED,
        429,
        _words("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
        _words(
            "Rate limit reached for gpt-5 on tokens per min (TPM).",
            "This request would exceed your organization's rate limit.",
            "You exceeded your current quota, please check your plan and billing details. "
            "Please retry in 7s.",
        ),
    ),
    "too much to do": (
        Code.OVERLOADED,
        503,
        _words("server_overloaded", "overloaded_error", "UNAVAILABLE"),
        _words("The engine is currently overloaded.", "Overloaded", "The model is overloaded."),
    ),
    "a fault of its own": (
        Code.SERVER_ERROR,
        500,
        _words("server_error", "api_error", "INTERNAL"),
        _words("The server had an error.", "Internal server error", "An internal error has occurred."),
    ),
    "too late": (
        Code.TIMEOUT,
        504,
        _words("timeout", "timeout_error", "DEADLINE_EXCEEDED"),
        _words("The request timed out.", "Request timed out", "The deadline expired."),
    ),
    "a request that is none": (
        Code.BAD_REQUEST,
        400,
        _INVALID,
        _words(
            "messages[3]: tool message without a preceding call.",
            "messages.3: `tool_use_id` found without a `tool_use` block.",
            "Please ensure that function call turns come after a user turn.",
        ),
    ),
    "a model that is none": (
        Code.BAD_REQUEST,
        404,
        _words("model_not_found", "not_found_error", "NOT_FOUND"),
        _words("The model `gpt-9` does not exist.", "model: claude-9", "models/gemini-9 is not found."),
    ),
    "a prompt that is too long": (
        Code.CONTEXT_OVERFLOW,
        400,
        _words("context_length_exceeded", "invalid_request_error", "INVALID_ARGUMENT"),
        _words(
            "This model's maximum context length is 128000 tokens.",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
    ),
    "a tool's schema that is none": (
        Code.TOOL_SCHEMA_REJECTED,
        400,
        _words("invalid_function_parameters", "invalid_request_error", "INVALID_ARGUMENT"),
        _words(
            "Invalid schema for function 'look': None is not of type 'object'.",
            "tools.0.custom.input_schema: JSON schema is invalid.",
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.type: must be OBJECT.",
        ),
    ),
}


@dataclass(frozen=True)
class Case:
    """What the provider does for a format, streamed or not; None where that format cannot fail so."""

    code: Code
    script: Callable[[str, Voice, bool], tuple[Step, ...] | None]
    more: Mapping[str, Any] = field(default_factory=dict)


def answered(voice: Voice, stream: bool, said: Turn, *swaps: tuple[str, str]) -> tuple[Step, ...]:
    """A whole answer, some of its bytes exchanged."""

    def swapped(content: bytes) -> bytes:
        for old, new in swaps:
            content = content.replace(old.encode(), new.encode())
        return content

    if stream:
        return streams([swapped(piece) for piece in voice.pieces(said)])
    return BODY, reply(swapped(voice.body(said)), *IDS)


def refused(name: str, voice: Voice, status: int, kinds: Kinds, said: Kinds) -> tuple[Step, ...]:
    error = json.dumps(voice.error(status, kinds[name], said[name])).encode()
    return BODY, reply(error, *IDS, status=f"{status} No")


def _error(code: Code, status: int, kinds: Kinds, said: Kinds) -> Case:
    return Case(code, lambda name, voice, _: refused(name, voice, status, kinds, said))


def _turned(change: Callable[[Turn], Turn], *swaps: tuple[str, str], tool: str | None = None) -> Any:
    return lambda _, voice, stream: answered(voice, stream, change(turn(tool=tool)), *swaps)


def _refusing(_: str, voice: Voice, stream: bool) -> tuple[Step, ...]:
    """The model's own refusal, by each format's reason to stop."""
    said = replace(turn(), is_cut=True)
    swaps = (
        ('"finish_reason": "length"', '"finish_reason": "content_filter"'),
        ("max_output_tokens", "content_filter"),
        ('"stop_reason": "max_tokens"', '"stop_reason": "refusal"'),
        ("MAX_TOKENS", "SAFETY"),
    )
    return answered(voice, stream, said, *swaps)


def _broken_arguments(name: str, voice: Voice, stream: bool) -> tuple[Step, ...] | None:
    if name == "gemini" or (name == "anthropic" and not stream):
        return None  # arguments are an object there
    whole = json.dumps(json.dumps({"query": "order 1041"}))[1:-1]
    return answered(voice, stream, turn(tool="look"), (whole, whole[:-12]))


def _unparsed(name: str, voice: Voice, stream: bool) -> tuple[Step, ...] | None:
    if name != "gemini":
        return None
    return answered(voice, stream, replace(turn(), text=""), ("STOP", "MALFORMED_FUNCTION_CALL"))


def _cut(*ending: Step) -> Callable[[str, Voice, bool], tuple[Step, ...] | None]:
    """A stream that breaks off after its first half, one way or another."""

    def script(_: str, voice: Voice, stream: bool) -> tuple[Step, ...] | None:
        pieces = voice.pieces(turn())
        half = pieces[: max(1, len(pieces) // 2)]
        return (BODY, stream_head(*IDS), *map(chunk, half), *ending) if stream else None

    return script


def _error_within(name: str, voice: Voice, stream: bool) -> tuple[Step, ...] | None:
    """A stream that begins well and then says what went wrong."""
    if not stream:
        return None
    _, status, kinds, said = ERRORS["too much to do"]
    error = voice.error(status, kinds[name], said[name])
    event = "error" if name == "anthropic" else None
    if name == "responses":
        failure = {"code": kinds[name], "message": said[name]}
        response = {"id": "resp_1", "object": "response", "status": "failed", "error": failure, "output": []}
        error, event = (
            {"type": "response.failed", "sequence_number": 9, "response": response},
            "response.failed",
        )
    last = (f"event: {event}\n" if event else "") + f"data: {json.dumps(error)}\n\n"
    return (BODY, stream_head(*IDS), chunk(voice.pieces(turn())[0]), chunk(last.encode()), LAST_CHUNK)


TEXT_CALL = '<tool_call>{"name": "look", "arguments": {"query": "7"}}</tool_call>'
CASES: dict[str, Case] = {name: _error(*said) for name, said in ERRORS.items()} | {
    "a connection that is closed": Case(Code.CONNECTION, lambda *_: (BODY, HANG_UP)),
    "a connection that is reset": Case(Code.CONNECTION, lambda *_: (BODY, RESET)),
    "a stream that is closed": Case(Code.STREAM_ABORTED, _cut(HANG_UP)),
    "a stream that is reset": Case(Code.STREAM_ABORTED, _cut(RESET)),
    "a stream that ends too early": Case(Code.STREAM_ABORTED, _cut(LAST_CHUNK)),
    "an error within a stream": Case(Code.OVERLOADED, _error_within),
    "an answer that is cut": Case(Code.OUTPUT_TRUNCATED, _turned(lambda said: replace(said, is_cut=True))),
    "a refusal": Case(Code.OUTPUT_REFUSAL, _refusing),
    "an answer of nothing": Case(Code.OUTPUT_EMPTY, _turned(lambda said: replace(said, text=""))),
    "no JSON": Case(Code.OUTPUT_INVALID_JSON, _turned(lambda said: said), {"json": True}),
    "a call as text": Case(
        Code.TOOL_CALL_AS_TEXT, _turned(lambda said: replace(said, text=TEXT_CALL)), {"tools": True}
    ),
    "a tool that is none": Case(
        Code.TOOL_UNKNOWN_NAME, _turned(lambda said: said, tool="lookup"), {"tools": True}
    ),
    "an argument that is missing": Case(
        Code.TOOL_ARGS_MISSING,
        _turned(lambda said: replace(said, arguments={}), tool="look"),
        {"tools": True},
    ),
    "an argument of another type": Case(
        Code.TOOL_ARGS_SCHEMA_INVALID,
        _turned(lambda said: replace(said, arguments={"query": 7}), tool="look"),
        {"tools": True},
    ),
    "arguments that are no JSON": Case(Code.TOOL_ARGS_INVALID_JSON, _broken_arguments, {"tools": True}),
    "a call that Google cannot read": Case(Code.TOOL_PARSER_FAILED, _unparsed, {"tools": True}),
}


@dataclass(frozen=True)
class Played:
    run_id: str
    code: Code | None
    has_raised: bool


@pytest.fixture(scope="module")
def played(scene: Any) -> list[Played]:
    """All cases, asked once each; then what goes well, a thousand times."""
    done = []
    for name, voice in VOICES.items():
        for stream in (False, True):
            for what, case in CASES.items():
                script = case.script(name, voice, stream)
                if script is not None:
                    run_id = f"{name}, {'streamed' if stream else 'whole'}: {what}"
                    has_raised = _ask(scene, voice, script, run_id, stream, case.more)
                    done.append(Played(run_id, case.code, has_raised))
    return [*done, *_clean(scene)]


def _clean(scene: Any) -> list[Played]:
    """A thousand calls that go well, some at once: the SDKs wait more than they work."""
    ways = [(name, stream, tool) for name in VOICES for stream in (False, True) for tool in (None, "look")]
    scripts = {
        (name, stream, tool): answered(VOICES[name], stream, turn(tool=tool)) for name, stream, tool in ways
    }
    turns = cycle([None, "look"])
    scene.answer(lambda request: scripts[*_asked(request), next(turns)])

    def ask(number: int) -> Played:
        name, stream, _ = ways[number % len(ways)]
        run_id = f"clean {number}"
        return Played(run_id, None, _has_raised(scene, VOICES[name], run_id, stream, {"tools": True}))

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(CLEAN_CALLS)))


def _asked(request: Received) -> tuple[str, bool]:
    """The format of a request, and whether its answer is to be streamed."""
    path = request.line.split(b" ")[1].decode()
    names = {"/chat/completions": "chat", "/responses": "responses", "/messages": "anthropic"}
    name = next((name for end, name in names.items() if end in path), "gemini")
    stream = b'"stream":true' in bytes(request.body).replace(b" ", b"") or "streamGenerateContent" in path
    return name, stream


def _ask(
    scene: Any, voice: Voice, script: tuple[Step, ...], run_id: str, stream: bool, more: Mapping[str, Any]
) -> bool:
    scene.play([script])
    return _has_raised(scene, voice, run_id, stream, more)


def _has_raised(scene: Any, voice: Voice, run_id: str, stream: bool, more: Mapping[str, Any]) -> bool:
    headers = {"x-arc-run-id": run_id, "x-arc-agent": "matrix"}
    try:
        voice.ask(scene.gateway_url + voice.prefix, headers, stream, more)
    except Exception:  # noqa: BLE001  the SDK's own
        return True
    return False


@pytest.fixture(scope="module")
def found(scene: Any, played: list[Played], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = open_store(tmp_path_factory.mktemp("matrix") / "arc.db")
    folder: Path = scene.folder
    book = load_book()
    catch_up(folder, store, book)
    analyse_due(store, book, time.time_ns())
    codes: dict[str, list[Code]] = defaultdict(list)
    for row in iter_failures(store, RunFilter()):
        codes[row.run_id].append(row.failure.code)
    yield store, codes
    store.close()


def test_each_failure_is_found_by_its_code_and_no_other(played: list[Played], found: Any) -> None:
    _, codes = found
    wrong = {
        each.run_id: [str(code) for code in codes[each.run_id]]
        for each in played
        if each.code is not None and codes[each.run_id] != [each.code]
    }
    cases = sum(each.code is not None for each in played)
    print(f"{cases - len(wrong)} of {cases} found")
    assert wrong == {}


def test_what_goes_well_has_no_failure(played: list[Played], found: Any) -> None:
    _, codes = found
    clean = [each for each in played if each.code is None]
    assert len(clean) == CLEAN_CALLS
    assert [each.run_id for each in clean if each.has_raised] == []
    assert {each.run_id: codes[each.run_id] for each in clean if codes[each.run_id]} == {}


def test_as_many_calls_failed_as_the_clients_saw(played: list[Played], found: Any) -> None:
    """And those that an SDK does not tell its program of."""
    store, _ = found
    failed = {call.run_id for call in iter_calls(store, CallFilter(agent="matrix")) if call.failed}
    assert failed == {each.run_id for each in played if each.has_raised or each.run_id.endswith(SILENT)}
