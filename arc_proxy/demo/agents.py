"""
Sample agents, as anyone would write them: plain HTTP, a tool loop, a stream, and things that go wrong.

    python -m arc_proxy.demo.agents http://127.0.0.1:8000 /path/to/data-folder

Their only line about arc-proxy is the one that traces them; the provider behind it is `demo.provider`.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from arc_proxy.trace import ArcTracer

Json = dict[str, Any]
Headers = Callable[[], dict[str, str]]

ATTEMPTS_MAX = 3
ANSWER_S = 30.0


class ProviderError(Exception):
    """The provider refused, and went on refusing."""


class Client:
    """JSON over HTTP, with the retries that SDKs make."""

    def __init__(self, base_url: str, headers: Headers) -> None:
        self._base = urlsplit(base_url)
        self._headers = headers

    def post(self, path: str, body: Json) -> Json:
        answer: Json = json.loads(b"".join(self.stream(path, body)))
        return answer

    def stream(self, path: str, body: Json) -> Iterator[bytes]:
        """The lines of the answer, as they come."""
        for attempt in range(ATTEMPTS_MAX):
            connection = http.client.HTTPConnection(
                str(self._base.hostname), self._base.port, timeout=ANSWER_S
            )
            headers = {"content-type": "application/json", "authorization": "Bearer none", **self._headers()}
            headers["x-stainless-retry-count"] = str(attempt)
            connection.request("POST", self._base.path + path, json.dumps(body), headers)
            response = connection.getresponse()
            if response.status == 200:
                yield from response
                connection.close()
                return
            error = json.loads(response.read())["error"]["message"]
            connection.close()
            if response.status not in (429, 500, 503) or attempt == ATTEMPTS_MAX - 1:
                raise ProviderError(f"{response.status}: {error}")
            time.sleep(float(response.headers.get("retry-after", 0.05)))


class FinanceAgent:
    """Answers questions about the books: ledger, budget, a calculation over both, then the answer."""

    MODEL = "gpt-5"
    TOOLS = ("query_ledger", "read_budget", "calculation")
    # A bug of this sample: whoever set it was thinking of short answers.
    MAX_TOKENS = 256

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, question: str) -> str:
        messages: list[Json] = [
            {"role": "system", "content": "You are the finance agent of a small company. " * 12},
            {"role": "user", "content": question},
        ]
        while True:
            body = {
                "model": self.MODEL,
                "messages": messages,
                "tools": [self._tool(name) for name in self.TOOLS],
                "max_tokens": self.MAX_TOKENS,
            }
            choice = self._client.post("/openai/v1/chat/completions", body)["choices"][0]
            messages.append(choice["message"])
            if choice["finish_reason"] != "tool_calls":
                return str(choice["message"]["content"])
            for call in choice["message"]["tool_calls"]:
                result = self._use(
                    call["function"]["name"], json.loads(call["function"]["arguments"]), question
                )
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    def _tool(self, name: str) -> Json:
        query = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
        about = {"name": name, "description": f"{name.replace('_', ' ')} by quarter", "parameters": query}
        return {"type": "function", "function": about}

    def _use(self, tool: str, arguments: Json, question: str) -> str:
        if tool == "calculation":
            return self._calculate(question)
        accounts = {"travel": 4200, "cloud": 18300, "payroll": 96000}
        rows = [{"account": name, "amount": amount, **arguments} for name, amount in accounts.items()]
        if "marketing" in question:
            # Another: nobody told the ledger about that account.
            return json.dumps({"tool": tool, "amount": accounts["marketing"]})
        return json.dumps({"tool": tool, "rows": rows * 20})

    def _calculate(self, question: str) -> str:
        if "quarter 4" in question and "cloud" in question:
            # And another: the fourth quarter is kept under another name, so the filter leaves no row.
            return "Empty DataFrame\nColumns: [account, amount]\nIndex: []"
        return "  account  amount\n0  travel    4200\n1   cloud   18300"


class SupportAgent:
    """Answers customers, word by word."""

    MODEL = "claude-sonnet-5"

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, question: str) -> str:
        body = {
            "model": self.MODEL,
            "max_tokens": 400,
            "stream": True,
            "system": "You answer customers of a bookshop, kindly and briefly. " * 20,
            "messages": [{"role": "user", "content": question}],
        }
        text = ""
        for line in self._client.stream("/anthropic/v1/messages", body):
            if line.startswith(b"data: "):
                text += json.loads(line[6:]).get("delta", {}).get("text", "")
        return text


class ResearchAgent:
    """Embeds a question, asks a model about it, and has a local model sum that up."""

    MODEL = "gpt-5-mini"

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, question: str) -> str:
        self._client.post("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": question})
        asked = {"model": self.MODEL, "input": question, "instructions": "Cite what you use. " * 30}
        found = self._client.post("/openai/v1/responses", asked)["output"][0]["content"][0]["text"]
        # No price list knows this one, and so nobody claims that it was free.
        messages = [{"role": "user", "content": f"Sum up: {found}"}]
        summed = {"model": "acme-local-7b", "messages": messages}
        answer = self._client.post("/openai/v1/chat/completions", summed)["choices"][0]
        return str(answer["message"]["content"])


ACCOUNTS = ("travel", "cloud")
ASKED = (
    "How did {} do in quarter {}?",
    "Compare {} with its budget of quarter {}.",
    "Is {} over in quarter {}?",
)
TOPICS = ("ferns", "tides", "amber", "moss")

QUESTIONS: dict[str, tuple[type[FinanceAgent | SupportAgent | ResearchAgent], list[str]]] = {
    "finance": (
        FinanceAgent,
        [
            *(asked.format(account, n) for asked in ASKED for n in (1, 2, 3, 4) for account in ACCOUNTS),
            "Is payroll within its budget? [429]",
            "How much did marketing cost us?",
            "Give me the whole year in one sentence. [brief]",
            "Write the report for the board. [brief]",
            "Which account grew fastest?",
        ],
    ),
    "support": (
        SupportAgent,
        [
            *(f"Where is my order {number}?" for number in (1041, 1042, 1043, 1044, 1045)),
            "Can I return a signed copy? [429]",
            "Do you ship on Sundays? [500]",
            "Is the second edition out?",
        ],
    ),
    "research": (
        ResearchAgent,
        [f"What is known about {topic}?" for topic in TOPICS],
    ),
}


VERSIONS = {"finance": "2.1"}


def main(proxy_url: str, data_dir: str) -> None:
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        for done in [pool.submit(run_agent, name, proxy_url, data_dir) for name in QUESTIONS]:
            print(done.result(), flush=True)  # noqa: T201  it is a program


def run_agent(name: str, proxy_url: str, data_dir: str) -> str:
    """Ask the agent all of its questions; a line about how that went, and the ids of the runs that failed."""
    make, questions = QUESTIONS[name]
    tracer = ArcTracer(name, version=VERSIONS.get(name), data_dir=data_dir)
    agent = tracer.trace_agent(make(Client(proxy_url, tracer.headers)))
    failed = []
    for question in questions:
        try:
            agent.run(question)
        except (ProviderError, KeyError):
            failed.append(str(tracer.run_id))
    return f"{name}: {len(questions)} tasks, {len(failed)} failed {' '.join(failed)}".rstrip()


if __name__ == "__main__":
    main(*sys.argv[1:3])
