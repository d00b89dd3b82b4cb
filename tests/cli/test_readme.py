from __future__ import annotations

import re
from pathlib import Path

import pytest

from arc_proxy.cli.catalog import ENTRIES

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("command", [entry.name for entry in ENTRIES])
def test_every_command_is_in_the_readme(command: str) -> None:
    assert re.search(rf"arc-proxy {command}\b", README)


def test_the_readme_names_no_command_that_is_not_there() -> None:
    commands = {entry.name for entry in ENTRIES}
    named = set(re.findall(r"^arc-proxy (\w+)|`arc-proxy (\w+)", README, re.MULTILINE))
    assert {first or second for first, second in named} - commands == set()
