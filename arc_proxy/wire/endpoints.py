"""
What is asked for, by the shape of the path. No I/O.

Providers put their own prefix before the same last segments (`/v1`, `/openai/v1`, `/compatible-mode/v1`,
`/api/paas/v4`, `/openai/deployments/{deployment}`), so the last segments decide. The endpoint words reach
the database and the export: never rename.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote

from arc_proxy.call import Kind

PATH_CHARS_MAX = 4096
_METHOD_CHARS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    endpoint: str
    kind: Kind
    dialect: str = "unknown"
    model: str | None = None  # where the path names it: Azure's deployments, Gemini, Vertex AI, Bedrock
    model_answers: bool = False  # no response names its model, so it is that of the path
    streams: bool = False  # the path alone says that the response is a stream


_OTHER = Form(endpoint="other", kind=Kind.OTHER)
_AUXILIARY = Form(endpoint="other", kind=Kind.AUXILIARY)
_BATCH = Form(endpoint="other", kind=Kind.BATCH)
_CHAT = Form(endpoint="chat.completions", kind=Kind.GENERATION, dialect="openai.chat")
_RESPONSES = Form(endpoint="responses", kind=Kind.GENERATION, dialect="openai.responses")
_MESSAGES = Form(endpoint="messages", kind=Kind.GENERATION, dialect="anthropic.messages")
_EMBEDDINGS = Form(endpoint="embeddings", kind=Kind.EMBEDDING, dialect="openai.embeddings")
_OTHER_EMBEDDINGS = Form(endpoint="embeddings", kind=Kind.EMBEDDING)
_COUNT_TOKENS = Form(endpoint="count_tokens", kind=Kind.AUXILIARY, dialect="token_count")
_MODELS = Form(endpoint="models", kind=Kind.AUXILIARY)
_DASHSCOPE = Form(endpoint="dashscope.generation", kind=Kind.GENERATION, dialect="dashscope.generation")
_IMAGES = Form(endpoint="images", kind=Kind.MEDIA, dialect="openai.images")
_OTHER_IMAGES = Form(endpoint="images", kind=Kind.MEDIA)
_AUDIO = Form(endpoint="audio", kind=Kind.MEDIA, dialect="openai.audio")
_OLLAMA_EMBED = replace(_OTHER_EMBEDDINGS, dialect="ollama.embed")
_BEDROCK_EMBED = replace(_OTHER_EMBEDDINGS, dialect="bedrock.embed")
_COHERE_EMBED = replace(_OTHER_EMBEDDINGS, dialect="cohere.embed")
_DASHSCOPE_EMBED = replace(_OTHER, kind=Kind.EMBEDDING, dialect="dashscope.embed")
_RERANK = Form(endpoint="rerank", kind=Kind.OTHER, dialect="rerank")
_OTHER_MEDIA = Form(endpoint="other", kind=Kind.MEDIA)

# The last two segments, or the last one alone, longest first.
_BY_LAST_SEGMENTS: dict[tuple[str, ...], Form] = {
    ("chat", "completions"): _CHAT,
    ("completions",): Form(endpoint="completions", kind=Kind.GENERATION, dialect="openai.completions"),
    ("responses",): _RESPONSES,
    ("responses", "compact"): _RESPONSES,
    ("responses", "input_tokens"): _AUXILIARY,
    ("messages",): _MESSAGES,
    ("messages", "count_tokens"): _COUNT_TOKENS,
    ("messages", "batches"): _BATCH,
    ("batches",): _BATCH,
    ("embeddings",): _EMBEDDINGS,
    ("api", "embeddings"): _OLLAMA_EMBED,  # the older one
    ("api", "embed"): _OLLAMA_EMBED,
    ("v1", "embed"): _COHERE_EMBED,
    ("v2", "embed"): _COHERE_EMBED,
    ("embed",): _OTHER_EMBEDDINGS,
    ("text-embedding", "text-embedding"): _DASHSCOPE_EMBED,
    ("multimodal-embedding", "multimodal-embedding"): _DASHSCOPE_EMBED,
    ("images", "generations"): _IMAGES,
    ("images", "edits"): _IMAGES,
    ("images", "variations"): _IMAGES,
    ("audio", "speech"): _AUDIO,
    ("audio", "transcriptions"): _AUDIO,
    ("audio", "translations"): _AUDIO,
    ("text2image", "image-synthesis"): _OTHER_MEDIA,
    ("image2image", "image-synthesis"): _OTHER_MEDIA,
    ("video-generation", "video-synthesis"): _OTHER_MEDIA,
    ("image", "generate"): _OTHER_MEDIA,
    ("videos",): _OTHER_MEDIA,
    ("moderations",): Form(endpoint="moderation", kind=Kind.OTHER, dialect="openai.moderation"),
    ("rerank",): _RERANK,
    ("text-rerank", "text-rerank"): replace(_OTHER, dialect="rerank"),  # DashScope
    ("api", "chat"): Form(endpoint="ollama.chat", kind=Kind.GENERATION, dialect="ollama.chat"),
    ("api", "generate"): Form(endpoint="ollama.generate", kind=Kind.GENERATION, dialect="ollama.chat"),
    ("v1", "chat"): Form(endpoint="cohere.chat", kind=Kind.GENERATION, dialect="cohere.chat"),
    ("v2", "chat"): Form(endpoint="cohere.chat", kind=Kind.GENERATION, dialect="cohere.chat"),
    ("v1", "generate"): Form(endpoint="cohere.chat", kind=Kind.GENERATION, dialect="cohere.chat"),
    ("v1", "complete"): Form(
        endpoint="other", kind=Kind.GENERATION, dialect="anthropic.messages"
    ),  # Anthropic before messages
    ("interactions",): Form(endpoint="interactions", kind=Kind.GENERATION, dialect="gemini.interactions"),
    ("text-generation", "generation"): _DASHSCOPE,
    ("multimodal-generation", "generation"): _DASHSCOPE,
    ("api", "tags"): _MODELS,
    ("api", "show"): _AUXILIARY,
    ("api", "pull"): _AUXILIARY,
    ("realtime",): _OTHER,
    ("files",): _AUXILIARY,
    ("uploads",): _AUXILIARY,
    ("conversations",): _AUXILIARY,
    ("assistants",): _AUXILIARY,
    ("threads",): _AUXILIARY,
    ("cancel",): _AUXILIARY,
    ("tokenize",): _AUXILIARY,
}

# Google's verbs, behind the colon of the last segment.
_BY_VERB = {
    "generateContent": Form(endpoint="generateContent", kind=Kind.GENERATION, dialect="gemini.generate"),
    "streamGenerateContent": Form(
        endpoint="streamGenerateContent", kind=Kind.GENERATION, dialect="gemini.generate", streams=True
    ),
    "countTokens": _COUNT_TOKENS,
    "embedContent": _OTHER_EMBEDDINGS,
    "batchEmbedContents": _OTHER_EMBEDDINGS,
    "asyncBatchEmbedContent": _BATCH,
    "batchGenerateContent": _BATCH,
    "predictLongRunning": _OTHER_MEDIA,
}

_CONVERSE = Form(endpoint="converse", kind=Kind.GENERATION, dialect="bedrock.converse", model_answers=True)
_INVOKE = Form(endpoint="invoke_model", kind=Kind.GENERATION, dialect="bedrock.invoke", model_answers=True)
_BEDROCK = {
    "converse": _CONVERSE,
    "converse-stream": replace(_CONVERSE, streams=True),
    "invoke": _INVOKE,
    "invoke-with-response-stream": replace(_INVOKE, streams=True),
    "count-tokens": _COUNT_TOKENS,
}

# Only their POST makes something; the rest asks for what is there.
_ASKING_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def recognise_form(method: str, path: str) -> Form:
    """
    What a request to this path asks for.

    Whatever is no POST is auxiliary, with the dialect that a stored response would be read in.
    """
    # Cut before it is remembered, so that the memory of paths is bounded in bytes, too.
    return _recognise(method[:_METHOD_CHARS_MAX].upper(), path[:PATH_CHARS_MAX])


@lru_cache(maxsize=4096)
def _recognise(method: str, path: str) -> Form:
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if not segments:
        return _AUXILIARY
    form = _recognise_retrieval(segments) if method == "GET" else None
    form = form or _recognise_segments(segments)
    if method in _ASKING_METHODS and segments[-1] != "realtime":
        form = replace(form, kind=Kind.AUXILIARY)
        if segments[-1] == "responses":  # a list of them, or a mistake: no response
            form = _AUXILIARY
    return form


def _recognise_retrieval(segments: list[str]) -> Form | None:
    """A stored object fetched by its id, or a list of models."""
    before = segments[-2:-1]
    if segments[-1] == "models" or before == ["models"]:
        return _MODELS
    if before == ["responses"]:
        return _RESPONSES
    if segments[-3:-1] == ["chat", "completions"]:
        return _CHAT
    return None


def _recognise_segments(segments: list[str]) -> Form:
    last = segments[-1]
    model = _bedrock_model(segments) if last in _BEDROCK else None
    if model is not None:
        form = _BEDROCK_EMBED if last == "invoke" and "embed" in model else _BEDROCK[last]
        if form.endpoint == "invoke_model" and "anthropic.claude" in model:
            form = replace(form, dialect="anthropic.messages")
        return replace(form, model=model)
    if ":" in last:
        return _recognise_verb(segments)
    form = _BY_LAST_SEGMENTS.get(tuple(segments[-2:])) or _BY_LAST_SEGMENTS.get((last,)) or _OTHER
    if form is _MESSAGES and "threads" in segments:  # a thread's messages, of the assistants API
        return _AUXILIARY
    if "deployments" in segments[:-1]:
        return replace(form, model=segments[segments.index("deployments") + 1])
    return form


def _bedrock_model(segments: list[str]) -> str | None:
    """`model/{model}/{verb}`; some clients leave the slash of a profile's ARN as it is."""
    if "model" not in segments[:-2]:
        return None
    named = segments[segments.index("model") + 1 : -1]
    return "/".join(named) if len(named) == 1 or named[0].startswith("arn:") else None


def _recognise_verb(segments: list[str]) -> Form:
    """`models/{model}:{verb}`; on Vertex AI behind `publishers/{publisher}`."""
    model, _, verb = segments[-1].rpartition(":")
    if verb in {"rawPredict", "streamRawPredict"}:
        publisher = segments[segments.index("publishers") + 1] if "publishers" in segments[:-1] else ""
        return _recognise_raw(publisher, model, streams=verb == "streamRawPredict")
    if verb == "predict":
        form = _OTHER_EMBEDDINGS if "embedding" in model else _OTHER_IMAGES if "imagen" in model else _OTHER
    else:
        form = _BY_VERB.get(verb, _OTHER)
    return replace(form, model=model if "models" in segments[:-1] else None)


def _recognise_raw(publisher: str, model: str, *, streams: bool) -> Form:
    """Vertex AI passes other publishers' dialects through."""
    if model == "count-tokens":
        return _COUNT_TOKENS
    form = {"anthropic": _MESSAGES, "mistralai": _CHAT}.get(publisher, _OTHER)
    return replace(form, model=model, streams=streams)
