"""`arc-proxy alerts`: what is watched for, what is told of mistakes, and tests that are sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from arc_proxy.alerts.firing import Alerts, look
from arc_proxy.alerts.ledger import Ledger
from arc_proxy.alerts.message import message_of
from arc_proxy.alerts.rules import ErrorsRule, Reading, Unit
from arc_proxy.alerts.targets import Delivered

SECRET = "kq83jx"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """Its URL, and what it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{SECRET}", sent
        server.shutdown()
        thread.join()


def test_without_a_file_it_lists_the_default_rules_and_tells_how_to_add_one(arc, data):
    done = arc("alerts")
    assert done.code == 0
    assert "fails faster than a target of 95% of runs allows" in done.out
    assert "Nothing fires." in done.out
    assert f"{data / 'alerts.toml'}, such as:\n\n    [target.team]" in done.err
    assert "nothing is watched now: arc-proxy serve" in done.err
    body = json.loads(arc("alerts", "--json").out)
    assert [rule["when"] for rule in body["rules"]] == ["reliability", "issue", "budget"]
    assert (body["firing"], body["deliveries"], body["is_watched"]) == ([], {}, False)


def test_the_sample_that_it_tells_is_right(arc, data):
    told = arc("alerts").err
    sample = "\n".join(line[4:] for line in told.splitlines() if line.startswith("    "))
    (data / "alerts.toml").write_text(sample)
    done = arc("alerts", "check")
    assert (done.code, done.err) == (0, "1 rule, 1 target.\n")
    assert "more than 20% of runs fail in 1 d" in done.out


def test_what_fires_and_what_does_not_arrive_is_listed(arc, data):
    (data / "alerts.toml").write_text('[target.team]\ncommand = ["/bin/notify"]\n')
    rule = ErrorsRule(name="errors", above=0.2)
    reading = Reading(key="a", level=1, title="42% of a's runs \x1b[31mfailed", text="", unit=Unit.SHARE)
    alerts, notices = look(Alerts(), [rule], [(rule, reading)], 10**18)
    ledger = Ledger(data)
    ledger.note_look(alerts, [("team", message_of(each)) for each in notices], ["team"], 10**18)
    parcel = ledger.next_parcel()
    assert parcel is not None
    ledger.note_delivery(parcel, Delivered(False, "exit code 3"), 10**18)
    shown = arc("alerts").out
    assert "42% of a's runs failed" in shown
    assert "\x1b" not in shown
    assert "failed 1 time: exit code 3" in shown
    body = json.loads(arc("alerts", "--json").out)
    assert body["firing"][0]["since"] == "2001-09-09T01:46:40.000000Z"
    assert body["deliveries"]["team"]["waiting"] == 1
    assert "alerts do not reach team" in arc("doctor").out


def test_a_mistake_is_one_sentence_and_exit_2(arc, data):
    (data / "alerts.toml").write_text(f'[target.team]\nslack = "{SECRET}"\n')
    for command in (("alerts",), ("alerts", "check"), ("alerts", "test")):
        done = arc(*command)
        assert (done.code, done.out) == (2, "")
        assert "line 1: target team: slack is refused" in done.err
        assert SECRET not in done.err
    done = arc("doctor")
    assert "line 1: target team: slack is refused" in done.out
    assert done.code == 1


def test_a_test_is_sent_to_every_target_and_each_is_told(arc, data, webhook):
    url, sent = webhook
    (data / "alerts.toml").write_text(
        f'[target.team]\nslack = "{url}"\n[target.pager]\nwebhook = "{url}"\n'
        f'[target.script]\ncommand = ["{sys.executable}", "-c", "raise SystemExit(3)"]\n'
    )
    done = arc("alerts", "test")
    assert done.code == 1
    lines = done.out.splitlines()
    port = url.split(":")[2].split("/")[0]
    assert lines[0] == f"✓ team  Slack at 127.0.0.1:{port}: answered 200"
    assert lines[2].startswith("✗ script")
    assert lines[2].endswith("ended with exit code 3")
    assert {"version" in each for each in sent} == {True, False}
    assert [each["status"] for each in sent if "status" in each] == ["test"]
    assert SECRET not in done.out + done.err
    assert arc("alerts", "test", "pager").code == 0
    [row] = map(json.loads, arc("alerts", "test", "pager", "--json").out.splitlines())
    assert row == {"target": "pager", "is_ok": True, "says": "answered 200"}


def test_a_test_through_our_own_port_is_refused(arc, data, webhook):
    url, sent = webhook
    port = url.split(":")[2].split("/")[0]
    (data / "settings.toml").write_text(f"port = {port}\n")
    (data / "alerts.toml").write_text(f'[target.team]\nwebhook = "{url}"\n')
    done = arc("alerts", "test")
    assert (done.code, sent) == (1, [])
    assert "refused: it leads back to this proxy" in done.out


def test_a_test_of_what_is_no_target(arc, data):
    done = arc("alerts", "test", "team")
    assert (done.code, done.err) == (2, "Error: alerts.toml names no target 'team'. It names none.\n")
    done = arc("alerts", "test")
    assert done.code == 0
    assert "no target to send to" in done.err


def test_options_before_a_command_would_be_lost_and_are_refused(arc, tmp_path):
    done = arc("alerts", "--data-dir", tmp_path, "check")
    assert done.code == 2
    assert "options go behind the command: arc-proxy alerts check" in done.err
