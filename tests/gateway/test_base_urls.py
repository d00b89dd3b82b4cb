"""Every form of base URL that clients are given: where a gateway leads it, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from arc_proxy.wire.exchange import HttpExchange, read_exchange
from tests.fake_provider import BODY, FakeProvider, reply
from tests.gateway.harness import StartGateway


@dataclass(frozen=True)
class Form:
    target: str  # what the client asks of us
    upstream: str  # what the provider is asked
    provider: str
    dialect: str
    endpoint: str
    model: str | None = None  # of the path


def _google(version: str, verb: str = "generateContent") -> str:
    return f"/{version}/models/gemini-3-pro:{verb}"


_DEPLOYMENT = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
_VERTEX = "/v1/projects/p/locations/us-east5/publishers"
_GEMINI = ("google", "gemini.generate")

FORMS = {
    "OpenAI": Form(
        "/openai/v1/chat/completions", "/v1/chat/completions", "openai", "openai.chat", "chat.completions"
    ),
    "OpenAI, responses": Form(
        "/openai/v1/responses", "/v1/responses", "openai", "openai.responses", "responses"
    ),
    "OpenAI, bare": Form(
        "/v1/chat/completions", "/v1/chat/completions", "openai", "openai.chat", "chat.completions"
    ),
    "OpenAI, bare and without its version": Form(
        "/chat/completions", "/chat/completions", "openai", "openai.chat", "chat.completions"
    ),
    "Anthropic": Form(
        "/anthropic/v1/messages", "/v1/messages", "anthropic", "anthropic.messages", "messages"
    ),
    "Anthropic as Claude Code asks": Form(
        "/agent/a/anthropic/v1/messages?beta=true",
        "/v1/messages?beta=true",
        "anthropic",
        "anthropic.messages",
        "messages",
    ),
    "Anthropic without its version, as Vercel asks": Form(
        "/anthropic/messages", "/messages", "anthropic", "anthropic.messages", "messages"
    ),
    "Anthropic with its version twice": Form(
        "/anthropic/v1/v1/messages", "/v1/v1/messages", "anthropic", "anthropic.messages", "messages"
    ),
    "Google, v1beta": Form(
        f"/gemini{_google('v1beta')}", _google("v1beta"), *_GEMINI, "generateContent", "gemini-3-pro"
    ),
    "Google, v1": Form(f"/gemini{_google('v1')}", _google("v1"), *_GEMINI, "generateContent", "gemini-3-pro"),
    "Google, v1, bare": Form(_google("v1"), _google("v1"), *_GEMINI, "generateContent", "gemini-3-pro"),
    "Google, streamed": Form(
        f"/google{_google('v1', 'streamGenerateContent')}?alt=sse",
        f"{_google('v1', 'streamGenerateContent')}?alt=sse",
        *_GEMINI,
        "streamGenerateContent",
        "gemini-3-pro",
    ),
    "Google, as OpenAI": Form(
        "/gemini/v1beta/openai/chat/completions",
        "/v1beta/openai/chat/completions",
        "google",
        "openai.chat",
        "chat.completions",
    ),
    "Code Assist": Form(
        "/codeassist/v1internal:streamGenerateContent?alt=sse",
        "/v1internal:streamGenerateContent?alt=sse",
        *_GEMINI,
        "streamGenerateContent",
    ),
    "Azure, a deployment": Form(
        f"/azure/my-res{_DEPLOYMENT}", _DEPLOYMENT, "azure", "openai.chat", "chat.completions", "my-gpt"
    ),
    "Azure, asked as if we were the resource": Form(
        _DEPLOYMENT, _DEPLOYMENT, "azure", "openai.chat", "chat.completions", "my-gpt"
    ),
    "Azure, its newer form": Form(
        "/azure/my-res/openai/v1/responses", "/openai/v1/responses", "azure", "openai.responses", "responses"
    ),
    "Azure, Claude": Form(
        "/azure_ai/my-res/anthropic/v1/messages",
        "/anthropic/v1/messages",
        "azure",
        "anthropic.messages",
        "messages",
    ),
    "Vertex, Gemini": Form(
        f"/vertex{_VERTEX}/google/models/gemini-3-pro:generateContent",
        f"{_VERTEX}/google/models/gemini-3-pro:generateContent",
        *_GEMINI,
        "generateContent",
        "gemini-3-pro",
    ),
    "Vertex, Claude": Form(
        f"/vertex_ai{_VERTEX}/anthropic/models/claude-sonnet-5:streamRawPredict",
        f"{_VERTEX}/anthropic/models/claude-sonnet-5:streamRawPredict",
        "google",
        "anthropic.messages",
        "messages",
        "claude-sonnet-5",
    ),
    "Bedrock": Form(
        "/bedrock/eu-west-1/model/anthropic.claude-sonnet-5-v1%3A0/converse",
        "/model/anthropic.claude-sonnet-5-v1%3A0/converse",
        "bedrock",
        "bedrock.converse",
        "converse",
        "anthropic.claude-sonnet-5-v1:0",
    ),
    "Ollama": Form("/ollama/api/chat", "/api/chat", "ollama", "ollama.chat", "ollama.chat"),
    "Ollama, bare": Form("/api/chat", "/api/chat", "ollama", "ollama.chat", "ollama.chat"),
    "Ollama, as OpenAI": Form(
        "/ollama/v1/chat/completions", "/v1/chat/completions", "ollama", "openai.chat", "chat.completions"
    ),
    "ChatGPT's back end": Form(
        "/chatgpt/backend-api/codex/responses",
        "/backend-api/codex/responses",
        "other",
        "openai.responses",
        "responses",
    ),
    "Groq, with its root": Form(
        "/groq/openai/v1/chat/completions",
        "/openai/v1/chat/completions",
        "groq",
        "openai.chat",
        "chat.completions",
    ),
    "Cohere": Form("/cohere/v2/chat", "/v2/chat", "cohere", "cohere.chat", "cohere.chat"),
    "OpenRouter": Form(
        "/openrouter/api/v1/chat/completions",
        "/api/v1/chat/completions",
        "openrouter",
        "openai.chat",
        "chat.completions",
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_each_base_url_leads_to_its_provider(
    form: Form, provider: FakeProvider, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(upstreams={"*": provider.url})
    provider.play(BODY, reply(b"{}"))
    wire = await gateway.connect()
    await wire.send(gateway.request(form.target, b"Connection: close", method=b"POST", body=b"{}"))
    assert (await wire.rest()).startswith(b"HTTP/1.1 200 ")
    assert provider.requests[0].line == f"POST {form.upstream} HTTP/1.1".encode()
    [call] = await gateway.ended()
    assert call.request.url is not None
    read = read_exchange(HttpExchange(method="POST", url=call.request.url, upstream=call.request.upstream))
    seen = (read.provider, read.dialect, read.endpoint, read.prompt.model)
    assert seen == (form.provider, form.dialect, form.endpoint, form.model)
