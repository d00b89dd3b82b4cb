from __future__ import annotations

import json

import pytest

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import Instance
from arc_proxy.cli.own_gateway import gateway_with, moved_providers
from arc_proxy.errors import ArcError


@pytest.fixture
def instance(tmp_path):
    return Instance(
        pid=1,
        version="1",
        url="http://127.0.0.1:1",
        host="127.0.0.1",
        port=1,
        console_socket=tmp_path / "console.sock",
        started_at="",
        workers=1,
    )


CONFIGS = {
    "moved": ({"gateway": {"upstreams": {"openai": "http://h"}}}, {"openai"}),
    "none moved": ({"gateway": {}}, set()),
    "of another shape": ([], {"*"}),
    "none": (None, {"*"}),
}


@pytest.mark.parametrize(("config", "names"), CONFIGS.values(), ids=CONFIGS)
def test_what_is_not_known_counts_as_moved(instance, tmp_path, config, names):
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert moved_providers(instance) == names


def test_a_gateway_that_does_not_start_says_where_to_look(instance, tmp_path):
    folder = Folder(tmp_path / "data", "--data-dir")
    folder.logs.mkdir(parents=True)
    with (
        pytest.raises(ArcError, match=r"config\.json, cannot be read"),
        gateway_with({"openai": "http://h"}, instance, folder, tmp_path),
    ):
        pass
    (tmp_path / "config.json").write_text(json.dumps({"gateway": {"no_such_setting": 1}}))
    with (
        pytest.raises(ArcError, match=r"could not be started; .*run\.log says why"),
        gateway_with({"openai": "http://h"}, instance, folder, tmp_path),
    ):
        pass
    assert "no_such_setting" in (folder.logs / "run.log").read_text()
