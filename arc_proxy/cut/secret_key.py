"""The data folder's secret key, with which marks are made."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def load_secret_key(path: Path) -> bytes:
    """
    The data folder's secret key, 32 bytes, made on first use. Several processes may ask at once.

    Raises OSError if it can neither be read nor made, ValueError if the file is no such key.
    """
    if not path.exists():
        made = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)  # unlike a rename, it never replaces the key of another process
        made.unlink()
    secret_key = path.read_bytes()
    if len(secret_key) != 32:
        raise ValueError(f"{path} is no secret key: it has {len(secret_key)} bytes instead of 32")
    return secret_key
