from __future__ import annotations

import json

import pytest

from arc_proxy.cli.terminal import out_json, out_json_lines

HOSTILE = "a\x1b]0;x\x07\x9b31m\x7f\u202eb\u2066\u200f é"


def test_json_says_all_and_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out_json({"model": HOSTILE})
    out_json_lines([{HOSTILE: 1}, {"model": HOSTILE}])
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\x9b\x7f\u202e\u2066\u200f")
    *first, second, third = shown.splitlines()
    assert json.loads("".join(first)) == {"model": HOSTILE}
    assert json.loads(second) == {HOSTILE: 1}
    assert json.loads(third) == {"model": HOSTILE}
