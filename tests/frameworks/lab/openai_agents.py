"""OpenAI Agents SDK: a desk hands each task off to an expert, who looks things up."""

import asyncio
import sys

from agents import Agent, Runner, function_tool, set_tracing_disabled

set_tracing_disabled(True)


@function_tool
def look_up(part: int) -> str:
    """Look up a part of the handbook."""
    return "It is on the shelf."


expert = Agent(name="expert", model="gpt-5-mini", instructions="You know the handbook.", tools=[look_up])
desk = Agent(
    name="desk", model="gpt-5-mini", instructions="You hand every task to the expert.", handoffs=[expert]
)


async def main(tasks: int) -> None:
    async def one(number: int) -> None:
        task = f"What does the handbook say about task {number} of openai_agents?"
        result = await Runner.run(desk, task)
        assert f"task {number} of openai_agents" in result.final_output

    await asyncio.gather(*map(one, range(tasks)))


asyncio.run(main(int(sys.argv[1])))
