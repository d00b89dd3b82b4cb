"""
Templates and our own files.

Captured text is hostile. Templates escape all of it, `clean` has taken control characters out, and the
policy of every page lets no script run but our own files.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def render(template: str, **values: Any) -> str:
    """The HTML of one of our templates; a value that it misses is an error."""
    return _templates().get_template(template).render(**values)


def static_file(name: str) -> bytes:
    """One of our own files; KeyError for any other name."""
    return _static()[name]


@cache
def _static() -> dict[str, bytes]:
    folder = files("arc_proxy.dashboard") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("arc_proxy.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
