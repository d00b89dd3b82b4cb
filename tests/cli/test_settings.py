from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from arc_proxy.cli.folder import find_folder, prepare, read_secret, runtime_dir
from arc_proxy.errors import ConfigError
from arc_proxy.settings import Settings, load_settings, mask_url, shown

LAYERS = {
    "a flag beats the environment": ({"port": 1}, {"ARC_PORT": "2"}, "port = 3", 1, "--port"),
    "the environment beats the file": ({"port": None}, {"ARC_PORT": "2"}, "port = 3", 2, "ARC_PORT"),
    "the file beats the default": ({}, {}, "port = 3", 3, "settings.toml"),
    "the default is the last word": ({}, {}, "", 8000, "default"),
    "an empty variable is not set": ({}, {"ARC_PORT": ""}, "", 8000, "default"),
}


@pytest.mark.parametrize(("flags", "environ", "file", "port", "origin"), LAYERS.values(), ids=LAYERS)
def test_layers(tmp_path, flags, environ, file, port, origin):
    (tmp_path / "settings.toml").write_text(file)
    loaded = load_settings(tmp_path, flags, environ)
    assert loaded.settings.port == port
    assert loaded.origins["port"].endswith(origin)


READINGS = {
    "upstreams from flags": (
        "upstreams",
        ["openai=http://a:1", "*=http://b"],
        {"openai": "http://a:1", "*": "http://b"},
    ),
    "upstreams from a variable": (
        "upstreams",
        "openai=http://a:1, x=https://b/v1",
        {"openai": "http://a:1", "x": "https://b/v1"},
    ),
    "words from a variable": ("allow_host", "a.example, b.example", ("a.example", "b.example")),
    "a size with a unit": ("capture_body_bytes_max", "2MiB", 2 * 1024 * 1024),
    "no capture": ("capture", "none", "none"),
    "a budget of any agent": ("budget_per_agent_usd", "5", {"*": Decimal(5)}),
    "a budget of any agent, as a number": ("budget_per_agent_usd", 0.5, {"*": Decimal("0.5")}),
    "budgets of some agents": (
        "budget_per_agent_usd",
        ["5", "finance=0.25", "a=b=1"],
        {"*": Decimal(5), "finance": Decimal("0.25"), "a=b": Decimal(1)},
    ),
    "a budget to the nanodollar": ("budget_per_run_usd", "0.000000001", Decimal("0.000000001")),
    "an empty proxy is no proxy": ("https_proxy", "", None),
}


@pytest.mark.parametrize(("key", "given", "read"), READINGS.values(), ids=READINGS)
def test_reads(tmp_path, key, given, read):
    assert getattr(load_settings(tmp_path, {key: given}, {}).settings, key) == read


def test_reads_upstreams_from_a_table_of_the_file(tmp_path):
    (tmp_path / "settings.toml").write_text(
        'capture = "metadata"\n[upstreams]\nopenai = "http://127.0.0.1:4010"\n'
    )
    settings = load_settings(tmp_path, {}, {}).settings
    assert (settings.capture, settings.upstreams) == ("metadata", {"openai": "http://127.0.0.1:4010"})


def test_reads_budgets_from_a_table_of_the_file(tmp_path):
    (tmp_path / "settings.toml").write_text("[budget_per_agent_usd]\nfinance = 0.1\n'*' = 3\n")
    settings = load_settings(tmp_path, {}, {}).settings
    assert settings.budget_per_agent_usd == {"finance": Decimal("0.1"), "*": Decimal(3)}


REFUSALS = {
    "a port out of range": ({}, {"ARC_PORT": "70000"}, "", ["port", "'70000'", "ARC_PORT", "0 to 65535"]),
    "a word that is no number": ({}, {"ARC_WORKERS": "many"}, "", ["workers", "'many'", "ARC_WORKERS"]),
    "an upstream without a name": ({"upstreams": ["http://x"]}, {}, "", ["--upstream ", "NAME=URL"]),
    "an upstream without a URL": (
        {"upstreams": ["openai=x"]},
        {},
        "",
        ["openai has no http:// or https:// URL"],
    ),
    "a choice that is none": ({}, {"ARC_CAPTURE": "all"}, "", ["'all'", "full, metadata or none"]),
    "a key of the file with a typo": ({}, {}, "prot = 1", ["'prot'", "Did you mean port?"]),
    "a key of the file like no other": ({}, {}, "zzzzzz = 1", ["no setting", "Known are: host"]),
    "a file that is nested without end": ({}, {}, "port = " + "[" * 5000, ["no valid TOML"]),
    "a number of five thousand digits": ({}, {}, "port = " + "1" * 5000, ["no valid TOML"]),
    "a file that is no TOML": ({}, {}, "port 8000", ["no valid TOML"]),
    "a CA bundle that is not there": ({"ca_bundle": "/no/such.pem"}, {}, "", ["/no/such.pem"]),
    "a budget of nothing": ({"budget_per_run_usd": "0"}, {}, "", ["--budget-per-run", "greater than 0"]),
    "a budget that is no number": (
        {},
        {},
        "budget_per_day_usd = 'much'",
        ["budget_per_day_usd", "such as 20"],
    ),
    "a budget of an agent that is no number": ({}, {"ARC_BUDGET_PER_AGENT_USD": "a=x"}, "", ["finance=5"]),
    "a budget without end": ({"budget_per_run_usd": "inf"}, {}, "", ["--budget-per-run"]),
    "a code that is no hint": (
        {},
        {"ARC_HINTS": "tool.error"},
        "",
        ["hints", "tool.error is no hint", "run.handoff"],
    ),
    "a loop of one": ({}, {"ARC_LOOP_LIMIT": "1"}, "", ["loop_limit", "2 to 100"]),
    "a proxy of a kind unknown here": ({}, {"HTTPS_PROXY": "socks5://h"}, "", ["HTTPS_PROXY", "http://"]),
}


