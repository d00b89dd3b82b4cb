"""LlamaIndex: a FunctionAgent with a tool; it streams."""

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI


def look_up(part: int) -> str:
    """Look up a part of the handbook."""
    return "It is on the shelf."


async def main(tasks: int) -> None:
    async def one(number: int) -> None:
        agent = FunctionAgent(
            tools=[look_up], llm=OpenAI(model="gpt-4o-mini"), system_prompt="You answer from a handbook."
        )
        answer = str(await agent.run(f"What does the handbook say about task {number} of llamaindex?"))
        assert f"task {number} of llamaindex" in answer, answer

    await asyncio.gather(*map(one, range(tasks)))


asyncio.run(main(int(sys.argv[1])))
