from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from arc_proxy.cli.launch import claim_port
from arc_proxy.cli.port import free_port, is_free, is_listening
from arc_proxy.errors import ConfigError
from arc_proxy.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_names_its_owner(taken):
    assert is_listening("127.0.0.1", taken)
    assert not is_free("127.0.0.1", taken)
    with pytest.raises(ConfigError, match=rf"port {taken} is taken by .*\(process {os.getpid()}\).*--port 0"):
        claim_port(Settings.model_validate({"port": taken}))


def test_a_free_port_is_free():
    port = free_port("127.0.0.1")
    assert is_free("127.0.0.1", port)
    assert claim_port(Settings.model_validate({"port": port})) == port
    assert claim_port(Settings.model_validate({"port": 0})) > 1023


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:8000"):
        is_free("192.0.2.1", 8000)
