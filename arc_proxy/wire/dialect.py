"""
What a dialect is: a wire format, told by three readers. No I/O.

Who speaks it is data, see `providers` and `endpoints`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from arc_proxy.call import Prompt, Reply
from arc_proxy.wire.document import JsonObject
from arc_proxy.wire.stream import StreamEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """
    Three readers that take anything: a field of the wrong type is as if it were not there.

    They raise WireError only for a message that is nested too deep to be written again.
    """

    name: str  # reaches the database and the export: never rename
    read_prompt: Callable[[JsonObject], Prompt]
    read_reply: Callable[[JsonObject], Reply]  # of a plain JSON response
    read_stream: Callable[[Iterable[StreamEvent]], Reply]  # a stream cut short yields what did arrive
    # Of a body that is no JSON, and its content type; None where there is no such reply.
    read_text: Callable[[bytes, str], Reply] | None = None
    streams_arrays: bool = False  # a stream may be one array, whose items are its events
