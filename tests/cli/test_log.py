from __future__ import annotations

import io
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
