"""
From settings to the one file that the supervisor and its processes read.

The file lies in the run-time folder with mode 0600, since the database's URL may hold a password.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arc_proxy import __version__
from arc_proxy.cli.budgets import budgets_json, budgets_of
from arc_proxy.cli.folder import CONSOLE_SOCKET, GUARD_SOCKET, Folder, prepare, runtime_dir
from arc_proxy.cli.port import free_port, is_free
from arc_proxy.errors import ConfigError
from arc_proxy.gateway.config import Capture, GatewayConfig, OnClientClose
from arc_proxy.gateway.routes import Routes
from arc_proxy.listener import PortTaken, owner_of, shown_host
from arc_proxy.settings import Settings

SUPERVISOR = "arc_proxy.supervisor"


@dataclass(frozen=True, slots=True)
class Launch:
    url: str
    config_path: Path

    @property
    def command(self) -> list[str]:
        # -P: a module of the user's in the working directory must not take the place of one of ours.
        return [sys.executable, "-P", "-m", SUPERVISOR, str(self.config_path)]


def prepare_launch(settings: Settings, folder: Folder, environ: Mapping[str, str], *, port: int) -> Launch:
    """Check all that can be checked before a socket opens, and write the file. Raises ConfigError."""
    Routes(settings.upstreams)
    _refuse_loops(settings, port)
    _refuse_unsigned(settings)
    prepare(folder)
    runtime = runtime_dir(folder, environ)
    url = f"http://{shown_host(settings.host)}:{port}"
    path = runtime / "config.json"
    config = build_config(settings, folder, runtime, port)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(config, file, indent=1)
    return Launch(url, path)


def build_config(settings: Settings, folder: Folder, runtime: Path, port: int) -> dict[str, Any]:
    """What each process reads its part of."""
    socket_path = runtime / CONSOLE_SOCKET
    guard_socket = runtime / GUARD_SOCKET if settings.enforce else None
    gateway = GatewayConfig(
        journal_dir=folder.journal,
        secret_key_file=folder.path / "secret.key",
        data_dir_id=folder.digest,
        version=__version__,
        host=settings.host,
        upstreams=settings.upstreams,
        allow_hosts=settings.allow_host,
        allow_origins=settings.allow_origin,
        allow_targets=settings.allow_target,
        capture=Capture(settings.capture),
        capture_body_bytes_max=int(settings.capture_body_bytes_max),
        console_socket=socket_path,
        guard_socket=guard_socket,
        on_client_close=OnClientClose(settings.on_client_close),
        include_usage=settings.include_usage,
        bedrock=settings.bedrock,
        websockets=settings.websockets,
        ca_bundle=settings.ca_bundle,
        https_proxy=settings.https_proxy,
        no_proxy=settings.no_proxy,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        drain_s=settings.drain_s,
    )
    return {
        "version": __version__,
        "host": settings.host,
        "port": port,
        "workers": settings.workers,
        "data_dir": str(folder.path),
        "runtime_dir": str(runtime),
        "drain_s": settings.drain_s,
        "gateway": gateway.to_json(),
        "console": {
            "socket": str(socket_path),
            "database_url": settings.database_url,
            "journal_days": settings.journal_days,
            "journal_bytes_max": int(settings.journal_bytes_max),
            "rows_months": settings.rows_months,
            "alerts_every_s": settings.alerts_every_s,
            "https_proxy": settings.https_proxy,
            "no_proxy": settings.no_proxy,
            "ca_bundle": str(settings.ca_bundle) if settings.ca_bundle else None,
            "budgets": budgets_json(budgets_of(settings)),
            "hints": settings.hints,
            "loop_limit": settings.loop_limit,
            "guard_socket": str(guard_socket) if guard_socket else None,
            "log_level": settings.log_level,
        },
    }


def claim_port(settings: Settings) -> int:
    """The port of the settings, or a free one for 0. Raises ConfigError naming who has it."""
    if settings.port == 0:
        return free_port(settings.host)
    if is_free(settings.host, settings.port):
        return settings.port
    raise PortTaken(settings.port, owner_of(settings.port))


def _refuse_loops(settings: Settings, port: int) -> None:
    own = {"127.0.0.1", "localhost", "::1", "0.0.0.0", "::", settings.host}  # noqa: S104  compared, not bound
    for name, url in settings.upstreams.items():
        parts = urlsplit(url)
        if parts.hostname in own and parts.port == port:
            raise ConfigError(
                f"the upstream {name}={url} is this proxy itself: it would call itself for ever."
            )


def _refuse_unsigned(settings: Settings) -> None:
    if not settings.bedrock:
        return
    from arc_proxy.gateway.aws_credentials import INSTALL, is_installed

    if not is_installed():
        raise ConfigError(f"bedrock: to sign with this machine's AWS credentials takes botocore: {INSTALL}")
