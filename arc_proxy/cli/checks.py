"""
What `doctor` looks at on this machine, before it asks the store. Each check says what it saw and what to do.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import Instance
from arc_proxy.cli.port import is_listening
from arc_proxy.cli.variables import ALL_BASES
from arc_proxy.cli.way import LOOPBACK, host_and_port, looks_ours
from arc_proxy.format import size
from arc_proxy.listener import owner_of

DISK_BYTES_MIN = 1_000_000_000

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "afpfs",
    "webdav",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.glusterfs",
    "drvfs",
    "vboxsf",
    "fuse.vmhgfs-fuse",
}
# Variables of ours that are no settings.
_OTHER_VARIABLES = frozenset({"ARC_DATA_DIR", "ARC_SHARED", "ARC_CLIENTS_LAB"})


class State(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing, nothing to do
    WARN = "warn"  # works, but not as it should
    BAD = "bad"  # does not work


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: State
    says: str
    cure: str = ""


def check_folder(folder: Folder) -> Iterator[Check]:
    """Is the data folder there, ours alone, on a local disk, with room left?"""
    path = folder.path
    if not path.exists():
        yield Check("data folder", State.NOTE, f"{path} ({folder.origin_words}) does not exist yet")
        return
    found = path.stat()
    if found.st_uid != os.getuid():
        yield Check(
            "data folder", State.BAD, f"{path} belongs to another user", "choose another with --data-dir"
        )
    elif found.st_mode & 0o077:
        yield Check(
            "data folder",
            State.WARN,
            f"others may look into {path} ({stat.filemode(found.st_mode)})",
            f"chmod 700 {path}",
        )
    elif not os.access(path, os.W_OK):
        yield Check("data folder", State.BAD, f"{path} cannot be written to", f"chmod u+w {path}")
    else:
        yield Check("data folder", State.OK, f"{path} ({folder.origin_words}), yours alone")
    kind = file_system(path)
    if kind in _NETWORK:
        yield Check(
            "disk",
            State.WARN,
            f"{path} lies on {kind}, a network file system, where locks cannot be relied on",
            "put the data folder on a local disk with --data-dir or ARC_DATA_DIR",
        )
    free = shutil.disk_usage(path).free
    if free < DISK_BYTES_MIN:
        yield Check(
            "disk",
            State.WARN,
            f"{size(free)} free: when it is full, calls go on but are not captured",
            "free some, or lower journal_bytes_max in settings.toml",
        )
    elif kind not in _NETWORK:
        yield Check("disk", State.OK, f"{size(free)} free on a local disk ({kind or 'unknown kind'})")


def check_port(instance: Instance | None, host: str, port: int) -> Iterator[Check]:
    """Does the proxy run, and if not, could it?"""
    if instance is not None:
        if is_listening(instance.host, instance.port):
            yield Check("proxy", State.OK, f"runs at {instance.url}, process {instance.pid}")
        else:
            yield Check(
                "proxy",
                State.BAD,
                f"process {instance.pid} is there, but nobody answers at {instance.url}",
                "arc-proxy stop; arc-proxy serve",
            )
    elif port and is_listening(host, port):
        yield Check(
            "proxy",
            State.WARN,
            f"not running; port {port} is taken by {owner_of(port) or 'another process'}",
            "arc-proxy serve --port 0, or stop that one",
        )
    else:
        yield Check("proxy", State.NOTE, "not running", "arc-proxy serve, or arc-proxy run -- PROGRAM")


def check_variables(environ: Mapping[str, str], instance: Instance | None) -> Iterator[Check]:
    """Do the base URLs of this shell lead somewhere, and to us?"""
    for name in ALL_BASES:
        value = environ.get(name)
        if not value:
            continue
        host, port = host_and_port(value)
        if not host:
            yield Check(name, State.BAD, "is no URL", f"unset {name}")
            continue
        if host not in LOOPBACK or port is None:
            yield Check(name, State.NOTE, f"leads to {host}, so its calls do not pass through here")
        elif not is_listening(host, port) and not looks_ours(urlsplit(value).path):
            yield Check(name, State.NOTE, f"leads to port {port}, a server of yours that does not run now")
        elif not is_listening(host, port):
            yield Check(
                name,
                State.BAD,
                f"leads to port {port}, where nobody listens: calls of this shell fail",
                f"unset {name}, or arc-proxy serve --port {port}",
            )
        elif instance is not None and port == instance.port:
            yield Check(name, State.OK, "leads to the running proxy")
        else:
            yield Check(name, State.NOTE, f"leads to port {port}, which is another program's")


def check_names(environ: Mapping[str, str], settings: frozenset[str]) -> Iterator[Check]:
    """Variables that look like settings and are none."""
    known = {f"ARC_{key.upper()}" for key in settings} | _OTHER_VARIABLES
    for name in sorted(environ):
        if name.startswith("ARC_") and name not in known:
            near = get_close_matches(name, known, n=1)
            cure = f"did you mean {near[0]}?" if near else f"unset {name}, unless another program reads it"
            yield Check(name, State.WARN, "is no setting and does nothing", cure)


def file_system(path: Path) -> str:
    """The kind of file system that holds the path: `ext4`, `nfs4` ...; "" where it cannot be told."""
    try:
        if sys.platform == "darwin":
            return _file_system_macos(path)
        mounts = Path("/proc/mounts").read_text(errors="replace").splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    best, kind = "", ""
    for fields in map(str.split, mounts):
        folder = fields[1].encode().decode("unicode_escape")  # \040 stands for a blank, see fstab(5)
        if len(folder) >= len(best) and path.is_relative_to(folder):
            best, kind = folder, fields[2]
    return kind


def _file_system_macos(path: Path) -> str:
    """From lines such as `//me@host/share on /Volumes/share (smbfs, nodev)`."""
    done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False, timeout=5)
    best, kind = "", ""
    for line in done.stdout.splitlines():
        folder, _, rest = line.partition(" on ")[2].rpartition(" (")
        if len(folder) >= len(best) and path.is_relative_to(folder or "/nowhere"):
            best, kind = folder, rest.partition(",")[0].rstrip(")")
    return kind
