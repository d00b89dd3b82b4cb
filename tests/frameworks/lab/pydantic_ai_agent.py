"""pydantic-ai: one agent with a tool."""

import asyncio
import sys

from pydantic_ai import Agent

agent = Agent("openai-chat:gpt-5-mini", system_prompt="You answer from a handbook.")


@agent.tool_plain
def look_up(part: int) -> str:
    """Look up a part of the handbook."""
    return "It is on the shelf."


async def main(tasks: int) -> None:
    async def one(number: int) -> None:
        result = await agent.run(f"What does the handbook say about task {number} of pydantic_ai?")
        assert f"task {number} of pydantic_ai" in result.output

    await asyncio.gather(*map(one, range(tasks)))


asyncio.run(main(int(sys.argv[1])))
