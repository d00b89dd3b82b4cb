"""One ingester per data folder, and a message that names the one there is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arc_proxy.ingest.lock import LOCK_NAME, IngestBusy, hold_ingest_lock

HOLD = """
import sys, pathlib
from arc_proxy.ingest.lock import hold_ingest_lock
with hold_ingest_lock(pathlib.Path(sys.argv[1]), purpose="serve"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(data_dir: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def let_go(process: subprocess.Popen[bytes]) -> None:
    process.communicate()
    process.wait()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    other = holder(tmp_path)
    try:
        with pytest.raises(IngestBusy, match=rf"process {other.pid} \(serve\) holds ingest\.lock") as busy:
            hold_ingest_lock(tmp_path, purpose="db rebuild").__enter__()
        assert busy.value.pid == other.pid
    finally:
        let_go(other)


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    other = holder(tmp_path)
    other.kill()
    other.communicate()
    with hold_ingest_lock(tmp_path, purpose="report"):
        assert f'"pid": {os.getpid()}' in (tmp_path / LOCK_NAME).read_text()


def test_it_waits_as_long_as_it_was_told_to(tmp_path: Path) -> None:
    other = holder(tmp_path)
    timer = threading.Timer(0.3, let_go, [other])
    timer.start()
    with hold_ingest_lock(tmp_path, purpose="report", wait_s=30):
        pass
    timer.join()


def test_a_lock_file_that_was_deleted_protects_nobody_and_is_made_again(tmp_path: Path) -> None:
    with hold_ingest_lock(tmp_path, purpose="one"):
        (tmp_path / LOCK_NAME).unlink()
    with hold_ingest_lock(tmp_path, purpose="two"):
        assert "two" in (tmp_path / LOCK_NAME).read_text()


def test_a_holder_that_left_no_word_is_another_process(tmp_path: Path) -> None:
    other = holder(tmp_path)
    try:
        (tmp_path / LOCK_NAME).write_text("nonsense")
        with pytest.raises(IngestBusy, match="another process holds") as busy:
            hold_ingest_lock(tmp_path, purpose="report").__enter__()
        assert busy.value.pid is None
    finally:
        let_go(other)


def test_folder_and_file_are_the_owners_alone(tmp_path: Path) -> None:
    with hold_ingest_lock(tmp_path / "new", purpose="report"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "new" / LOCK_NAME).stat().st_mode & 0o777 == 0o600
