from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Kind
from arc_proxy.wire.endpoints import recognise_form

GENERATION, EMBEDDING, MEDIA, BATCH, AUXILIARY, OTHER = Kind

POSTED = [
    ("/v1/chat/completions", "chat.completions", "openai.chat", GENERATION),
    ("/chat/completions", "chat.completions", "openai.chat", GENERATION),
    ("/openai/v1/chat/completions", "chat.completions", "openai.chat", GENERATION),
    ("//openai/deployments/gpt-4o/chat/completions", "chat.completions", "openai.chat", GENERATION),
    ("/api/paas/v4/chat/completions/", "chat.completions", "openai.chat", GENERATION),
    ("/run/my-run/openai/v1/chat/completions", "chat.completions", "openai.chat", GENERATION),
    ("/v1/responses", "responses", "openai.responses", GENERATION),
    ("/backend-api/codex/responses", "responses", "openai.responses", GENERATION),
    ("/v1/responses/compact", "responses", "openai.responses", GENERATION),
    ("/v1/responses/input_tokens", "other", "unknown", AUXILIARY),
    ("/v1/responses/resp_1/cancel", "other", "unknown", AUXILIARY),
    ("/v1/messages", "messages", "anthropic.messages", GENERATION),
    ("/v1/messages/count_tokens", "count_tokens", "token_count", AUXILIARY),
    ("/v1/messages/batches", "other", "unknown", BATCH),
    ("/v1/batches", "other", "unknown", BATCH),
    ("/v1/threads/thread_1/messages", "other", "unknown", AUXILIARY),
    ("/v1/embeddings", "embeddings", "openai.embeddings", EMBEDDING),
    ("/api/v1/embeddings", "embeddings", "openai.embeddings", EMBEDDING),
    ("/api/embeddings", "embeddings", "ollama.embed", EMBEDDING),
    ("/api/embed", "embeddings", "ollama.embed", EMBEDDING),
    ("/v1/embed", "embeddings", "cohere.embed", EMBEDDING),
    ("/v1/completions", "completions", "openai.completions", GENERATION),
    ("/v1/complete", "other", "anthropic.messages", GENERATION),
    ("/v1/images/generations", "images", "openai.images", MEDIA),
    ("/v1/audio/transcriptions", "audio", "openai.audio", MEDIA),
    ("/v1/moderations", "moderation", "openai.moderation", OTHER),
    ("/v2/rerank", "rerank", "rerank", OTHER),
    ("/v2/chat", "cohere.chat", "cohere.chat", GENERATION),
    ("/api/chat", "ollama.chat", "ollama.chat", GENERATION),
    ("/api/generate", "ollama.generate", "ollama.chat", GENERATION),
    ("/v1beta/interactions", "interactions", "gemini.interactions", GENERATION),
    (
        "/api/v1/services/aigc/text-generation/generation",
        "dashscope.generation",
        "dashscope.generation",
        GENERATION,
    ),
    ("/v1beta/models/gemini-x:generateContent", "generateContent", "gemini.generate", GENERATION),
    ("/v1beta/models/gemini-x:streamGenerateContent", "streamGenerateContent", "gemini.generate", GENERATION),
    ("/v1internal:streamGenerateContent", "streamGenerateContent", "gemini.generate", GENERATION),
    ("/v1beta/models/gemini-x:countTokens", "count_tokens", "token_count", AUXILIARY),
    ("/v1beta/models/gemini-e:batchEmbedContents", "embeddings", "unknown", EMBEDDING),
    ("/v1beta/models/gemini-x:batchGenerateContent", "other", "unknown", BATCH),
    ("/v1/publishers/google/models/gemini-embedding-001:predict", "embeddings", "unknown", EMBEDDING),
    ("/v1/publishers/google/models/imagen-4:predict", "images", "unknown", MEDIA),
    ("/v1/publishers/anthropic/models/claude-x@1:rawPredict", "messages", "anthropic.messages", GENERATION),
    ("/v1/publishers/anthropic/models/count-tokens:rawPredict", "count_tokens", "token_count", AUXILIARY),
    ("/v1/publishers/meta/models/llama:rawPredict", "other", "unknown", OTHER),
    ("/model/amazon.nova-lite-v1%3A0/converse", "converse", "bedrock.converse", GENERATION),
    ("/model/anthropic.claude-v2/invoke", "invoke_model", "anthropic.messages", GENERATION),
    ("/model/amazon.nova-lite-v1%3A0/invoke", "invoke_model", "bedrock.invoke", GENERATION),
    ("/model/amazon.titan-embed-text-v2%3A0/invoke", "embeddings", "bedrock.embed", EMBEDDING),
    (
        "/model/arn:aws:bedrock:r:1:inference-profile/x/converse",
        "converse",
        "bedrock.converse",
        GENERATION,
    ),
    ("/model/a/b/converse", "other", "unknown", OTHER),
    ("/v1/files", "other", "unknown", AUXILIARY),
    ("/oauth/token", "other", "unknown", OTHER),
    ("/publishers", "other", "unknown", OTHER),
    ("/a:rawPredict", "other", "unknown", OTHER),
    ("/:", "other", "unknown", OTHER),
]


