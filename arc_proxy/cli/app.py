"""The typer app. A command's module is imported when that command is asked for, and not before."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from arc_proxy.cli.catalog import BY_NAME
from arc_proxy.cli.help import HelpGroup
from arc_proxy.cli.panels import root_help
from arc_proxy.cli.terminal import width


class LazyGroup(HelpGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(BY_NAME)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = BY_NAME.get(cmd_name)
        if entry is None:
            return None
        command = get_command(import_module(f"arc_proxy.cli.{entry.module}").app)
        command.name = entry.name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write("\n".join(root_help(width())) + "\n")


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """A proxy beside your LLM agent."""
