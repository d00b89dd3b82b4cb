"""
The entry point: `arc-proxy COMMAND ...`.

Exit codes: 0 fine, 1 the command failed, 2 it was asked wrongly, 3 a `--fail-on` threshold, 130 Ctrl-C.
A person's mistake is one sentence, never a traceback; a traceback means that we made one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from arc_proxy import __version__
from arc_proxy.cli.panels import root_help
from arc_proxy.cli.terminal import out, quiet_when_nobody_reads, say, style, width
from arc_proxy.errors import ArcError, ConfigError, UsageError

EXIT_FAILED = 1
EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    try:
        code = _run(arguments)
        with quiet_when_nobody_reads():
            sys.stdout.flush()
    except ArcError as error:
        return _refuse(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    return code


def _run(arguments: Sequence[str]) -> int:
    # The commonest questions are answered before typer is imported, which costs more than they do.
    if list(arguments) in ([], ["--help"], ["-h"], ["help"]):
        for line in root_help(width()):
            out(line)
        return 0
    if list(arguments) == ["--version"]:
        out(f"arc-proxy {__version__}")
        return 0
    from typer.main import get_command

    from arc_proxy.cli.app import app

    get_command(app).main(args=list(arguments), prog_name="arc-proxy")
    return 0


def _refuse(error: ArcError) -> int:
    say(f"{style('Error:', 'red', stream=sys.stderr)} {error}")
    return EXIT_MISUSE if isinstance(error, ConfigError | UsageError) else EXIT_FAILED


if __name__ == "__main__":
    main()
