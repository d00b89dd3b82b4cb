"""
Python source read as data: the calls of a module's one big list become what JSON would say. Nothing is run.

genai-prices ships its prices as constructor calls, `ModelInfo(id='gpt-5', prices=ModelPrice(...))`, and
publishes the same as JSON. Here a call becomes an object of its keyword arguments, a date or time its ISO
text, a Decimal a Decimal; whatever else could be written in Python is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from pricing.checked import SourceError

# Twice what genai-prices has: parsed, a list of nothing but numbers takes 500 times its length in memory.
SOURCE_CHARACTERS_MAX = 3_500_000


def read_assigned(source: str, name: str, *, classes: frozenset[str]) -> Any:
    """
    What a module assigns to a name. SourceError if there is no such thing, or anything but data in it.

    `classes`: the constructors that stand for objects.
    """
    if len(source) > SOURCE_CHARACTERS_MAX:
        raise SourceError(f"its Python is longer than {SOURCE_CHARACTERS_MAX:,} characters")
    try:
        module = ast.parse(source)
        for statement in module.body:
            if isinstance(statement, ast.AnnAssign) and _is_called(statement.target, name):
                return _value(statement.value, classes)
            if isinstance(statement, ast.Assign) and _is_called(statement.targets[0], name):
                return _value(statement.value, classes)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"it is no Python that could be read ({type(error).__name__})") from None
    raise SourceError(f"it assigns nothing to {name}")


def _is_called(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _value(node: ast.expr | None, classes: frozenset[str]) -> Any:
    match node:
        case ast.Constant(value=str() | int() | None as value):
            return value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(each, classes) for each in elements]
        case ast.Dict(keys=keys, values=values):
            return {_text(key): _value(each, classes) for key, each in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id=constructor), args=[], keywords=keywords) if constructor in classes:
            # Names that are words of Python carry an underscore: ClauseOr(or_=[...]).
            return {(each.arg or "").rstrip("_"): _value(each.value, classes) for each in keywords}
        case ast.Call(func=function, args=arguments):
            return _simple(ast.unparse(function), arguments, node)
    raise SourceError(f"line {getattr(node, 'lineno', '?')}: there is more than data in it")


def _simple(function: str, arguments: Sequence[ast.expr], node: ast.Call) -> Any:
    make = _SIMPLE.get(function)
    values = [each.value for each in arguments if isinstance(each, ast.Constant)]
    if make is None or len(values) != len(arguments) or not values:
        raise SourceError(f"line {node.lineno}: {function[:40]}(...) is no value that prices have")
    try:
        return make(*values)
    except (TypeError, ValueError, InvalidOperation, OverflowError):
        raise SourceError(f"line {node.lineno}: no {function} could be made of it") from None


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise SourceError(f"line {getattr(node, 'lineno', '?')}: a key is no text")


_SIMPLE: Mapping[str, Callable[..., Any]] = {
    "Decimal": Decimal,
    "datetime.date": lambda *parts: date(*parts).isoformat(),
    "datetime.time": lambda *parts: time(*parts).isoformat(),
}
