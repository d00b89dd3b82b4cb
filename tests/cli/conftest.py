from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from arc_proxy.cli.main import run
from arc_proxy.demo.serving import provider_in_a_thread
from tests.cli.command import clean_environ


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command says where its process logs, and here that process goes on."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def arc(capsys, monkeypatch, tmp_path) -> Callable[..., Done]:
    """Run a command in this process, in a data folder of the test's own."""
    environ = clean_environ(
        ARC_DATA_DIR=str(tmp_path / "data"),
        XDG_RUNTIME_DIR=str(tmp_path),
        COLUMNS="100",
        PYTHONIOENCODING="utf-8",
    )
    monkeypatch.setattr("os.environ", dict(environ))

    def command(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """The URL of a provider that needs no key."""
    with provider_in_a_thread() as url:
        yield url
