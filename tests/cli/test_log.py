from __future__ import annotations

import io
import re
import sys

import structlog

from arc_proxy.cli.log import log_to_stderr


def test_a_stderr_that_was_replaced_and_closed_is_no_longer_written_to(monkeypatch, capsys):
    passing = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", passing)
        log_to_stderr()
        structlog.get_logger().warning("first.event")
    assert "first.event" in passing.getvalue()
    passing.close()
    structlog.get_logger().warning("second.event", why="later")
    assert "second.event" in capsys.readouterr().err


def test_a_line_has_the_form_that_all_processes_share(monkeypatch, capsys):
    log_to_stderr("info")
    log = structlog.get_logger()
    log.info("console.ready", pid=7, path="a b", empty="")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("work.broken")
    first, second, *traceback = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info console.ready pid=7 path='a b' empty=''", first
    )
    assert second.endswith("Z error work.broken")
    assert traceback[-1] == "ValueError: why"
