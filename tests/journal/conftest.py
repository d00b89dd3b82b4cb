"""What the journal's tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import Record, RecordKind


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal"


@pytest.fixture
def read_all() -> Callable[[Path], list[Record]]:
    """All records of a journal but ANCHORs and COUNTS, in their writers' order."""

    def read(journal_dir: Path) -> list[Record]:
        reader = JournalReader(journal_dir)
        records = [record for _, record, _, _ in reader.read({}, 1 << 40)]
        assert not reader.problems
        return [r for r in records if r.kind not in (RecordKind.ANCHOR, RecordKind.COUNTS)]

    return read


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB, where the tests may mount one."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
