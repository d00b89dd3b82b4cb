"""aimock: a provider that other people wrote, in a process of its own, with the fixtures that are given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).parent / "lab" / "aimock.mjs"
STOP_S_MAX = 30


@dataclass(frozen=True)
class Aimock:
    url: str

    def refuse_one(self) -> None:
        """Answer the next request with 503, and those after it as ever."""
        error = {"status": 503, "body": {"message": "come back later", "type": "overloaded_error"}}
        asked = urllib.request.Request(
            f"{self.url}/__aimock/error",
            data=json.dumps(error).encode(),
            headers={"content-type": "application/json"},
        )
        urllib.request.urlopen(asked).close()


@contextmanager
def aimock(fixtures: Path) -> Iterator[Aimock]:
    node = shutil.which("node")
    assert node is not None
    folder = Path(os.environ["ARC_CLIENTS_LAB"]) / "aimock"
    command = [node, PROGRAM, folder.resolve(), fixtures]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Aimock(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()
            process.wait(STOP_S_MAX)
