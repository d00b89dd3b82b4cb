from __future__ import annotations

import json

import pytest

from arc_proxy.cli.claude_code import FIRST_PARTY, lead_claude_code
from arc_proxy.cli.config_file import ConfigUnread
from arc_proxy.cli.way import Way

URL = "http://127.0.0.1:8000"
LED = f"{URL}/agent/a/anthropic"


@pytest.fixture
def lead(tmp_path):
    """Leads it from a home and a project of the test's own."""
    way = Way(URL, "a", is_alive=lambda _host, _port: False)

    def call(*arguments: str, **environ: str):
        led = lead_claude_code(way, arguments, environ, tmp_path / "home", tmp_path / "project")
        return led, way.upstreams

    return call


def write(path, env):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"env": env}))


def test_the_base_url_and_the_tool_search_go_into_its_settings(lead):
    led, upstreams = lead("-p", "hi")
    assert led.arguments == ("-p", "hi")
    assert led.settings == {
        "env": {"ANTHROPIC_BASE_URL": LED, FIRST_PARTY: "1", "ENABLE_TOOL_SEARCH": "true"}
    }
    assert (led.is_secret, led.warnings, upstreams) == (False, (), {})


def test_the_users_own_settings_are_merged_in(lead):
    own = {"permissions": {"allow": ["Bash"]}, "env": {"FOO": "1", "ENABLE_TOOL_SEARCH": "false"}}
    led, _ = lead("--settings", '{"env": {"LOST": "1"}}', "-p", f"--settings={json.dumps(own)}", "hi")
    assert led.arguments == ("-p", "hi")
    assert led.settings == own | {"env": own["env"] | {"ANTHROPIC_BASE_URL": LED, FIRST_PARTY: "1"}}


def test_settings_of_a_file_may_hold_keys_and_stay_out_of_the_process_list(lead, tmp_path):
    write(tmp_path / "project" / "mine.json", {"ANTHROPIC_API_KEY": "sk-ant-secret"})
    led, _ = lead("--settings", "mine.json")
    assert led.is_secret
    assert led.settings["env"]["ANTHROPIC_API_KEY"] == "sk-ant-secret"


GATEWAY = "https://gateway.example/claude"
ELSEWHERE = {
    "the environment": ({}, {}, {"ANTHROPIC_BASE_URL": GATEWAY}),
    "the user's settings": ({"ANTHROPIC_BASE_URL": GATEWAY}, {}, {"ANTHROPIC_BASE_URL": "https://x.example"}),
    "the project's, which beat the user's": (
        {"ANTHROPIC_BASE_URL": "https://x.example"},
        {"ANTHROPIC_BASE_URL": GATEWAY},
        {},
    ),
}


@pytest.mark.parametrize(("user", "project", "environ"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_gateway_of_the_users_becomes_the_upstream(lead, tmp_path, user, project, environ):
    write(tmp_path / "home" / ".claude" / "settings.json", user)
    write(tmp_path / "project" / ".claude" / "settings.local.json", project)
    led, upstreams = lead("-p", "hi", **environ)
    assert led.settings["env"]["ANTHROPIC_BASE_URL"] == LED
    assert FIRST_PARTY not in led.settings["env"]
    assert upstreams == {"anthropic": GATEWAY}


@pytest.mark.parametrize("moved", ["*", "anthropic"])
def test_a_proxy_that_sends_it_elsewhere_is_not_taken_for_anthropic(tmp_path, moved):
    way = Way(URL, "a", is_alive=lambda _host, _port: False, moved={moved})
    led = lead_claude_code(way, (), {}, tmp_path, tmp_path)
    assert led.settings["env"] == {"ANTHROPIC_BASE_URL": LED, "ENABLE_TOOL_SEARCH": "true"}


def test_tool_search_stays_as_the_user_has_it(lead, tmp_path):
    write(tmp_path / "home" / ".claude" / "settings.json", {"ENABLE_TOOL_SEARCH": "auto"})
    led, _ = lead()
    assert "ENABLE_TOOL_SEARCH" not in led.settings["env"]
    assert "ENABLE_TOOL_SEARCH" not in lead(ENABLE_TOOL_SEARCH="false")[0].settings["env"]


def test_another_back_end_is_said_to_go_unseen(lead):
    led, _ = lead(CLAUDE_CODE_USE_BEDROCK="1")
    assert "CLAUDE_CODE_USE_BEDROCK is set" in led.warnings[0]
    led, _ = lead(
        CLAUDE_CODE_USE_BEDROCK="1",
        CLAUDE_CODE_SKIP_BEDROCK_AUTH="1",
        ANTHROPIC_BEDROCK_BASE_URL="https://gateway.example/bedrock",
    )
    assert led.warnings == ()


def test_back_ends_of_its_settings_are_led_too(lead, tmp_path):
    theirs = {"CLAUDE_CODE_USE_VERTEX": "1", "ANTHROPIC_VERTEX_BASE_URL": "https://gateway.example/v1"}
    write(tmp_path / "home" / ".claude" / "settings.json", theirs)
    led, upstreams = lead()
    assert led.settings["env"]["ANTHROPIC_VERTEX_BASE_URL"] == f"{URL}/agent/a/vertex"
    assert upstreams == {"vertex": "https://gateway.example/v1"}
    assert led.warnings == ()


def test_another_home_of_its_settings_counts(lead, tmp_path):
    write(tmp_path / "elsewhere" / "settings.json", {"ANTHROPIC_BASE_URL": GATEWAY})
    _, upstreams = lead(CLAUDE_CONFIG_DIR=str(tmp_path / "elsewhere"))
    assert upstreams == {"anthropic": GATEWAY}


@pytest.mark.parametrize("given", ["{", "no-such-file.json", "[]"])
def test_settings_that_cannot_be_read_are_left_alone(lead, given):
    with pytest.raises(ConfigUnread):
        lead("--settings", given)


def test_a_broken_settings_file_is_said(lead, tmp_path):
    path = tmp_path / "home" / ".claude" / "settings.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"env": {"ANTHROPIC_API_KEY": "sk-ant-secret"')
    led, _ = lead()
    assert "is no JSON" in led.warnings[0]
    assert "secret" not in led.warnings[0]


def test_what_stands_behind_two_dashes_is_a_prompt(lead):
    led, _ = lead("-p", "--", "--settings", "{}")
    assert led.arguments == ("-p", "--", "--settings", "{}")
