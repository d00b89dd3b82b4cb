"""
Tools as the model reads them: OpenAI writes their schemas out as TypeScript into the prompt. Pure.

Nobody documents it; the form was told by the models themselves, and on recorded calls its tokens come out
right to a few. Other providers' forms are not known, and what users' own calls report mends the difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PLAIN = {"string": "string", "boolean": "boolean", "null": "null", "number": "number", "integer": "number"}
_DEPTH_MAX = 12


def tools_text(tools: Iterable[Mapping[str, Any]]) -> str:
    """Of functions in any format that names them; a provider's own tools are not in it."""
    lines = ["namespace functions {\n"]
    for tool in tools:
        function = next(
            (tool[key] for key in ("function", "custom") if isinstance(tool.get(key), dict)), tool
        )
        if not isinstance(function.get("name"), str):
            continue
        if function.get("description"):
            lines.append(f"// {function['description']}")
        schema: dict[str, Any] = next(
            (function[key] for key in _SCHEMAS if isinstance(function.get(key), dict)), {}
        )
        if schema.get("properties"):
            fields = "\n".join(_fields(schema, 0))
            lines.append(f"type {function['name']} = (_: {{\n{fields}\n}}) => any;\n")
        else:
            lines.append(f"type {function['name']} = () => any;\n")
    lines.append("} // namespace functions")
    return "\n".join(lines)


_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema")


def _fields(schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    required = schema.get("required")
    required = required if isinstance(required, list) else []
    properties = schema.get("properties")
    for name, each in (properties if isinstance(properties, dict) else {}).items():
        if isinstance(each, dict) and each.get("description"):
            yield f"// {each['description']}"
        line = f"{name}{'' if name in required else '?'}: {_type(each, depth + 1)},"
        yield (
            f"{line} // default: {each['default']}" if isinstance(each, dict) and "default" in each else line
        )


def _type(schema: Any, depth: int) -> str:
    if not isinstance(schema, dict) or depth > _DEPTH_MAX:
        return "any"
    if isinstance(schema.get("enum"), list):
        return " | ".join(json.dumps(each, ensure_ascii=False) for each in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return " | ".join(_type(each, depth + 1) for each in schema[key])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PLAIN.get(str(each), str(each)) for each in kind)
    if kind == "array":
        return f"{_type(schema.get('items'), depth + 1)}[]"
    if schema.get("properties"):
        fields = "\n".join(_fields(schema, depth + 1))
        return f"{{\n{fields}\n}}"
    return _PLAIN.get(str(kind).lower(), "object" if kind == "object" else "any")
