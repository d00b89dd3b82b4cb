from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from arc_proxy.process import start_time
from arc_proxy.supervisor import PAUSE_S_MAX, restart_pause_s


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_workers_and_console_are_started_and_found_by_serve_json(serve):
    served = serve()
    served.is_up()
    path = served.data_dir / "serve.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.data_dir.stat().st_mode) == 0o700
    told = served.served
    assert told["pid"] == served.process.pid
    assert told["start_time"] == start_time(served.process.pid)
    assert told["url"] == f"http://127.0.0.1:{told['port']}"
    assert told["console_socket"] == str(served.runtime_dir / "console.sock")
    assert told["workers"] == 2
    assert {served.call()[0] for _ in range(60)} == {0, 1}  # the kernel shares connections out


def test_a_stop_drains_the_workers_before_the_console_hears_of_it(serve):
    served = serve()
    served.is_up()
    connections = [served.connect() for _ in range(6)]
    answers: list[tuple[int, int]] = []
    calls = [threading.Thread(target=lambda c=c: answers.append(served.send(c, "hold"))) for c in connections]
    for call in calls:
        call.start()
    served.until(lambda: len(psutil.net_connections("tcp")) > 0, "no connections")
    served.call()
    served.process.send_signal(signal.SIGTERM)
    served.has_noted("worker-0 stopping", "worker-1 stopping")
    with pytest.raises(ConnectionError):
        served.call()
    for call in calls:
        call.join()
    assert len(answers) == 6
    assert served.process.wait(20) == 0
    diary = served.diary()
    assert diary[-1] == "console ended"
    assert {"worker-0 ended", "worker-1 ended"} <= set(diary[:-1])
    assert not (served.data_dir / "serve.json").exists()
    for connection in connections:
        connection.close()


def test_a_second_signal_does_not_wait_for_streams(serve):
    served = serve(drain_s=3600)
    served.is_up()
    connection = served.connect()
    connection.sendall(b"hold for ever\n")
    served.call()
    served.process.send_signal(signal.SIGINT)
    served.until(lambda: sum(line.endswith("stopping") for line in served.diary()) == 2, "no stop")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(20) == 0
    assert served.diary()[-1] == "console ended"
    connection.close()


def test_streams_that_outlast_the_drain_are_cut(serve):
    served = serve(drain_s=-4.5)
    served.is_up()
    connections = [served.connect() for _ in range(8)]
    for connection in connections:
        connection.sendall(b"hold for ever\n")
    served.call()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(20) == 0
    assert "code=-9" in served.said()
    assert served.diary()[-1] == "console ended"
    for connection in connections:
        connection.close()


def test_nobody_is_refused_while_a_worker_is_replaced(serve):
    served = serve(workers=1)
    served.has_noted("worker-0 started")
    pid = served.call()[1]
    stop = threading.Event()
    seen: set[int] = set()
    refused: list[OSError] = []

    def keep_calling() -> None:
        while not stop.is_set():
            try:
                with served.connect() as connection:
                    seen.add(served.send(connection, "hello")[1])
            except ConnectionRefusedError as error:
                refused.append(error)
            except (ValueError, ConnectionError):
                pass  # it was being answered by the worker that was killed

    callers = [threading.Thread(target=keep_calling) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(3):
        os.kill(pid, signal.SIGKILL)
        served.until(lambda pid=pid: served.pids()["worker-0"] != pid, "not replaced")
        pid = served.pids()["worker-0"]
        served.until(lambda pid=pid: pid in seen, "the new worker does not answer")
    stop.set()
    for caller in callers:
        caller.join()
    assert refused == []
    assert served.said().count("child.ended child=worker-0") == 3


def test_what_waits_in_a_dead_workers_queue_is_answered_by_its_successor(serve):
    served = serve(workers=1)
    served.has_noted("worker-0 started")
    pid = served.call()[1]
    os.kill(pid, signal.SIGSTOP)  # it accepts no more, and the queue fills
    waiting = [served.connect() for _ in range(20)]
    os.kill(pid, signal.SIGKILL)
    assert {served.send(connection, "hello")[1] for connection in waiting} == {served.pids()["worker-0"]}
    assert served.pids()["worker-0"] != pid
    for connection in waiting:
        connection.close()


def test_the_console_is_replaced_and_traffic_goes_on(serve):
    served = serve()
    served.is_up()
    first = served.pids()["console"]
    os.kill(first, signal.SIGKILL)
    served.until(lambda: served.pids()["console"] != first, "not replaced")
    served.call()


def test_a_hangup_restarts_the_console_alone(serve):
    served = serve()
    served.is_up()
    before = served.pids()
    served.process.send_signal(signal.SIGHUP)
    served.until(lambda: served.pids()["console"] != before["console"], "not restarted")
    assert {**served.pids(), "console": 0} == {**before, "console": 0}


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "with a stream"])
def test_children_end_when_the_supervisor_is_killed(serve, busy):
    served = serve()
    served.is_up()
    pids = served.pids()
    call = threading.Thread(target=served.call, args=("hold",))
    if busy:
        call.start()
        served.until(
            lambda: (
                any(c.raddr for c in psutil.Process(pids["worker-0"]).net_connections())
                or any(c.raddr for c in psutil.Process(pids["worker-1"]).net_connections())
            ),
            "no call",
        )
    port = served.served["port"]
    served.process.kill()
    served.process.wait()
    served.until(lambda: all(is_gone(pid) for pid in pids.values()), "children live on")
    assert {"worker-0 ended", "worker-1 ended", "console lifeline closed"} <= set(served.diary())
    if busy:
        call.join()
    again = serve(port=port)  # neither the lock nor the port is held by what was left
    assert again.served["port"] == port
    again.call()


