from __future__ import annotations

import json

import pytest

from arc_proxy.cli.codex import Login, lead_codex, login_of
from arc_proxy.cli.config_file import ConfigUnread
from arc_proxy.cli.way import Way

URL = "http://127.0.0.1:8000"
API = f"{URL}/agent/a/openai"
CHATGPT = f"{URL}/agent/a/chatgpt"
API_KEY = {"OPENAI_API_KEY": "sk-proj-secret"}
TOKENS = {"OPENAI_API_KEY": None, "tokens": {"access_token": "secret"}}
GATEWAY = "https://gateway.example/v1"

LOGINS = {
    "a key": (API_KEY, {}, Login.API_KEY),
    "tokens": (TOKENS, {}, Login.CHATGPT),
    "tokens and a key, and the mode": ({**TOKENS, **API_KEY, "auth_mode": "chatgpt"}, {}, Login.CHATGPT),
    "the mode of a key": ({**TOKENS, "auth_mode": "apikey"}, {}, Login.API_KEY),
    "a key in the environment": (TOKENS, {"CODEX_API_KEY": "x"}, Login.API_KEY),
    "a token in the environment": ({}, {"CODEX_ACCESS_TOKEN": "x"}, Login.CHATGPT),
    "nothing": ({}, {}, Login.UNKNOWN),
}


@pytest.mark.parametrize(("auth", "environ", "login"), LOGINS.values(), ids=LOGINS)
def test_the_login_is_known_by_what_codex_keeps(auth, environ, login):
    assert login_of(auth, environ) is login


@pytest.fixture
def lead(tmp_path):
    """Leads Codex with this auth.json and config.toml."""
    way = Way(URL, "a", is_alive=lambda _host, _port: False)

    def call(arguments=("exec", "hi"), *, auth=API_KEY, config=""):
        folder = tmp_path / ".codex"
        folder.mkdir(exist_ok=True)
        (folder / "auth.json").write_text(json.dumps(auth))
        (folder / "config.toml").write_text(config)
        return lead_codex(way, arguments, {}, tmp_path), way.upstreams

    return call


def test_a_key_goes_to_the_api_and_a_chatgpt_login_to_its_back_end(lead):
    led, _ = lead()
    assert led.arguments == ("-c", f'openai_base_url="{API}/v1"', "exec", "hi")
    led, _ = lead(auth=TOKENS)
    assert led.arguments[1] == f'openai_base_url="{CHATGPT}/backend-api/codex"'
    assert led.login is Login.CHATGPT


CUSTOM = f'model_provider = "corp"\n[model_providers.corp]\nbase_url = "{GATEWAY}"\nname = "Corp"\n'
CONFIGS = {
    "a base URL of its own": (f'openai_base_url = "{GATEWAY}"', (), f"openai_base_url={json.dumps(API)}"),
    "a provider of its own": (CUSTOM, (), f"model_providers.corp.base_url={json.dumps(API)}"),
    "a provider by a profile": (
        CUSTOM.replace('model_provider = "corp"', 'profile = "p"\n[profiles.p]\nmodel_provider = "corp"'),
        (),
        f"model_providers.corp.base_url={json.dumps(API)}",
    ),
    "a provider by a flag": (
        CUSTOM.replace('model_provider = "corp"', ""),
        ("-c", "model_provider=corp"),
        f"model_providers.corp.base_url={json.dumps(API)}",
    ),
    "a profile by a flag": (
        CUSTOM.replace('model_provider = "corp"', '[profiles.p]\nmodel_provider = "corp"'),
        ("--profile=p",),
        f"model_providers.corp.base_url={json.dumps(API)}",
    ),
}


@pytest.mark.parametrize(("config", "arguments", "pair"), CONFIGS.values(), ids=CONFIGS)
def test_a_gateway_of_the_users_becomes_the_upstream(lead, config, arguments, pair):
    led, upstreams = lead((*arguments, "exec"), config=config)
    assert led.arguments == ("-c", pair, *arguments, "exec")
    assert upstreams == {"openai": GATEWAY}


def test_a_base_url_on_the_command_line_is_replaced_there(lead):
    arguments = ("-c", f'openai_base_url="{GATEWAY}"', "exec", f"--config=openai_base_url={GATEWAY}", "hi")
    led, upstreams = lead(arguments)
    assert led.arguments == ("-c", f"openai_base_url={json.dumps(API)}", "exec", "hi")
    assert upstreams == {"openai": GATEWAY}


LEFT = {
    "a local model": (("--oss", "exec"), "", "--oss"),
    "a provider without a base URL": (("exec",), 'model_provider = "amazon-bedrock"', "amazon-bedrock"),
    "a provider of an odd name": (
        ("exec",),
        'model_provider = "a b"\n[model_providers."a b"]\nbase_url="https://x.example"',
        "a b",
    ),
}


@pytest.mark.parametrize(("arguments", "config", "word"), LEFT.values(), ids=LEFT)
def test_what_cannot_be_led_is_left_and_said(lead, arguments, config, word):
    led, _ = lead(arguments, config=config)
    assert led.arguments == arguments
    assert led.by == ""
    assert word in led.warnings[0]
    assert "not seen" in led.warnings[0]


def test_a_configuration_that_is_no_toml_is_refused_without_its_text(lead):
    with pytest.raises(ConfigUnread) as error:
        lead(config='api_key = "secret')
    assert "secret" not in str(error.value)
