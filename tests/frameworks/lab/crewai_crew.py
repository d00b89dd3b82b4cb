"""CrewAI: two agents, the second of which is given what the first one found."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}

from crewai import Agent, Crew, Task


def one(number: int) -> None:
    task = f"task {number} of crewai"
    reader = Agent(role="Reader", goal="Find what is written", backstory="Reads.", llm="openai/gpt-4o-mini")
    writer = Agent(role="Writer", goal="Write it down", backstory="Writes.", llm="openai/gpt-4o-mini")
    read = Task(description=f"Read all about {task}.", expected_output="Findings.", agent=reader)
    write = Task(description=f"Write about {task}.", expected_output="A text.", agent=writer, context=[read])
    crew = Crew(agents=[reader, writer], tasks=[read, write], verbose=False)
    assert task in crew.kickoff().raw


with ThreadPoolExecutor(10) as pool:
    list(pool.map(one, range(int(sys.argv[1]))))
