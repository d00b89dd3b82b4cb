from __future__ import annotations

import json

import pytest

from arc_proxy.cli.config_file import ConfigUnread
from arc_proxy.cli.opencode import lead_opencode
from arc_proxy.cli.way import Way

URL = "http://127.0.0.1:8000"
LED = f"{URL}/agent/a"


@pytest.fixture
def lead(tmp_path):
    way = Way(URL, "a", is_alive=lambda _host, _port: False)
    (tmp_path / "project").mkdir()

    def call(**environ: str):
        led = lead_opencode(way, environ, tmp_path, tmp_path / "project")
        return led, json.loads(led.content), way.upstreams

    return call


def test_only_providers_that_the_user_has_are_named(lead, tmp_path):
    auth = tmp_path / ".local" / "share" / "opencode" / "auth.json"
    auth.parent.mkdir(parents=True)
    auth.write_text(json.dumps({"groq": {"type": "api", "key": "secret"}, "x": 1}))
    led, content, _ = lead(ANTHROPIC_API_KEY="k", GEMINI_API_KEY="k")
    urls = {name: each["options"]["baseURL"] for name, each in content["provider"].items()}
    assert urls == {
        "anthropic": f"{LED}/anthropic/v1",
        "google": f"{LED}/gemini/v1beta",
        "groq": f"{LED}/groq/openai/v1",
    }
    assert "secret" not in led.content


def test_base_urls_of_its_files_become_upstreams(lead, tmp_path):
    (tmp_path / "project" / "opencode.jsonc").write_text(
        '{ // mine\n"provider": {"corp": '
        '{"options": {"baseURL": "https://gateway.example/v1"},},}, /* end */ }'
    )
    led, content, upstreams = lead()
    assert content["provider"]["corp"]["options"]["baseURL"] == f"{LED}/openai"
    assert upstreams == {"openai": "https://gateway.example/v1"}
    assert led.providers == ("corp",)


def test_a_content_of_the_users_is_merged_in(lead):
    own = {"model": "openai/gpt-5", "provider": {"openai": {"options": {"timeout": 1}}}}
    _, content, _ = lead(OPENCODE_CONFIG_CONTENT=json.dumps(own), OPENAI_API_KEY="k")
    assert content["model"] == "openai/gpt-5"
    assert content["provider"]["openai"]["options"] == {"timeout": 1, "baseURL": f"{LED}/openai/v1"}


def test_a_content_that_is_no_json_is_left_alone(lead):
    with pytest.raises(ConfigUnread):
        lead(OPENCODE_CONFIG_CONTENT="{")