@pytest.mark.parametrize("slash", ["/", "%2F"])
def test_the_model_may_be_an_arn(slash: str) -> None:
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    path = f"/bedrock/model/{arn.replace('/', slash)}/invoke"
    assert recognise_form("POST", path).model == arn


@pytest.mark.parametrize(("path", "endpoint", "dialect", "kind"), POSTED, ids=[row[0] for row in POSTED])
def test_a_post_to(path: str, endpoint: str, dialect: str, kind: Kind) -> None:
    form = recognise_form("POST", path)
    assert (form.endpoint, form.dialect, form.kind) == (endpoint, dialect, kind)


ASKED = [
    ("HEAD", "/", "other", "unknown"),
    ("GET", "/", "other", "unknown"),
    ("HEAD", "/v1/messages", "messages", "anthropic.messages"),
    ("GET", "/v1/models", "models", "unknown"),
    ("GET", "/v1/models/gpt-x", "models", "unknown"),
    ("GET", "/api/tags", "models", "unknown"),
    ("GET", "/v1/responses/resp_1", "responses", "openai.responses"),
    ("GET", "/v1/responses", "other", "unknown"),
    ("GET", "/v1/chat/completions/chatcmpl-1", "chat.completions", "openai.chat"),
    ("GET", "/v1/batches/batch_1", "other", "unknown"),
    ("GET", "/v1/files/file_1/content", "other", "unknown"),
    ("DELETE", "/v1/responses/resp_1", "other", "unknown"),
    ("OPTIONS", "/v1/chat/completions", "chat.completions", "openai.chat"),
    ("GET", "/api/v1/generation", "other", "unknown"),
]


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "dialect"), ASKED, ids=[" ".join(r[:2]) for r in ASKED]
)
def test_asking_for_what_is_there_is_auxiliary(method: str, path: str, endpoint: str, dialect: str) -> None:
    form = recognise_form(method, path)
    assert (form.endpoint, form.dialect, form.kind) == (endpoint, dialect, AUXILIARY)


MODELS = [
    ("/openai/deployments/my-gpt/chat/completions", "my-gpt", False),
    ("/openai/deployments", None, False),
    ("/v1beta/models/gemini-x:streamGenerateContent", "gemini-x", True),
    (
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:streamRawPredict",
        "claude-x@1",
        True,
    ),
    ("/model/us.amazon.nova-lite-v1%3A0/converse-stream", "us.amazon.nova-lite-v1:0", True),
    ("/model/x/invoke-with-response-stream", "x", True),
    ("/v1/chat/completions", None, False),
]


@pytest.mark.parametrize(("path", "model", "streams"), MODELS, ids=[row[0] for row in MODELS])
def test_the_model_in_the_path_is(path: str, model: str | None, streams: bool) -> None:
    form = recognise_form("POST", path)
    assert (form.model, form.streams) == (model, streams)


segments = st.sampled_from(
    [
        "v1",
        "chat",
        "completions",
        "model",
        "models",
        "publishers",
        "deployments",
        "a:rawPredict",
        ":predict",
        "invoke",
        "%",
    ]
)


@given(st.sampled_from(["GET", "POST", "", "\x00"]), st.lists(segments | st.text(max_size=3)).map("/".join))
def test_any_path_has_a_form(method: str, path: str) -> None:
    assert recognise_form(method, path).endpoint
