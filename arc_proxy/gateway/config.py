"""
What a gateway worker has to know: one frozen value, and its JSON form in the supervisor's file.

The worker touches neither environment nor settings: whoever starts it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from arc_proxy.errors import ConfigError


class Capture(StrEnum):
    """How much of a call is kept. A request may only lower it."""

    FULL = "full"
    METADATA = "metadata"  # heads, credentials cut, and how many bytes the bodies had
    NONE = "none"  # that there was a call: path, status, times, the caller's own x-arc-* names


class OnClientClose(StrEnum):
    CANCEL = "cancel"  # close the upstream at once
    DRAIN = "drain"  # read it to its end, so that the usage is known


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """
    `upstreams` moves a provider elsewhere ({"openai": "http://127.0.0.1:4010"}; "*" moves all that are
    not named) and adds providers of one's own. `allow_targets` are origins or providers that a header
    may choose. `secret_key_file` keys the fingerprints of credentials; it is made if it is missing.
    """

    journal_dir: Path
    secret_key_file: Path
    data_dir_id: str = ""
    version: str = ""
    worker: int = 0
    host: str = "127.0.0.1"  # what the listening socket is bound to
    upstreams: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    allow_targets: tuple[str, ...] = ()
    capture: Capture = Capture.FULL
    capture_body_bytes_max: int = 64 * 1024 * 1024  # of each side
    console_socket: Path | None = None
    guard_socket: Path | None = None  # where to ask whether a call may go on; None: all may
    on_client_close: OnClientClose = OnClientClose.CANCEL
    include_usage: bool = False  # ask for usage in streams whose client said nothing of it
    bedrock: bool = False  # sign what goes to Bedrock anew, with this machine's AWS credentials
    websockets: bool = True  # False: an upgrade is answered with 426
    ca_bundle: Path | None = None  # trusted beside the system's own
    https_proxy: str | None = None
    no_proxy: tuple[str, ...] = ()
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 900.0  # providers hold a reasoning stream silent for minutes
    drain_s: float = 30.0

    def to_json(self) -> dict[str, Any]:
        """Plain values for the "gateway" part of the supervisor's file."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises ConfigError for a field that is unknown, missing or of the wrong kind."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ConfigError(f"the gateway knows no setting {', '.join(unknown)}")
        if missing := sorted({"journal_dir", "secret_key_file"} - values.keys()):
            raise ConfigError(f"the gateway needs {', '.join(missing)}")
        try:
            return cls(**{name: _READERS.get(name, _as_is)(value) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the gateway's settings are wrong: {error}") from error


def _as_is(value: Any) -> Any:
    return value


def _path_or_none(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"a list of texts is wanted, not {value!r}")
    return tuple(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "journal_dir": Path,
    "secret_key_file": Path,
    "upstreams": dict,
    "allow_hosts": _texts,
    "allow_origins": _texts,
    "allow_targets": _texts,
    "capture": Capture,
    "console_socket": _path_or_none,
    "guard_socket": _path_or_none,
    "on_client_close": OnClientClose,
    "ca_bundle": _path_or_none,
    "no_proxy": _texts,
    "include_usage": bool,
    "bedrock": bool,
    "websockets": bool,
    "worker": int,
    "capture_body_bytes_max": int,
    "connect_timeout_s": float,
    "idle_timeout_s": float,
    "drain_s": float,
}


def _plain(value: Any) -> Any:
    match value:
        case StrEnum() | Path():
            return str(value)
        case Mapping():
            return dict(value)
        case tuple():
            return list(value)
        case _:
            return value
