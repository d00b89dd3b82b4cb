"""The help of a command, in the same panels as the help of the whole."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from arc_proxy.cli.panels import Row, panel
from arc_proxy.cli.terminal import is_utf8, style, width
from arc_proxy.format import ascii_only


class HelpCommand(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # The words of the library that checks values, which mean nothing to who typed one.
            error.message = error.message.removeprefix("Value error, ")
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [_without_braces(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(_render(self, ctx, []))


class HelpGroup(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(200)) for name, command in commands if command]
        formatter.write(_render(self, ctx, rows))


def _without_braces(piece: str) -> str:
    """`ID` for `{ID}`; braces stay around a choice."""
    inner, brace, rest = piece.removeprefix("{").rpartition("}")
    if not (piece.startswith("{") and brace) or "|" in inner:
        return piece
    return inner if inner.endswith(rest) else inner + rest


def _render(command: Any, ctx: Any, commands: list[Row]) -> str:
    lines = "\n".join(_lines(command, ctx, commands, width())) + "\n"
    return lines if is_utf8(sys.stdout) else ascii_only(lines)


def _lines(command: Any, ctx: Any, commands: list[Row], columns: int) -> Iterable[str]:
    yield ""
    yield f" {style('Usage:', 'bold')} {' '.join([ctx.command_path, *command.collect_usage_pieces(ctx)])}"
    yield ""
    for paragraph in (command.help or "").split("\n\n"):
        if paragraph.startswith("    "):
            yield from (f" {line}" for line in paragraph.splitlines())
        else:
            yield from textwrap.wrap(
                " ".join(paragraph.split()), columns - 2, initial_indent=" ", subsequent_indent=" "
            )
        yield ""
    arguments: list[Row] = []
    options: list[Row] = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        if parameter.param_type_name == "argument":
            arguments.append((parameter.metavar or parameter.name.upper(), record[1]))
        else:
            options.append(record)
    for title, rows in (("Commands", commands), ("Arguments", arguments), ("Options", options)):
        if rows:
            yield from panel(title, rows, columns)
    yield ""
