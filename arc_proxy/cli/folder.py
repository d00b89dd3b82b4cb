"""
The data folder and the run-time folder of one installation. Standard library only.

The run-time folder holds the console's Unix socket. It is short and apart, since the path of a socket
must not be longer than about 100 bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from arc_proxy.cut import load_secret_key
from arc_proxy.errors import ConfigError

CONSOLE_SOCKET = "console.sock"
GUARD_SOCKET = "guard.sock"
SOCKET_PATH_BYTES_MAX = 103  # of a Unix socket's address on macOS; Linux has four more


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path  # absolute
    origin: str  # "--data-dir", "ARC_DATA_DIR", "XDG_DATA_HOME" or "default"

    @property
    def origin_words(self) -> str:
        return "the default" if self.origin == "default" else f"from {self.origin}"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def demo_marker(self) -> Path:
        """A file that is in the folder of a demo, and in no other."""
        return self.path / "this-is-a-demo"

    @property
    def mark(self) -> str:
        """What sort of data it holds, where that is not the user's own."""
        return "demo data" if self.demo_marker.exists() else ""

    @property
    def digest(self) -> str:
        """8 hex digits that tell this folder from others, for names that must be short."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]


def find_folder(flag: Path | None, environ: Mapping[str, str]) -> Folder:
    """Where the data folder is, whether it exists or not. Raises ConfigError where it can be none of ours."""
    folder = _named(flag, environ)
    try:
        mode = folder.path.stat().st_mode
    except FileNotFoundError:
        return folder
    except OSError as error:
        raise unusable(folder, error) from error
    if not stat.S_ISDIR(mode):
        raise unusable(folder, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(folder.path, os.X_OK):
        raise unusable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return folder


def unusable(folder: Folder, error: OSError) -> ConfigError:
    return ConfigError(
        f"the data folder {folder.path} ({folder.origin_words}) cannot be used: {error.strerror}. "
        "Choose another with --data-dir or ARC_DATA_DIR."
    )


def _named(flag: Path | None, environ: Mapping[str, str]) -> Folder:
    if flag is not None:
        return Folder(_absolute(flag), "--data-dir")
    if environ.get("ARC_DATA_DIR"):
        return Folder(_absolute(Path(environ["ARC_DATA_DIR"])), "ARC_DATA_DIR")
    if environ.get("XDG_DATA_HOME"):
        return Folder(_absolute(Path(environ["XDG_DATA_HOME"]) / "arc-proxy"), "XDG_DATA_HOME")
    return Folder(_absolute(Path("~/.local/share/arc-proxy")), "default")


def prepare(folder: Folder) -> None:
    """Make the folder and its secret, for this user alone. Raises ConfigError."""
    try:
        for path in (folder.path, folder.journal, folder.logs):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        read_secret(folder)
    except OSError as error:
        raise unusable(folder, error) from error


def read_secret(folder: Folder) -> bytes:
    """The key of this folder's fingerprints and logins, made on first use. Raises ConfigError."""
    path = folder.path / "secret.key"
    try:
        return load_secret_key(path)
    except ValueError as error:
        raise ConfigError(f"{error}. Remove it, and a new one is made.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read or made: {error.strerror}.") from error


def runtime_dir(folder: Folder, environ: Mapping[str, str]) -> Path:
    """The run-time folder, made if need be. Raises ConfigError if someone else could have put it there."""
    base = Path(environ.get("XDG_RUNTIME_DIR") or "/nowhere")
    path = base / f"arc-{folder.digest}"
    if not os.access(base, os.W_OK) or len(os.fsencode(path / CONSOLE_SOCKET)) > SOCKET_PATH_BYTES_MAX:
        path = Path("/tmp") / f"arc-{os.getuid()}-{folder.digest}"  # noqa: S108  checked below
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(f"{path} is not a folder of yours alone. Remove it, or set XDG_RUNTIME_DIR.")
    return path


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()
