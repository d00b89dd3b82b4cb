"""A request's body as a `Prompt`: what dialects share, once they know where their messages stand. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from arc_proxy.call import Prompt
from arc_proxy.wire.document import JsonObject, as_text, canonical


def prompt_of(body: JsonObject, opening: list[bytes], spoken: Any, taken: Collection[str]) -> Prompt:
    """
    `opening` are the messages before the conversation, tools first; `spoken` is the conversation as it stands
    in the body, whatever it is. `taken` names the fields that these come from: the others are parameters.
    """
    turns = spoken if isinstance(spoken, list) else [spoken] if spoken else []
    return Prompt(
        model=as_text(body.get("model")),
        stream=body.get("stream") is True,
        messages=(*opening, *map(canonical, turns)),
        parameters={field: value for field, value in body.items() if field not in taken},
    )
