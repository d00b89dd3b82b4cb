"""One question, whole and streamed, to OpenAI and to Anthropic, with a tool on offer."""

from __future__ import annotations

import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def look_up(part: int) -> str:
    """Look a part up."""
    return str(part)


for model in (
    ChatOpenAI(model="gpt-5"),
    ChatOpenAI(model="gpt-5", use_responses_api=True),
    ChatAnthropic(model_name="claude-sonnet-4-5", timeout=None, stop=None),
):
    bound = model.bind_tools([look_up])
    sys.stdout.write(f"{bound.invoke('What is there to say?').text}\n")
    sys.stdout.write("".join(piece.text for piece in bound.stream("What is there to say?")) + "\n")
