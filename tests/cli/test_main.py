from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from arc_proxy import __version__
from arc_proxy.cli.app import app
from arc_proxy.cli.catalog import ENTRIES
from tests.cli.command import arc_proxy, clean_environ

HEAVY = ("pydantic", "sqlmodel", "sqlalchemy", "aiohttp", "structlog", "typer", "rich", "jinja2")


def test_help_shows_every_command_in_its_panel():
    done = arc_proxy("--help", COLUMNS="80")
    assert done.returncode == 0
    for entry in ENTRIES:
        assert f"│ {entry.name:<7}  {entry.summary}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 90
    assert arc_proxy().stdout == arc_proxy("-h").stdout == arc_proxy("--help").stdout


def test_help_is_answered_before_anything_heavy_is_imported():
    code = (
        "import sys; from arc_proxy.cli.main import run; run(['--help']); "
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environ(), check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr.strip() == "[]"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_every_command_explains_itself_and_imports_nothing_heavy_for_it(name):
    code = (
        "import sys; from arc_proxy.cli.main import run; code = run([sys.argv[1], '--help']); "
        "print([m for m in ('sqlmodel', 'sqlalchemy', 'aiohttp', 'jinja2') if m in sys.modules], file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, env=clean_environ(), check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert f"arc-proxy {name}" in done.stdout
    assert "│ -h, --help" in done.stdout


def commands_below(name):
    group = CliRunner().invoke(app, [name, "--help"]).stdout
    return [
        line.split()[1]
        for line in group.partition("─ Commands")[2].partition("╰")[0].splitlines()[1:]
        if line[2] != " "
    ]


@pytest.mark.parametrize("name", ["db", "prices"])
def test_every_command_of_a_group_explains_itself(name):
    below = commands_below(name)
    assert len(below) >= 3
    for each in below:
        done = CliRunner().invoke(app, [name, each, "--help"])
        assert done.exit_code == 0
        assert "Usage: arc-proxy" in done.stdout or f"{name} {each}" in done.stdout


def test_version():
    assert arc_proxy("--version").stdout == f"arc-proxy {__version__}\n"


MISUSES = {
    "an unknown command": (["nope"], "No such command 'nope'"),
    "an unknown option": (["status", "--nope"], "No such option"),
    "an argument that is missing": (["outcome", "r"], "Missing argument"),
    "a choice that is none": (["outcome", "r", "maybe"], "maybe"),
    "run without its dashes": (["run", "true"], "put -- before the program"),
    "run without a program": (["run", "--"], "Missing argument"),
    "a name that is none": (["run", "--agent", "x" * 201, "--", "true"], "1 to 200 printable characters"),
    "a setting that cannot be": (["serve", "--port", "99999"], "port 99999 from --port is refused"),
    "an upstream that cannot be": (["serve", "--upstream", "v1=http://x"], "no provider can be called so"),
    "an upstream that is this proxy": (
        ["serve", "--port", "8777", "--upstream", "*=http://127.0.0.1:8777"],
        "for ever",
    ),
    "an unknown model": (["prices", "show", "no-such-model"], "no price for 'no-such-model'"),
}


@pytest.mark.parametrize(("arguments", "says"), MISUSES.values(), ids=MISUSES)
def test_a_misuse_is_one_sentence_and_exit_code_2(tmp_path, arguments, says):
    done = arc_proxy(*arguments, ARC_DATA_DIR=str(tmp_path / "data"), XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_failure_is_one_sentence_and_exit_code_1(tmp_path):
    done = arc_proxy("open", "--print", ARC_DATA_DIR=str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: no proxy runs for ")
    assert arc_proxy("status", ARC_DATA_DIR=str(tmp_path)).returncode == 1


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m arc_proxy.cli.main prices list openai --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=clean_environ(), check=True
    )
    assert done.stdout.splitlines()[-1] in ("0", "141")  # 0 where all of it fitted into the pipe
    assert done.stderr == ""


def test_colours_are_for_terminals():
    assert "\x1b" not in arc_proxy("--help").stdout
    assert "\x1b[" in arc_proxy("--help", FORCE_COLOR="1").stdout
    assert "\x1b" not in arc_proxy("--help", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_terminal_without_utf8_gets_ascii():
    done = arc_proxy("--help", PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "+- Start -" in done.stdout