@pytest.mark.parametrize(("flags", "environ", "file", "words"), REFUSALS.values(), ids=REFUSALS)
def test_refuses_and_says_what_to_do(tmp_path, flags, environ, file, words):
    (tmp_path / "settings.toml").write_text(file)
    with pytest.raises(ConfigError) as refusal:
        load_settings(tmp_path, flags, environ)
    for word in words:
        assert word in str(refusal.value)


SECRETS = {
    "a database's password": {"ARC_DATABASE_URL": "mysql://u:canary-pw@h/d"},
    "a proxy's password": {"HTTPS_PROXY": "socks5://u:canary-pw@h:1"},
    "an upstream's password": {"ARC_UPSTREAMS": "openai=http://u:canary-pw@h"},
}


@pytest.mark.parametrize("environ", SECRETS.values(), ids=SECRETS)
def test_a_refusal_never_tells_a_secret(tmp_path, environ):
    with pytest.raises(ConfigError) as refusal:
        load_settings(tmp_path, {}, environ)
    assert "canary" not in str(refusal.value)


def test_the_machines_proxies_are_the_last_layer(tmp_path):
    environ = {"HTTPS_PROXY": "http://u:pw@proxy:3128", "NO_PROXY": "localhost,.corp"}
    loaded = load_settings(tmp_path, {}, environ)
    assert loaded.settings.https_proxy == "http://u:pw@proxy:3128"
    assert loaded.settings.no_proxy == ("localhost", ".corp")
    assert loaded.origins["https_proxy"] == "HTTPS_PROXY"
    assert shown(loaded.settings, "https_proxy") == "http://u:***@proxy:3128"
    none = load_settings(tmp_path, {}, environ | {"ARC_HTTPS_PROXY": ""})
    assert none.settings.https_proxy is None


def test_provider_base_urls_of_the_environment_are_not_settings(tmp_path):
    loaded = load_settings(tmp_path, {}, {"OPENAI_BASE_URL": "http://127.0.0.1:8000/openai/v1"})
    assert loaded.settings == Settings.model_validate({})


@pytest.mark.parametrize("key", Settings.model_fields)
def test_each_setting_says_what_it_is_and_what_would_be_right(key):
    field = Settings.model_fields[key]
    assert field.description.endswith((".", "NO_PROXY.", "HTTPS_PROXY."))
    assert field.json_schema_extra["expects"]
    assert shown(Settings.model_validate({}), key)


def test_a_url_without_a_password_is_shown_as_it_is():
    assert mask_url("http://proxy:3128") == "http://proxy:3128"
    assert mask_url("postgresql://me:pw@h:5/d?x=1") == "postgresql://me:***@h:5/d?x=1"


FOLDERS = {
    "the flag": ("flag", {"ARC_DATA_DIR": "/arc", "XDG_DATA_HOME": "/xdg"}, "--data-dir"),
    "ARC_DATA_DIR": (None, {"ARC_DATA_DIR": "/arc", "XDG_DATA_HOME": "/xdg"}, "ARC_DATA_DIR"),
    "XDG_DATA_HOME": (None, {"XDG_DATA_HOME": "/xdg"}, "XDG_DATA_HOME"),
    "home": (None, {}, "default"),
}


@pytest.mark.parametrize(("flag", "environ", "origin"), FOLDERS.values(), ids=FOLDERS)
def test_the_data_folder_is_named_by(tmp_path, flag, environ, origin):
    folder = find_folder(tmp_path / flag if flag else None, environ)
    assert folder.origin == origin
    assert folder.path.is_absolute()
    assert "~" not in str(folder.path)


def test_a_prepared_folder_is_private_and_keeps_its_secret(tmp_path):
    folder = find_folder(tmp_path / "data", {})
    prepare(folder)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "secret.key").stat().st_mode & 0o777 == 0o600
    secret = read_secret(folder)
    prepare(folder)
    assert read_secret(folder) == secret
    assert len(secret) == 32


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be used: Not a directory\. Choose another"):
        prepare(find_folder(tmp_path / "file" / "data", {}))


def test_the_runtime_folder_is_ours_alone(tmp_path):
    folder = find_folder(tmp_path / "data", {})
    path = runtime_dir(folder, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert path == tmp_path / f"arc-{folder.digest}"
    assert path.stat().st_mode & 0o777 == 0o700
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    assert runtime_dir(folder, {"XDG_RUNTIME_DIR": str(deep)}).parent == Path("/tmp")
    path.chmod(0o755)
    with pytest.raises(ConfigError, match="not a folder of yours alone"):
        runtime_dir(folder, {"XDG_RUNTIME_DIR": str(tmp_path)})
