"""
What may break beside the traffic: the database, the disk, the journal's folder. Not one request may notice.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_provider import FakeProvider
from tests.system.installation import Installation, worst_loop_lag_ms
from tests.system.traffic import Got, keep_calling

SHORT_OR_LONG = [pytest.param(4.0, id="4 s"), pytest.param(60.0, id="60 s", marks=pytest.mark.soak)]
HERE = Path(__file__).parent


async def call_for(installation: Installation, seconds: float, seed: int = 0) -> list[Got]:
    """Traffic for so long. Every call must succeed; prints the gateway's worst lag."""
    stop = asyncio.Event()
    traffic = asyncio.create_task(keep_calling(installation.port, stop, clients=6, seed=seed))
    lag = asyncio.create_task(worst_loop_lag_ms(installation.port, stop))
    await asyncio.sleep(seconds)
    stop.set()
    received = await traffic
    print(f"{len(received)} calls in {seconds:g} s, the loop's worst lag {await lag:.0f} ms")
    assert received
    assert [got.number for got in received if not got.is_whole or got.status != 200] == [], "requests failed"
    return received


def assert_all_kept(received: list[Got], installation: Installation) -> None:
    kept = {call["call_id"]: call for call in installation.calls()}
    assert [got.number for got in received if got.call_id not in kept] == [], "calls are missing"
    for got in received:
        assert kept[got.call_id or ""]["output_text"] == got.text()


@pytest.mark.parametrize("seconds", SHORT_OR_LONG)
async def test_a_locked_database_delays_rows_and_nothing_else(
    seconds: float, provider: FakeProvider, data_dir: Path
) -> None:
    with Installation(data_dir, provider.url) as installation:
        received = await call_for(installation, 1, seed=1)
        with sqlite3.connect(data_dir / "arc.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            received += await call_for(installation, seconds, seed=2)
            other.execute("ROLLBACK")
        other.close()
        assert_all_kept(received, installation)


async def test_a_deleted_database_is_made_again_from_the_journal(
    provider: FakeProvider, data_dir: Path
) -> None:
    with Installation(data_dir, provider.url) as installation:
        received = await call_for(installation, 1.5, seed=1)
        installation.calls()
        for file in data_dir.glob("arc.db*"):
            file.unlink()
        received += await call_for(installation, 1.5, seed=2)
        assert_all_kept(received, installation)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB: the database, its log and the journal of some hundred calls fit in."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a small tmpfs needs root on Linux")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_loses_capture_is_counted_and_heals(
    provider: FakeProvider, small_disk: Path
) -> None:
    data_dir = small_disk / "data"
    with Installation(data_dir, provider.url) as installation:
        await call_for(installation, 1, seed=1)
        ballast = small_disk / "ballast"
        _fill(ballast)
        await call_for(installation, 4, seed=2)
        ballast.unlink()
        await asyncio.sleep(6)
        assert_all_kept(await call_for(installation, 1, seed=3), installation)
        counted = losses(installation)
        print(f"counted: {counted}")
        assert counted["lost_calls"] + counted["lost_records"] + counted["unsecured_calls"] > 0


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as full:
        for size in (65536, 4096, 512, 1):
            try:
                while full.write(b"\0" * size):
                    pass
            except OSError:
                continue


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data" / "journal"
    folder.mkdir(parents=True)
    (tmp_path / "data").chmod(0o700)
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
        yield folder
        subprocess.run(["umount", "-l", folder], check=True)
    else:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)


@pytest.mark.usefixtures("read_only_folder")
async def test_a_read_only_journal_is_said_and_stops_no_traffic(
    provider: FakeProvider, data_dir: Path
) -> None:
    with Installation(data_dir, provider.url) as installation:
        await call_for(installation, 4)
        counted = losses(installation)
        print(f"counted: {counted}")
        assert counted["lost_calls"] + counted["unsecured_calls"] > 0


async def test_a_disk_that_takes_100_ms_per_write_slows_nobody(
    provider: FakeProvider, data_dir: Path, tmp_path: Path
) -> None:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a slow disk is played by LD_PRELOAD, which needs Linux and a C compiler")
    library = tmp_path / "slow_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "slow_disk.c", "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library), "SLOW_DISK_MS": "100"}
    with Installation(data_dir, provider.url, environment=environment) as installation:
        received = await call_for(installation, 5)
        counted = losses(installation)
        print(f"counted: {counted}")
        assert counted["unsecured_calls"] > 0
        assert_all_kept(received, installation)


def losses(installation: Installation) -> Counter[str]:
    """What `report` says of lost and unsecured capture. `doctor` must warn of it too."""
    counted = json.loads(installation.cli("report", "--format", "json"))["capture_losses"]
    checks = json.loads(installation.cli("doctor", "--json"))["checks"]
    warned = [check["says"] for check in checks if check["name"] == "capture" and check["state"] == "warn"]
    assert bool(warned) == bool(counted), (warned, counted)
    return Counter(counted)
