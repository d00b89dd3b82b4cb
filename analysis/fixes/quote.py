"""
Text from traffic on its way into a fix. Pure.

Whatever a tool, a provider or a model said is hostile: it is quoted as data and cut, and in code it stands
only as a literal or in a comment, never as code.
"""

from __future__ import annotations

import json
import keyword
import re
import textwrap

QUOTE_CHARACTERS_MAX = 300
_NAME_CHARACTERS_MAX = 80
_HINT_COLUMNS_MAX = 88
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)


def plain(text: str, characters_max: int = QUOTE_CHARACTERS_MAX) -> str:
    """One line of printable characters, cut at its end; terminal sequences are dropped."""
    bounded = _ESCAPES.sub("", text[: 4 * characters_max])
    line = " ".join("".join(each if each.isprintable() else " " for each in bounded).split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"


def said(text: str) -> str:
    """Quoted in a sentence. What closes a quote is taken out, so that the end of the quote is ours."""
    inner = plain(text).replace("“", '"').replace("”", '"')
    return f"“{inner}”"


def name(text: str) -> str:
    """A tool, a field, a model or a host, as it stands in a sentence."""
    return plain(text, _NAME_CHARACTERS_MAX)


def literal(text: str) -> str:
    """A string of Python."""
    return repr(plain(text))


def json_literal(text: str) -> str:
    """A string of JSON, and so of TypeScript; no tag can end a page's script with it."""
    return json.dumps(plain(text)).replace("</", "<\\/")


def hint_literal(text: str, *, is_typescript: bool = False) -> str:
    """A string of either language, over several lines where it is long."""
    quoted = json_literal if is_typescript else literal
    lines = textwrap.wrap(plain(text), _HINT_COLUMNS_MAX)
    if len(lines) < 2:
        return quoted(text)
    ends = [*(f"{line} " for line in lines[:-1]), lines[-1]]
    if is_typescript:
        return "\n  " + " +\n  ".join(_kept(line, is_typescript) for line in ends)
    return "(\n" + "".join(f"    {_kept(line, is_typescript)}\n" for line in ends) + ")"


def _kept(line: str, is_typescript: bool) -> str:
    """A literal of a line that is plain already, with the space at its end."""
    return json.dumps(line).replace("</", "<\\/") if is_typescript else repr(line)


def identifier(text: str, otherwise: str) -> str:
    """A name that can be written in Python and TypeScript, `otherwise` where the text is none."""
    is_name = text.isascii() and text.isidentifier() and len(text) <= _NAME_CHARACTERS_MAX
    return text if is_name and not keyword.iskeyword(text) and text not in _RESERVED else otherwise


def shell_word(text: str) -> str:
    """In single quotes, in which a shell reads nothing."""
    return "'" + plain(text).replace("'", "'\\''") + "'"


_RESERVED = frozenset(
    {"case", "catch", "const", "default", "delete", "do", "enum", "export", "extends", "function", "new"}
    | {"super", "switch", "this", "throw", "typeof", "var", "void", "let", "static", "instanceof", "debugger"}
    | {"null", "true", "false", "interface", "package", "private", "protected", "public"}
)
