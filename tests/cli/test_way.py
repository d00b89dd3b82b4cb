from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.cli.way import Way, shown_url

URL = "http://127.0.0.1:8000"
LED = f"{URL}/agent/a"


def way(*, may_chain: bool = True) -> Way:
    """Ports 8000, 9000 and 11434 are alive; 9000 is a gateway of an outer `arc-proxy run`."""
    return Way(
        URL,
        "a",
        is_alive=lambda _host, port: port in (8000, 9000, 11434),
        is_ours=lambda _host, port: port == 9000,
        may_chain=may_chain,
    )


# What the user has -> what the client is given, and what becomes an upstream of this run.
USERS = {
    "nothing": ("", f"{LED}/openai/v1", None),
    "this very proxy": ("http://localhost:8000/openai/v1", f"{LED}/openai/v1", None),
    "this proxy, by a bare path": ("http://127.0.0.1:8000/v1", f"{LED}/v1", None),
    "this proxy, with a session": (
        "http://127.0.0.1:8000/agent/b/session/s%2F1/openai/v1",
        f"{LED}/session/s%2F1/openai/v1",
        None,
    ),
    "the gateway of a run around this one": (
        "http://127.0.0.1:9000/agent/outer/openai",
        "http://127.0.0.1:9000/agent/a/openai",
        None,
    ),
    "an earlier proxy, dead now": ("http://127.0.0.1:8123/agent/x/openai/v1", f"{LED}/openai/v1", None),
    "a local server that is not up yet": (
        "http://127.0.0.1:5005/v1",
        f"{LED}/openai",
        "http://127.0.0.1:5005/v1",
    ),
    "the vendor itself": ("https://api.openai.com/v1", f"{LED}/openai/v1", None),
    "a vendor of another name": ("https://api.groq.com/openai/v1/", f"{LED}/groq/openai/v1", None),
    "Ollama at home": ("http://localhost:11434/v1", f"{LED}/ollama/v1", None),
    "Ollama without a scheme": ("0.0.0.0:11434", f"{LED}/ollama", None),
    "a resource of Azure": (
        "https://my-res.openai.azure.com/openai/v1",
        f"{LED}/azure/my-res/openai/v1",
        None,
    ),
    "a region of Vertex": (
        "https://us-east5-aiplatform.googleapis.com/v1",
        f"{LED}/vertex/v1",
        None,
    ),
    "a gateway elsewhere": (
        "https://gateway.example/tenant/v1/",
        f"{LED}/openai",
        "https://gateway.example/tenant/v1",
    ),
    "no URL": ("http://[::", None, None),
    "a URL with a password": ("https://me:secret@gateway.example/v1", None, None),
    "a URL with a query": ("https://gateway.example/v1?key=secret", None, None),
    "another scheme": ("unix:///run/llm.sock", None, None),
}


@pytest.mark.parametrize(("users", "given_url", "upstream"), USERS.values(), ids=USERS)
def test_leads_on_to_where_the_user_pointed(users, given_url, upstream):
    led = way()
    assert led.through("openai", "/v1", users) == given_url
    assert led.upstreams == ({} if upstream is None else {"openai": upstream})


def test_one_provider_has_one_upstream():
    led = way()
    assert led.through("openai", "/v1", "https://one.example/v1") == f"{LED}/openai"
    assert led.through("openai", "/v1", "https://one.example/v1/") == f"{LED}/openai"
    assert led.through("openai", "/v1", "https://two.example/v1") is None
    assert led.why_not("openai", "https://two.example/v1") == "is not the only upstream of openai"


def test_without_a_run_there_is_no_gateway_to_lead_on():
    led = way(may_chain=False)
    assert led.through("openai", "/v1", "https://gateway.example/v1") is None
    why = led.why_not("openai", "https://user:secret@gateway.example/v1?key=secret")
    assert "--upstream openai=https://gateway.example/v1" in why
    assert "secret" not in why


@given(st.text())
def test_no_text_is_too_odd_to_be_a_base_url(text):
    led = way().through("openai", "/v1", text)
    assert led is None or led.startswith(("http://", "https://"))
    shown_url(text)
