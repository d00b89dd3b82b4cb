"""
Is there a proxy for this data folder, and where? Standard library only.

`serve` leaves `serve.json` in its data folder. The file alone proves nothing (a machine may have lost its
power), so the port is asked too: nothing is ever aimed at a port where nobody answers.
"""

from __future__ import annotations

import json
import os
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECT_S = 0.25
ANSWER_S = 2.0  # a gateway that is being replaced answers within a second
HEALTH_BYTES_MAX = 64 * 1024


class Sidecar(NamedTuple):
    url: str  # "http://127.0.0.1:8000", no slash behind it
    host: str
    port: int


def find_sidecar(data_dir: str) -> Sidecar | None:
    """The proxy that serves this data folder, if it answers."""
    try:
        with open(os.path.join(data_dir, "serve.json"), encoding="utf-8") as file:  # noqa: PTH118
            url = str(json.load(file)["url"]).rstrip("/")
        parts = urlsplit(url)
        sidecar = Sidecar(url, parts.hostname or "127.0.0.1", parts.port or 80)
        return sidecar if _is_healthy(sidecar) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_listening(sidecar: Sidecar) -> bool:
    """Whether something still accepts connections there; on the same machine the answer is immediate."""
    try:
        socket.create_connection((sidecar.host, sidecar.port), CONNECT_S).close()
    except OSError:
        return False
    return True


def _is_healthy(sidecar: Sidecar) -> bool:
    with socket.create_connection((sidecar.host, sidecar.port), CONNECT_S) as connection:
        connection.settimeout(ANSWER_S)
        connection.sendall(
            f"GET /_arc/health HTTP/1.1\r\nHost: {sidecar.host}:{sidecar.port}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b""
        while len(answer) < HEALTH_BYTES_MAX and (piece := connection.recv(HEALTH_BYTES_MAX)):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1:2] == [b"200"] and b'"version"' in body
