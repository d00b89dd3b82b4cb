from __future__ import annotations

import json
from pathlib import Path

import pytest

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.__main__ import read_config
from arc_proxy.gateway.config import Capture, GatewayConfig, OnClientClose

FULL = GatewayConfig(
    journal_dir=Path("/data/journal"),
    secret_key_file=Path("/data/secret.key"),
    data_dir_id="abcd",
    upstreams={"*": "http://127.0.0.1:4010"},
    allow_hosts=("box.lan",),
    capture=Capture.METADATA,
    console_socket=Path("/run/console.sock"),
    on_client_close=OnClientClose.DRAIN,
    ca_bundle=Path("/etc/ca.pem"),
    no_proxy=("localhost", "10.0.0.0/8"),
    idle_timeout_s=60.0,
)


def test_survives_json() -> None:
    assert GatewayConfig.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL


WRONG = {
    "an unknown field": {"journal_dir": "j", "secret_key_file": "k", "colour": "red"},
    "a missing field": {"journal_dir": "j"},
    "a word that is none": {"journal_dir": "j", "secret_key_file": "k", "capture": "everything"},
    "a text for a list": {"journal_dir": "j", "secret_key_file": "k", "allow_hosts": "box"},
    "a word for a number": {"journal_dir": "j", "secret_key_file": "k", "idle_timeout_s": "long"},
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_refuses(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        GatewayConfig.from_json(values)


def test_reads_its_part_of_the_supervisors_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    gateway = {"journal_dir": "/j", "secret_key_file": "/k"}
    file.write_text(
        json.dumps({"host": "0.0.0.0", "version": "1", "drain_s": 5, "port": 1, "gateway": gateway})
    )
    config = read_config(file, 2)
    assert (config.host, config.version, config.drain_s, config.worker) == ("0.0.0.0", "1", 5.0, 2)
    file.write_text("[]")
    with pytest.raises(ConfigError):
        read_config(file, 0)
