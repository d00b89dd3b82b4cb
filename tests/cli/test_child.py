from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from arc_proxy.cli.child import CannotRun, run_child
from tests.cli.command import clean_environ

ENDS = {
    "success": (["true"], (0, None)),
    "its own code": (["sh", "-c", "exit 7"], (7, None)),
    "a signal": (["sh", "-c", "kill -TERM $$"], (143, 15)),
}


@pytest.mark.parametrize(("command", "end"), ENDS.values(), ids=ENDS)
def test_the_end_is_the_programs(command, end):
    assert run_child(command, os.environ) == end


@pytest.mark.parametrize(("program", "code"), [("/no/such/program", 127), ("/etc/hostname", 126)])
def test_what_cannot_be_run_is_told_apart_as_a_shell_does(program, code):
    with pytest.raises(CannotRun) as refusal:
        run_child([program], os.environ)
    assert refusal.value.exit_code == code


def test_the_program_gets_the_variables():
    script = "import os, sys; sys.exit(int(os.environ['CODE']))"
    assert run_child([sys.executable, "-c", script], {**os.environ, "CODE": "9"}) == (9, None)


PROGRAM = """
import signal, sys, time
def leave(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(3)
for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), leave)
print("ready", flush=True)
time.sleep(30)
"""
LAUNCHER = """
import os, sys
from arc_proxy.cli.child import run_child
sys.exit(run_child(sys.argv[1:], os.environ)[0])
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_reach_the_program(name):
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environ()) as launcher:
        assert launcher.stdout.readline() == "ready\n"
        launcher.send_signal(getattr(signal, name))
        assert launcher.stdout.readline() == f"got {name}\n"
        assert launcher.wait(10) == 3


def test_ctrl_c_on_a_terminal_reaches_the_program_once_and_the_launcher_waits():
    parent, child = os.openpty()
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-c", PROGRAM.replace("sys.exit(3)", "return")]

    def own_terminal() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    launcher = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=clean_environ(), preexec_fn=own_terminal
    )
    os.close(child)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(parent, 1000)
    os.write(parent, b"\x03")
    while b"got SIGINT" not in seen:
        seen += os.read(parent, 1000)
    time.sleep(0.3)
    assert launcher.poll() is None
    launcher.send_signal(signal.SIGTERM)
    while seen.count(b"got SIGTERM") < 1:
        seen += os.read(parent, 1000)
    assert seen.count(b"got SIGINT") == 1
    launcher.kill()
    launcher.wait()
    os.close(parent)
