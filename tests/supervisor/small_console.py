"""A console for the supervisor's tests: `CONFIG.json --lifeline FD`; writes down when it starts and ends."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("config", type=Path)
parser.add_argument("--lifeline", type=int)
given = parser.parse_args()
diary = Path(json.loads(given.config.read_bytes())["data_dir"]) / "diary"


def note(what: str) -> None:
    with diary.open("a") as file:
        file.write(f"console {what}\n")


def on_term(number: int, frame: object) -> None:
    note("ended")
    sys.exit(0)


signal.signal(signal.SIGTERM, on_term)
note(f"started {os.getpid()}")
select.select([given.lifeline], [], [])
note("lifeline closed")
