"""
From one HTTP exchange to what was asked and what was answered. No I/O.

Nothing that a client or a provider sends makes this raise: what cannot be read is left out, and a note says
so. The call is kept all the same, with its status, times and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from arc_proxy.call import CallError, Kind, Prompt, Reply
from arc_proxy.errors import WireError
from arc_proxy.wire.anthropic_messages import ANTHROPIC_MESSAGES
from arc_proxy.wire.bedrock_converse import BEDROCK_CONVERSE
from arc_proxy.wire.bedrock_invoke import BEDROCK_INVOKE, read_header_usage
from arc_proxy.wire.call_error import header_type, read_refusal, read_refusal_text
from arc_proxy.wire.cohere_chat import COHERE_CHAT
from arc_proxy.wire.content import decode_body
from arc_proxy.wire.credentials import cut_credentials, may_hold_credentials
from arc_proxy.wire.dashscope_generation import DASHSCOPE_GENERATION
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, read_value
from arc_proxy.wire.endpoints import Form, recognise_form
from arc_proxy.wire.form_data import read_form
from arc_proxy.wire.framing import recognise_framing
from arc_proxy.wire.gemini_generate import GEMINI_GENERATE
from arc_proxy.wire.gemini_interactions import GEMINI_INTERACTIONS
from arc_proxy.wire.media import stub_media
from arc_proxy.wire.ollama_chat import OLLAMA_CHAT
from arc_proxy.wire.openai_chat import OPENAI_CHAT
from arc_proxy.wire.openai_completions import OPENAI_COMPLETIONS
from arc_proxy.wire.openai_embeddings import OPENAI_EMBEDDINGS
from arc_proxy.wire.openai_media import OPENAI_AUDIO, OPENAI_IMAGES
from arc_proxy.wire.openai_responses import OPENAI_RESPONSES
from arc_proxy.wire.providers import recognise_detail, recognise_provider
from arc_proxy.wire.single import SINGLE_DIALECTS
from arc_proxy.wire.stream import StreamEvent
from arc_proxy.wire.token_count import TOKEN_COUNT
from arc_proxy.wire.unknown import UNKNOWN

Headers = tuple[tuple[str, str], ...]

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        OPENAI_CHAT,
        OPENAI_RESPONSES,
        ANTHROPIC_MESSAGES,
        GEMINI_GENERATE,
        GEMINI_INTERACTIONS,
        BEDROCK_CONVERSE,
        BEDROCK_INVOKE,
        COHERE_CHAT,
        OLLAMA_CHAT,
        DASHSCOPE_GENERATION,
        OPENAI_COMPLETIONS,
        OPENAI_EMBEDDINGS,
        OPENAI_IMAGES,
        OPENAI_AUDIO,
        TOKEN_COUNT,
        *SINGLE_DIALECTS,
        UNKNOWN,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange:
    """One request and its response, framing removed, content-encoding left on."""

    method: str
    url: str  # the whole URL it went to; where it went nowhere, the target as the client sent it
    upstream: str | None = None  # the prefix that chose the provider: "openai", "anthropic" ...
    request_headers: Headers = ()
    request_body: bytes = b""
    status: int | None = None  # None: there was no response
    response_headers: Headers = ()
    response_body: bytes = b""
    response_whole: bool = True  # the framing says that all of it arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    provider: str
    provider_detail: str | None = None  # of "other": who it is, in the price book's word
    dialect: str
    endpoint: str
    kind: Kind
    prompt: Prompt
    reply: Reply
    billed_tools: tuple[str, ...] = ()  # uses of the provider's own tools that cost something
    streams: bool = False  # the path alone says that the response is a stream
    notes: tuple[str, ...] = ()  # what could not be read, in words


def read_exchange(exchange: HttpExchange) -> Reading:
    """Never raises: what is not understood is read by the fallback dialect, with a note."""
    host, path = _split_url(exchange.url)
    form = recognise_form(exchange.method, path)
    dialect = DIALECTS[form.dialect]
    notes: list[str] = []
    prompt = _read_request(exchange, form, dialect, notes)
    reply = Reply()
    if exchange.status is not None:
        reply = _read_response(exchange, exchange.status, dialect, notes)
        if form.model_answers and reply.model is None and exchange.status < 400:
            reply = replace(reply, model=form.model)
    return Reading(
        provider=recognise_provider(upstream=exchange.upstream, host=host, endpoint=form.endpoint),
        provider_detail=recognise_detail(upstream=exchange.upstream, host=host),
        dialect=dialect.name,
        endpoint=form.endpoint,
        kind=form.kind,
        prompt=prompt,
        reply=reply,
        billed_tools=reply.server_tools if reply.billed_tools is None else reply.billed_tools,
        streams=form.streams,
        notes=tuple(notes),
    )


def _split_url(url: str) -> tuple[str | None, str]:
    """Host with port (None for a bare target) and path, of whatever stands there."""
    rest, _, _ = url.partition("#")
    rest, _, _ = rest.partition("?")
    scheme, mark, behind = rest.partition("://")
    if not mark or "/" in scheme:
        return None, rest
    authority, slash, path = behind.partition("/")
    return authority.rpartition("@")[2], slash + path


def _read_request(exchange: HttpExchange, form: Form, dialect: Dialect, notes: list[str]) -> Prompt:
    body, note = decode_body(exchange.request_headers, exchange.request_body)
    if note:
        notes.append(f"request: {note}")
    try:
        prompt = dialect.read_prompt(_read_document(body, _content_type(exchange.request_headers)))
    except WireError as error:
        notes.append(f"request: {error}")
        prompt = Prompt()
    return replace(
        prompt,
        model=prompt.model or form.model,
        stream=prompt.stream or form.streams,
        messages=tuple(map(stub_media, prompt.messages)),
    )


def _read_document(body: bytes, content_type: str) -> JsonObject:
    """The JSON object that a request is, credentials cut; an empty one if it has no body."""
    if not body:
        return {}
    if content_type.lower().startswith("multipart/form-data"):
        fields = read_form(body)
        if fields is not None:
            return cut_credentials(fields)
    try:
        value = read_value(body)
    except ValueError as error:
        raise WireError(f"no JSON ({error})") from error
    if not isinstance(value, dict):
        raise WireError("JSON, but no object")
    return cut_credentials(value) if may_hold_credentials(body) else value


def _read_response(exchange: HttpExchange, status: int, dialect: Dialect, notes: list[str]) -> Reply:
    body, note = decode_body(exchange.response_headers, exchange.response_body)
    if note:
        notes.append(f"response: {note}")
    try:
        reply = _read_body(exchange, body, dialect, notes)
    except WireError as error:
        notes.append(f"response: {error}")
        reply = Reply()
    if reply.message is not None:
        reply = replace(reply, message=stub_media(reply.message))
    if reply.usage is None:
        reply = replace(reply, usage=read_header_usage(exchange.response_headers))
    if status >= 400 and reply.error is None:
        reply = replace(reply, error=read_refusal_text(body, exchange.response_headers))
    return reply


def _read_body(exchange: HttpExchange, body: bytes, dialect: Dialect, notes: list[str]) -> Reply:
    whole = exchange.response_whole
    content_type = _content_type(exchange.response_headers)
    framing = recognise_framing(body, content_type, arrays=dialect.streams_arrays)
    if framing is not None:
        reply = _read_stream(framing(body, notes), dialect, notes, whole=whole)
        return _as_refused(reply, exchange)
    try:
        value = read_value(body) if body else None
    except ValueError as error:
        if dialect.read_text is None or dialect is UNKNOWN or not whole:
            notes.append(f"response: {'no JSON' if whole else 'cut'} ({error})")
        value = None
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]  # an error comes in a list now and then
    if not isinstance(value, dict):
        return _read_no_document(exchange, body, dialect)
    reply = dialect.read_reply(value)
    if exchange.status is not None and exchange.status >= 400 and reply.error is None:
        reply = replace(reply, error=read_refusal(value))
    return _as_refused(reply, exchange)


def _read_no_document(exchange: HttpExchange, body: bytes, dialect: Dialect) -> Reply:
    if dialect.read_text is None:
        return Reply()
    if (exchange.status or 0) >= 400:  # an error's page is no answer
        body = b""
    reply = dialect.read_text(body, _content_type(exchange.response_headers))
    return reply if exchange.response_whole else replace(reply, finished=False)


def _as_refused(reply: Reply, exchange: HttpExchange) -> Reply:
    """Of a status of 400 and more: the error's type, where only a header says it."""
    if reply.error is None or reply.error.type is not None or (exchange.status or 0) < 400:
        return reply
    error = CallError(type=header_type(exchange.response_headers), message=reply.error.message)
    return replace(reply, error=error)


def _content_type(headers: Headers) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _read_stream(framed: Iterator[StreamEvent], dialect: Dialect, notes: list[str], *, whole: bool) -> Reply:
    strange = 0

    def events() -> Iterator[StreamEvent]:
        nonlocal strange
        for event in framed:
            strange += not event.data.startswith((b"{", b"[DONE]"))
            yield event

    reply = dialect.read_stream(events())
    if strange:
        notes.append(f"response: {strange} events are no JSON objects")
    # Some never send their dialect's end (Perplexity no `[DONE]`): a reason to have finished and whole
    # framing say the same.
    ended = reply.finished or (whole and (reply.finish_reason is not None or dialect is UNKNOWN))
    return reply if ended == reply.finished else replace(reply, finished=ended)