def test_a_taken_port_names_its_owner_and_the_cure(serve):
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket as s; l = s.create_server(('', 0)); print(l.getsockname()[1], flush=1); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        served = serve(port=port)
        assert served.process.wait(20) == 2
        assert f"port {port} is taken by" in served.said()
        assert f"(process {owner.pid})" in served.said()
        assert "create_server" in served.said()  # its command
        assert "--port" in served.said()
        assert served.diary() == []
        owner.kill()


def test_a_port_shared_with_reuseport_is_taken_too(serve):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        served = serve(port=other.getsockname()[1])
        assert served.process.wait(20) == 2
        assert f"(process {os.getpid()})" in served.said()


def test_a_second_serve_on_one_folder_names_the_first(serve):
    first = serve()
    first.is_up()
    second = serve()
    assert second.process.wait(20) == 2
    assert f"process {first.process.pid}" in second.said()
    assert first.served["url"] in second.said()
    assert first.call()


def test_a_worker_that_refuses_its_settings_ends_serve(serve):
    served = serve(worker_exit=2, workers=1)
    assert served.process.wait(20) == 2
    assert served.diary().count("worker-0 started") == 1


def test_a_worker_that_always_dies_is_not_started_in_a_hurry(serve):
    served = serve(worker_exit=1, workers=1)
    served.until(lambda: served.diary().count("worker-0 started") >= 4, "not started again")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(20) == 0


def test_pauses_grow_to_five_seconds():
    pauses = [restart_pause_s(deaths) for deaths in range(1, 12)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == restart_pause_s(10_000) == PAUSE_S_MAX == 5


def test_a_config_file_that_was_tidied_away_is_put_back(serve):
    served = serve()
    served.is_up()
    served.config_path.unlink()
    first = served.pids()["worker-0"]
    os.kill(first, signal.SIGKILL)
    served.until(lambda: served.diary().count("worker-0 started") == 2, "not replaced")
    assert stat.S_IMODE(served.config_path.stat().st_mode) == 0o600


def test_the_descriptor_limit_is_raised(serve):
    served = serve()
    served.is_up()
    worker = psutil.Process(served.pids()["worker-0"])
    soft, hard = worker.rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536) or soft > 65_536


def test_a_child_holds_its_own_socket_and_no_other(serve):
    served = serve()
    served.is_up()
    for name in ("worker-0", "worker-1"):
        listening = [
            c for c in psutil.Process(served.pids()[name]).net_connections() if c.status == psutil.CONN_LISTEN
        ]
        assert len(listening) == 1
    assert not psutil.Process(served.pids()["console"]).net_connections()


def test_the_supervisor_imports_next_to_nothing():
    code = "import arc_proxy.supervisor, sys; print(*sorted(m for m in sys.modules if 'arc_proxy' in m))"
    told = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2])
    assert told.split() == [
        "arc_proxy",
        "arc_proxy.claim",
        "arc_proxy.errors",
        "arc_proxy.listener",
        "arc_proxy.process",
        "arc_proxy.supervisor",
    ]


BROKEN = {
    "no file": (None, "cannot read"),
    "no JSON": ("{", "is wrong"),
    "no object": ("[]", "is wrong"),
    "a key is missing": ('{"version": "1"}', "does not say 'host'"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_config_is_misuse(tmp_path: Path, content, message):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "arc_proxy.supervisor", str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    assert message in done.stderr
