"""AutoGen: two agents answer each other in turns, each with a list of what it heard."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient


async def main(tasks: int) -> None:
    async def one(number: int) -> None:
        client = OpenAIChatCompletionClient(model="gpt-4o-mini")
        writer = AssistantAgent("writer", client, system_message="You are the writer, who drafts.")
        critic = AssistantAgent("critic", client, system_message="You are the critic, who objects.")
        team = RoundRobinGroupChat([writer, critic], termination_condition=MaxMessageTermination(5))
        result = await team.run(task=f"What does the handbook say about task {number} of autogen?")
        assert f"task {number} of autogen" in result.messages[-1].content
        await client.close()

    await asyncio.gather(*map(one, range(tasks)))


asyncio.run(main(int(sys.argv[1])))
