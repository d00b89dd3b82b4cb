"""LangGraph: a supervisor writes two briefs, two workers with message lists of their own look things up."""

import asyncio
import sys
from typing import TypedDict

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

model = ChatOpenAI(model="gpt-5-mini")


@tool
def look_up(part: int) -> str:
    """Look up a part of the handbook."""
    return "It is on the shelf."


reader = create_agent(model, [look_up], system_prompt="You are the reader, a worker.")
writer = create_agent(model, [look_up], system_prompt="You are the writer, a worker.")


class State(TypedDict, total=False):
    task: str
    plan: str
    reports: list[str]
    answer: str


SUPERVISOR = SystemMessage("You are the supervisor of a reader and a writer.")


async def plan(state: State) -> State:
    reply = await model.ainvoke([SUPERVISOR, HumanMessage(state["task"])])
    return {"plan": reply.content}


async def work(state: State) -> State:
    reports = []
    for worker, name in ((reader, "Reader"), (writer, "Writer")):
        [brief] = [line for line in state["plan"].splitlines() if line.startswith(name)]
        done = await worker.ainvoke({"messages": [HumanMessage(brief.partition(": ")[2])]})
        reports.append(f"Report of the {name}: {done['messages'][-1].content}")
    return {"reports": reports}


async def conclude(state: State) -> State:
    history = [SUPERVISOR, HumanMessage(state["task"]), *map(HumanMessage, state["reports"])]
    reply = await model.ainvoke(history)
    return {"answer": reply.content}


graph = StateGraph(State)
for node in (plan, work, conclude):
    graph.add_node(node.__name__, node)
graph.add_edge(START, "plan")
graph.add_edge("plan", "work")
graph.add_edge("work", "conclude")
graph.add_edge("conclude", END)
app = graph.compile()


async def main(tasks: int) -> None:
    async def one(number: int) -> None:
        task = f"What does the handbook say about task {number} of langgraph?"
        state = await app.ainvoke({"task": task})
        assert f"task {number} of langgraph" in state["answer"]

    await asyncio.gather(*map(one, range(tasks)))


asyncio.run(main(int(sys.argv[1])))
