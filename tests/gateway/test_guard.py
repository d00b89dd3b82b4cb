from __future__ import annotations

import pytest

from arc_proxy.gateway.guard import Doorkeeper, key_refusal
from arc_proxy.gateway.routes import Route, Routes

KNOWN_HOSTS = ("127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "box.lan:8000", "10.0.0.7")
UNKNOWN_HOSTS = ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.8", "localhost.evil")
NO_HOSTS = (
    None,
    "",
    "localhost:4000/#@attacker",
    "localhost#x",
    "localhost?x",
    "user@localhost",
    "localhost\\evil",
    "local host",
    "localhost:80:80",
    "localhost:",
    "[::1",
    "localhost, evil",
)
door = Doorkeeper(host="10.0.0.7", allow_hosts=["Box.lan:9000"], allow_origins=["https://app.example/"])


@pytest.mark.parametrize("host", KNOWN_HOSTS)
def test_lets_in(host: str) -> None:
    assert door.refusal(host, None, None) is None


@pytest.mark.parametrize("host", UNKNOWN_HOSTS)
def test_a_host_that_nobody_allowed(host: str) -> None:
    refusal = door.refusal(host, None, None)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (421, "host_not_allowed")
    assert host not in refusal.message


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_host_that_is_none(host: str | None) -> None:
    refusal = door.refusal(host, None, None)
    assert refusal is not None
    assert refusal.status == 400


def test_bound_to_every_address_any_address_will_do_but_no_name() -> None:
    wide = Doorkeeper(host="0.0.0.0", allow_hosts=(), allow_origins=())
    assert wide.refusal("192.168.3.4:8000", None, None) is None
    assert wide.refusal("[fe80::1]:8000", None, None) is None
    assert wide.refusal("evil.example", None, None) is not None


SITES = {
    "no browser": (None, None, True),
    "the address bar": (None, "none", True),
    "our own page": ("http://localhost:8000", "same-origin", True),
    "our own page behind TLS": ("https://localhost:8000", "same-origin", True),
    "an origin that was allowed": ("https://app.example", "cross-site", True),
    "a link on another port": (None, "same-site", True),
    "another site": ("http://evil.example", "cross-site", False),
    "another site without Origin": (None, "cross-site", False),
    "another port": ("http://localhost:3000", "same-site", False),
    "a sandboxed frame": ("null", "cross-site", False),
    "another site in an old browser": ("http://evil.example", None, False),
    "a suffix of ours": ("http://localhost:8000.evil.example", None, False),
}


@pytest.mark.parametrize(("origin", "site", "is_welcome"), SITES.values(), ids=SITES)
def test_sites(origin: str | None, site: str | None, is_welcome: bool) -> None:
    refusal = door.refusal("localhost:8000", origin, site)
    assert (refusal is None) is is_welcome
    assert refusal is None or refusal.status == 403


KEYS = {
    "groq's key to openai": ("/v1/chat/completions", "Bearer gsk_abc", "groq"),
    "anthropic's key to openai": ("/openai/v1/x", "Bearer sk-ant-abc", "anthropic"),
    "openrouter's key to openai": ("/v1/chat/completions", "Bearer sk-or-v1-abc", "openrouter"),
    "xai's key to openai": ("/v1/responses", "Bearer xai-abc", "xai"),
    "google's key to openai": ("/v1/embeddings", "Bearer AIzaSyA", "gemini"),
    "openai's key to groq": ("/groq/openai/v1/x", "Bearer sk-proj-abc", "openai"),
    "without a scheme": ("/v1/messages", "gsk_abc", "groq"),
    "openai's key to openai": ("/v1/chat/completions", "Bearer sk-proj-abc", None),
    "an old key of openai": ("/v1/chat/completions", "Bearer sk-abc", None),
    "anthropic's key to anthropic": ("/v1/messages", "Bearer sk-ant-abc", None),
    "google's key to vertex": ("/vertex/v1/x", "Bearer AIzaSyA", None),
    "any key to a moved provider": ("/mistral/v1/x", "Bearer gsk_abc", None),
}


@pytest.mark.parametrize(("target", "value", "owner"), KEYS.values(), ids=KEYS)
def test_a_key_goes_to_its_owner_only(target: str, value: str, owner: str | None) -> None:
    route = Routes({"mistral": "http://127.0.0.1:1"}).find(target)
    assert isinstance(route, Route)
    for headers in ({"Authorization": value}, {"x-api-key": value}):
        refusal = key_refusal(headers, target, route.upstream)
        if owner is None:
            assert refusal is None
        else:
            assert refusal is not None
            assert refusal.status == 421
            assert f"/{owner}" in refusal.message
            assert "abc" not in refusal.message


def test_a_key_in_the_query_is_one_too() -> None:
    route = Routes({}).find("/v1/models")
    assert isinstance(route, Route)
    assert key_refusal({}, "/v1/models?a=1&key=AIzaSyA", route.upstream) is not None
