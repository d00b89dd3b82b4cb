from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.refusal import Refusal
from arc_proxy.gateway.routes import PROVIDERS, Route, Routes, parse_upstream

URLS = {
    "openai": ("/openai/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
    "the query as it is": ("/openai/v1/x?a=%2F&b", "https://api.openai.com/v1/x?a=%2F&b"),
    "a trailing question mark": ("/openai/v1/x?", "https://api.openai.com/v1/x?"),
    "escapes stay": ("/openai/v1/a%2Fb%2e%2e/x", "https://api.openai.com/v1/a%2Fb%2e%2e/x"),
    "a prefix alone": ("/anthropic", "https://api.anthropic.com/"),
    "a prefix and a query": ("/anthropic?beta=true", "https://api.anthropic.com/?beta=true"),
    "an alias": ("/google/v1beta/models", "https://generativelanguage.googleapis.com/v1beta/models"),
    "a root as the vendor has it": ("/groq/openai/v1/models", "https://api.groq.com/openai/v1/models"),
    "a root that is missing": ("/groq/v1/models", "https://api.groq.com/openai/v1/models"),
    "openrouter": ("/openrouter/api/v1/models", "https://openrouter.ai/api/v1/models"),
    "azure": (
        "/azure/my-res/openai/deployments/d/chat/completions?api-version=1",
        "https://my-res.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
    ),
    "bedrock": (
        "/bedrock/eu-west-1/model/a%3A0/converse",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a%3A0/converse",
    ),
    "vertex, a region": (
        "/vertex_ai/v1/projects/p/locations/us-east5/publishers/x",
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/x",
    ),
    "vertex, global": (
        "/v1/projects/p/locations/global/publishers/x",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/x",
    ),
    "bare messages": ("/v1/messages?beta=true", "https://api.anthropic.com/v1/messages?beta=true"),
    "bare messages without v1": ("/messages", "https://api.anthropic.com/v1/messages"),
    "bare count_tokens": ("/v1/messages/count_tokens", "https://api.anthropic.com/v1/messages/count_tokens"),
    "bare chat": ("/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
    "bare chat without v1": ("/chat/completions", "https://api.openai.com/v1/chat/completions"),
    "anthropic as Vercel asks": ("/anthropic/messages?a=1", "https://api.anthropic.com/v1/messages?a=1"),
    "anthropic with the version twice": (
        "/anthropic/v1/v1/messages/count_tokens",
        "https://api.anthropic.com/v1/messages/count_tokens",
    ),
    "what anthropic has beside its versions": (
        "/anthropic/api/hello",
        "https://api.anthropic.com/api/hello",
    ),
    "openai without v1": ("/openai/responses", "https://api.openai.com/v1/responses"),
    "the back end of ChatGPT": (
        "/chatgpt/backend-api/codex/responses",
        "https://chatgpt.com/backend-api/codex/responses",
    ),
    "the back end of ChatGPT without its root": (
        "/chatgpt/responses",
        "https://chatgpt.com/backend-api/codex/responses",
    ),
    "bare responses": ("/v1/responses/r_1", "https://api.openai.com/v1/responses/r_1"),
    "bare gemini": (
        "/v1beta/models/g:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent",
    ),
    "bare gemini under v1": (
        "/v1/models/g:streamGenerateContent?alt=sse",
        "https://generativelanguage.googleapis.com/v1/models/g:streamGenerateContent?alt=sse",
    ),
    "bare gemini live": (
        "/ws/google.ai.generativelanguage.v1beta.X",
        "https://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.X",
    ),
    "bare models": ("/v1/models", "https://api.openai.com/v1/models"),
    "bare ollama": ("/api/chat", "http://127.0.0.1:11434/api/chat"),
    "a host in the path is only a path": (
        "/openai//evil.example/x",
        "https://api.openai.com//evil.example/x",
    ),
    "an @ in the path is only a path": ("/openai/@evil.example/x", "https://api.openai.com/@evil.example/x"),
    "a backslash in the path is only a path": ("/openai/\\evil", "https://api.openai.com/\\evil"),
}


@pytest.mark.parametrize(("target", "url"), URLS.values(), ids=URLS)
def test_finds(target: str, url: str) -> None:
    route = Routes({}).find(target)
    assert isinstance(route, Route)
    assert route.url == url
    assert route.upstream.is_default


def test_an_anthropic_client_asks_anthropic_for_models() -> None:
    route = Routes({}).find("/v1/models?limit=1000", is_anthropic=True)
    assert isinstance(route, Route)
    assert route.upstream.name == "anthropic"


UNKNOWN = {
    "an unknown word": "/nosuch/v1/x",
    "nothing": "/",
    "a double slash": "//evil.example/x",
    "an @": "/@evil.example/x",
    "a word with an @": "/openai@evil.example/v1/x",
    "a word with a backslash": "/openai\\evil/v1/x",
    "an encoded word": "/%6fpenai/v1/x",
    "azure without a resource": "/azure/openai/deployments/d",
    "azure in its own form": "/openai/deployments/d/chat/completions?api-version=1",
    "a resource that is no name": "/azure/evil.example%2f/openai",
    "a resource with a dot": "/azure/evil.example/openai",
    "a resource in capitals": "/azure/EVIL/openai",
    "bedrock without a region": "/bedrock/model/x/converse",
    "a region that is none": "/bedrock/evil/model/x/converse",
}


@pytest.mark.parametrize("target", UNKNOWN.values(), ids=UNKNOWN)
def test_refuses(target: str) -> None:
    refusal = Routes({}).find(target)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 404


def test_the_refusal_lists_what_is_known() -> None:
    refusal = Routes({"mine": "http://127.0.0.1:1"}).find("/nosuch")
    assert isinstance(refusal, Refusal)
    assert all(f"/{name}" in refusal.message for name in ("openai", "anthropic", "mine"))


MOVED = {
    "a provider": ({"openai": "http://127.0.0.1:4010"}, "/openai/v1/x", "http://127.0.0.1:4010/v1/x"),
    "its bare paths too": (
        {"openai": "http://h:1"},
        "/v1/chat/completions",
        "http://h:1/v1/chat/completions",
    ),
    "by an alias": ({"google": "http://h:1"}, "/gemini/v1beta/x", "http://h:1/v1beta/x"),
    "a prefix alone": ({"openai": "http://h/t/"}, "/openai", "http://h/t"),
    "a prefix and a query": ({"openai": "http://h/t"}, "/openai?beta=true", "http://h/t?beta=true"),
    "with a path of its own": ({"openai": "http://h/t/a/"}, "/openai/v1/x", "http://h/t/a/v1/x"),
    "no root is put in": ({"groq": "http://h"}, "/groq/v1/x", "http://h/v1/x"),
    "no version is put in": ({"anthropic": "http://h"}, "/anthropic/messages", "http://h/messages"),
    "everything": ({"*": "http://h:1"}, "/mistral/v1/x", "http://h:1/v1/x"),
    "everything but one": ({"*": "http://h:1", "groq": "http://g"}, "/groq/v1/x", "http://g/v1/x"),
    "azure with a resource": ({"azure": "http://h"}, "/azure/res/openai/x", "http://h/openai/x"),
    "azure without": ({"azure": "http://h"}, "/azure/openai/x", "http://h/openai/x"),
    "azure in its own form": (
        {"azure": "http://h"},
        "/openai/deployments/d/x",
        "http://h/openai/deployments/d/x",
    ),
    "bedrock without a region": (
        {"*": "http://h"},
        "/bedrock/model/a%3A0/converse",
        "http://h/model/a%3A0/converse",
    ),
    "one of one's own": ({"my-llm": "https://[::1]:9/x"}, "/my-llm/v1", "https://[::1]:9/x/v1"),
}


@pytest.mark.parametrize(("moved", "target", "url"), MOVED.values(), ids=MOVED)
def test_configuration_moves(moved: dict[str, str], target: str, url: str) -> None:
    route = Routes(moved).find(target)
    assert isinstance(route, Route)
    assert route.url == url
    assert not route.upstream.is_default


WRONG = {
    "no scheme": ("openai", "127.0.0.1:4010"),
    "another scheme": ("openai", "file:///etc/passwd"),
    "no host": ("openai", "http://"),
    "a query": ("openai", "http://h/?x=1"),
    "a password": ("openai", "http://u:p@h/"),
    "a port that is none": ("openai", "http://h:99999"),
    "a backslash": ("openai", "http://h\\@evil/"),
    "a name that is ours": ("_arc", "http://h"),
    "a name with a slash": ("a/b", "http://h"),
}


@pytest.mark.parametrize(("name", "url"), WRONG.values(), ids=WRONG)
def test_a_wrong_upstream_is_the_operators_error(name: str, url: str) -> None:
    with pytest.raises(ConfigError):
        Routes({name: url})


def test_every_default_is_an_upstream() -> None:
    for provider in PROVIDERS:
        upstream = parse_upstream(provider.name, provider.url.replace("{part}", "x"))
        assert upstream.path == ""


routes = Routes({})
hosts = {urlsplit(provider.url).hostname for provider in PROVIDERS if provider.part is None}


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_no_target_chooses_a_host(text: str) -> None:
    for target in (f"/{text}", f"/openai/{text}", f"/openai{text}", f"/groq/{text}"):
        route = routes.find(target)
        if isinstance(route, Route):
            assert route.upstream.host in hosts or route.upstream.name in ("azure", "bedrock", "vertex")
            assert route.path.startswith("/")


@given(st.text())
def test_a_part_is_one_label_of_the_host(text: str) -> None:
    route = routes.find(f"/azure/{text}/openai/x")
    if isinstance(route, Route):
        assert route.upstream.host.removesuffix(".openai.azure.com").count(".") == 0
        assert route.upstream.host.endswith(".openai.azure.com")
