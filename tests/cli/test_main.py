from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys

import pytest

from arc_proxy import __version__
from arc_proxy.cli.catalog import ENTRIES
from tests.cli.command import arc_proxy, clean_environ

HEAVY = ("pydantic", "sqlmodel", "sqlalchemy", "aiohttp", "structlog", "typer", "rich", "jinja2")
NOT_FOR_HELP = ("sqlmodel", "sqlalchemy", "aiohttp", "structlog", "jinja2")
HELP_CPU_S_MAX = 0.3
BELOW = {
    "db": ("upgrade", "rebuild", "prune", "rollup"),
    "prices": ("list", "show", "cost", "diff", "update"),
}


def test_help_shows_every_command_in_its_panel(arc):
    help_text = arc("--help").out
    longest = max(len(entry.name) for entry in ENTRIES)
    for entry in ENTRIES:
        assert f"│ {entry.name:<{longest}}  {entry.summary}" in help_text
    assert max(map(len, help_text.splitlines())) <= 100
    assert arc().out == arc("-h").out == help_text


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
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < HELP_CPU_S_MAX


def test_no_command_needs_the_database_to_explain_itself():
    code = (
        "import contextlib, io, json, sys; from arc_proxy.cli.main import run\n"
        "texts = {}\n"
        "for name in sys.argv[1:]:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as said:\n"
        "        assert run([*name.split(), '--help']) == 0\n"
        "    texts[name] = said.getvalue()\n"
        f"print(json.dumps([texts, [m for m in {NOT_FOR_HELP!r} if m in sys.modules]]))"
    )
    names = [entry.name for entry in ENTRIES] + [f"{name} {each}" for name in BELOW for each in BELOW[name]]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, env=clean_environ(), check=True
    )
    texts, imported = json.loads(done.stdout)
    assert imported == []
    for name in names:
        assert f"Usage: arc-proxy {name} " in texts[name]
        assert "│ -h, --help" in texts[name] or "| -h, --help" in texts[name]
    for name, below in BELOW.items():
        for each in below:
            assert f" {each} " in texts[name]


def test_alerts_are_checked_without_the_database(tmp_path):
    code = (
        "import sys; from arc_proxy.cli.main import run; assert run(sys.argv[1:]) == 0; "
        f"print([m for m in {NOT_FOR_HELP!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "alerts", "check", "--data-dir", tmp_path],
        capture_output=True,
        text=True,
        env=clean_environ(),
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_version(arc):
    assert arc("--version").out == f"arc-proxy {__version__}\n"


MISUSES = {
    "an unknown command": (["nope"], "No such command 'nope'"),
    "an unknown option": (["status", "--nope"], "No such option"),
    "an argument that is missing": (["outcome", "r"], "Missing argument"),
    "a choice that is none": (["outcome", "r", "maybe"], ": 'maybe' is not one of"),
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
    "an unknown provider": (["prices", "list", "nobody"], "knows no provider 'nobody'"),
    "a time that is none": (["report", "--since", "yesterday"], "'yesterday' is no time"),
    "a period in which nothing can lie": (
        ["runs", "--since", "1h", "--until", "2d"],
        "nothing can lie between",
    ),
    "a threshold that is none": (
        ["report", "--fail-on", "errors=5"],
        "expected a metric, a sign and a number",
    ),
    "runs as HAR": (["export", "runs", "--format", "har"], "HAR holds calls"),
}


@pytest.mark.parametrize(("arguments", "says"), MISUSES.values(), ids=MISUSES)
def test_a_misuse_is_one_sentence_and_exit_code_2(arc, arguments, says):
    done = arc(*arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


FAILURES = {
    "no proxy to open": (["open", "--print"], "no proxy runs for "),
    "nothing to show": (["show", "x"], "no call has been seen yet"),
    "no such file": (["import", "/no/such.har"], "cannot read /no/such.har"),
}


@pytest.mark.parametrize(("arguments", "says"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_one_sentence_and_exit_code_1(arc, arguments, says):
    done = arc(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert says in done.err


@pytest.mark.parametrize("command", ["report", "doctor", "status", "demo"])
def test_a_data_folder_that_is_none_is_one_sentence(arc, tmp_path, command):
    (tmp_path / "file").touch()
    for path, why in (
        (tmp_path / "file", "Not a directory"),
        (tmp_path / "file" / "in-it", "Not a directory"),
    ):
        done = arc(command, "--data-dir", path)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"Error: the data folder {path} (from --data-dir) cannot be used: {why}.")


@pytest.mark.unprivileged
@pytest.mark.parametrize("command", ["report", "doctor", "demo"])
def test_a_data_folder_of_somebody_else_is_one_sentence(arc, tmp_path, command):
    (tmp_path / "closed").mkdir(mode=0o000)
    for path in (tmp_path / "closed", tmp_path / "closed" / "in-it"):
        done = arc(command, "--data-dir", path)
        assert (done.code, done.out) == (2, "")
        assert "cannot be used: Permission denied." in done.err


def test_a_mistake_in_the_settings_file_is_named(arc, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.toml").write_text("prot = 1")
    for command in (["serve"], ["report"], ["db", "upgrade"]):
        (tmp_path / "data" / "journal" / "x").mkdir(parents=True, exist_ok=True)
        done = arc(*command)
        assert (done.code, done.out) == (2, "")
        assert "Did you mean port?" in done.err
    doctor = arc("doctor")
    assert doctor.code == 1
    assert "✗ settings" in doctor.out


def test_a_mistake_in_the_prices_file_is_named(arc, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prices.toml").write_text(
        '[[rate]]\nprovider = "openai"\nmodel = "x"\ninput = "cheap"\n'
    )
    done = arc("prices", "show", "gpt-5")
    assert done.code == 2
    assert "prices.toml, line 1: input: must be" in done.err


def test_a_reader_that_leaves_early_is_no_error():
    reading = f"{sys.executable} -m arc_proxy.cli.main prices list openai --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{reading}; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        env=clean_environ(),
        check=True,
    )
    assert done.stdout.splitlines()[-1] in ("0", "141")  # 0 where all of it fitted into the pipe
    assert done.stderr == ""


def test_ctrl_c_leaves_no_traceback():
    command = [sys.executable, "-m", "arc_proxy.cli.main", "prices", "cost"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=clean_environ()) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b'{"provider": "openai", "model": "gpt-5"}\n')
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr
        assert process.stderr.read() == b""


def test_colours_are_for_terminals():
    assert "\x1b" not in arc_proxy("--help").stdout
    assert "\x1b[" in arc_proxy("--help", FORCE_COLOR="1").stdout
    assert "\x1b" not in arc_proxy("--help", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_terminal_without_utf8_gets_ascii():
    done = arc_proxy("--help", PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "+- Start -" in done.stdout
