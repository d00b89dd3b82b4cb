"""Where calls come to belong: agents of the tests' own making, their calls in any order that time allows."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_proxy.runs.clues import Clues
from arc_proxy.runs.gist import Key
from arc_proxy.runs.grouper import Grouper, Placement
from arc_proxy.runs.trail import Mark, Trail
from tests.runs.conversation import SECOND_NS, SYSTEM, URLS, Agent, Step, clues_of

MINUTE_NS = 60 * SECOND_NS


class Groups:
    """Places calls and keeps account of who went where, moves included; forgets like a restarted process."""

    def __init__(self, calls_max: int = 10_000) -> None:
        self._calls_max = calls_max
        self.grouper = Grouper(Trail(calls_max))
        self.run_of: dict[str, str] = {}
        self._stored: dict[str, tuple[Mark, tuple[Key, ...]]] = {}

    def place(self, clues: Clues) -> Placement:
        trail = self.grouper._trail
        wanted = self.grouper.wanted([clues])
        found: dict[str, tuple[Mark, set[Key]]] = {}
        for mark, keys in self._stored.values():
            led = wanted.intersection(keys)
            if led:
                found[mark.call_id] = (mark, led)
        trail.refill(found.values())
        placement = self.grouper.place(clues)
        mark_now = trail.mark(clues.call_id)
        assert mark_now is not None
        self._stored[clues.call_id] = (mark_now, placement.keys)
        self.run_of[clues.call_id] = placement.grouping.run_id
        for move in placement.moves:
            for call_id, run_id in self.run_of.items():
                if run_id == move.old_run_id:
                    self.run_of[call_id] = move.run_id
        return placement

    def restart(self) -> None:
        self.grouper = Grouper(Trail(self._calls_max))


def group(agents: Sequence[Agent], turns: Sequence[int], **options: Any) -> list[list[str]]:
    """The run of each agent's calls. `turns`: whose call is next."""
    groups = Groups(**options)
    left = [iter(agent.calls()) for agent in agents]
    found: list[list[str]] = [[] for _ in agents]
    ids: list[list[str]] = [[] for _ in agents]
    for place, number in enumerate(turns):
        request, response = next(left[number])
        call_id = f"c{place}"
        groups.place(
            clues_of(agents[number], request, response, call_id=call_id, started_ns=place * SECOND_NS)
        )
        ids[number].append(call_id)
    for number, calls in enumerate(ids):
        found[number] = [groups.run_of[call_id] for call_id in calls]
    return found


def is_apart(found: list[list[str]]) -> bool:
    """Each agent's calls are one run, and no two agents share one."""
    runs = [set(each) for each in found]
    return all(len(each) == 1 for each in runs) and len(set.union(*runs)) == len(runs)


def agent(number: int, dialect: str = "openai.chat", calls: int = 3, **more: Any) -> Agent:
    steps = [Step(tool=f"thing {number}.{step}", result=f"found {step}") for step in range(calls - 1)]
    steps.append(Step(text=f"The answer to question {number} is what I found in step {calls - 1}."))
    return Agent(task=f"Please find thing {number}.", steps=steps, dialect=dialect, **more)


SIDE_BY_SIDE = [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("dialect", URLS)
@pytest.mark.parametrize("ids", ["unique", "counted"])
def test_parallel_runs_with_one_system_prompt_stay_apart(dialect: str, ids: str) -> None:
    assert is_apart(group([agent(0, dialect, ids=ids), agent(1, dialect, ids=ids)], SIDE_BY_SIDE))


@pytest.mark.parametrize("dialect", URLS)
def test_the_same_task_twice_is_two_runs_though_all_is_equal_but_the_ids(dialect: str) -> None:
    assert is_apart(group([agent(0, dialect), agent(0, dialect)], SIDE_BY_SIDE))


def test_the_first_message_alone_is_no_evidence() -> None:
    one = Agent(task="Hello!", steps=[Step(text="Hello, what can I do for you?")])
    found = group([one, one, one], [0, 1, 2])
    assert len({run for runs in found for run in runs}) == 3


GREETING = "Hi! How can I help you today?"


def test_a_canned_greeting_is_no_reply() -> None:
    """Both clients begin with an assistant's message that no model ever said."""
    greeted = [{"role": "assistant", "content": GREETING}]
    agents = [agent(0), agent(1)]
    groups = Groups()
    runs = []
    for place, each in enumerate(agents):
        request, response = each.calls()[0]
        request["messages"][1:1] = greeted
        placed = groups.place(
            clues_of(each, request, response, call_id=f"c{place}", started_ns=place * SECOND_NS)
        )
        runs.append(placed.grouping.run_id)
    assert runs[0] != runs[1]


def test_a_fork_is_one_run() -> None:
    """Twice another question after the same answer: two ends of one conversation."""
    trunk = Step(text="There are three harbors, and each has a label of its own.", then="Which is red?")
    one = Agent(task="Tell me of the harbors.", steps=[trunk, Step(text="The first.")])
    groups = Groups()
    (first, said), (second, answer) = one.calls()
    other = {**second, "messages": [*second["messages"][:-1], {"role": "user", "content": "Which is blue?"}]}
    runs = {
        groups.place(
            clues_of(one, request, response, call_id=f"c{place}", started_ns=place * SECOND_NS)
        ).grouping.run_id
        for place, (request, response) in enumerate([(first, said), (second, answer), (other, answer)])
    }
    assert len(runs) == 1


INJECTED: dict[str, Any] = {
    "behind the user's message": lambda messages: [
        *messages,
        {"role": "user", "content": "<reminder>stay brief</reminder>"},
    ],
    "into the system prompt": lambda messages: [
        {"role": "system", "content": SYSTEM + " It is Thursday."},
        *messages[1:],
    ],
    "by leaving out the oldest turns": lambda messages: [messages[0], *messages[-2:]],
}


@pytest.mark.parametrize("inject", INJECTED.values(), ids=INJECTED)
@pytest.mark.parametrize("ids", ["unique", "counted"])
def test_what_a_client_changes_of_the_history(inject: Any, ids: str) -> None:
    one = agent(0, calls=4, ids=ids)
    groups = Groups()
    runs = set()
    for place, (request, response) in enumerate(one.calls()):
        if place == 3:
            request["messages"] = inject(request["messages"])
        placed = groups.place(
            clues_of(one, request, response, call_id=f"c{place}", started_ns=place * SECOND_NS)
        )
        runs.add(placed.grouping.run_id)
    assert len(runs) == 1


def test_a_call_that_is_read_late_joins_two_runs() -> None:
    one = agent(0)
    first, second, third = [
        clues_of(one, request, response, call_id=f"c{place}", started_ns=place * SECOND_NS)
        for place, (request, response) in enumerate(one.calls())
    ]
    groups = Groups()
    groups.place(second)
    groups.place(third)
    placed = groups.place(first)
    assert [(move.old_run_id, move.run_id) for move in placed.moves] == [("r-c1", "r-c0")]
    assert set(groups.run_of.values()) == {"r-c0"}


def test_a_retry_is_an_attempt_of_the_call_that_it_repeats() -> None:
    one = agent(0, calls=1)
    [(request, response)] = one.calls()
    groups = Groups()
    placed = [
        groups.place(
            clues_of(
                one,
                request,
                response,
                call_id=f"c{count}",
                started_ns=count * SECOND_NS,
                status=status,
                headers={"x-stainless-retry-count": str(count)},
            )
        )
        for count, status in enumerate([503, 503, 200])
    ]
    assert [(each.attempt_of, each.attempt) for each in placed] == [(None, 1), ("c0", 2), ("c0", 3)]
    assert {each.grouping.run_id for each in placed} == {"r-c0"}


def test_the_same_body_again_after_a_success_is_a_run_of_its_own() -> None:
    one = agent(0, calls=1)
    [(request, response)] = one.calls()
    groups = Groups()
    placed = [
        groups.place(clues_of(one, request, response, call_id=f"c{n}", started_ns=n * SECOND_NS))
        for n in range(2)
    ]
    assert [each.attempt_of for each in placed] == [None, None]
    assert len({each.grouping.run_id for each in placed}) == 2


def test_names_that_differ_separate_what_evidence_would_join() -> None:
    one = agent(0)
    groups = Groups()
    runs = []
    for place, (request, response) in enumerate(one.calls()):
        headers = {"x-arc-run-id": f"run {place // 2}"}
        clues = clues_of(
            one, request, response, call_id=f"c{place}", started_ns=place * SECOND_NS, headers=headers
        )
        runs.append(groups.place(clues).grouping.run_id)
    assert runs == ["run 0", "run 0", "run 1"]


NOISE: dict[str, dict[str, Any]] = {
    "a fresh traceparent for each request": {"headers": {"traceparent": "00-{hex}-00f067aa0ba902b7-01"}},
    "one user for everybody": {"body": {"user": "production"}},
    "one cache key for everybody": {"body": {"prompt_cache_key": "production"}},
    "one user in the metadata": {"body": {"metadata": {"user_id": "production"}}},
}


@pytest.mark.parametrize("dialect", URLS)
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_what_says_nothing_of_runs_changes_none(dialect: str, noise: dict[str, Any]) -> None:
    agents = [agent(number, dialect, body=noise.get("body", {})) for number in range(4)]
    groups = Groups()
    runs: defaultdict[int, set[str]] = defaultdict(set)
    place = 0
    for calls in zip(*[each.calls() for each in agents], strict=True):
        for number, (request, response) in enumerate(calls):
            headers = {
                name: value.replace("{hex}", uuid.uuid4().hex)
                for name, value in noise.get("headers", {}).items()
            }
            clues = clues_of(
                agents[number],
                request,
                response,
                call_id=f"c{place}",
                started_ns=place * SECOND_NS,
                headers=headers,
            )
            runs[number].add(groups.place(clues).grouping.run_id)
            place += 1
    assert is_apart([list(each) for each in runs.values()])


PLAN = """I will send two workers.
Worker one: collect all prices of crude oil between March and June of this year.
Worker two: collect all prices of natural gas between March and June of this year."""


def test_a_worker_whose_brief_a_reply_wrote_joins_it() -> None:
    lead = Agent(task="Compare oil and gas.", steps=[Step(text=PLAN)])
    worker = Agent(
        task="Worker one: collect all prices of crude oil between March and June of this year.",
        steps=[Step(text="They rose from 70 to 82 dollars a barrel in those months.")],
        system="You are a worker who collects prices.",
    )
    found = group([lead, worker], [0, 1])
    assert found[0] == found[1]


COUNT = "Please count all of the beans that are in the sack in the cellar"
IN_QUOTES = {
    "a single one": f"r = helper(task='{COUNT}')",
    "a double one": f'r = helper(task="{COUNT}")',
    "of an object": f"r = helper(**{{'task': '{COUNT}', 'additional_args': {{}}}})",
}
# smolagents 1.26.
MANAGED = f"""New task:
You're a helpful agent named 'helper'.
You have been submitted this task by your manager.
---
Task:
{COUNT}
---
You're helping your manager solve a wider task: so make sure to not provide a one-line answer.

### 1. Task outcome (short version, of a line or two):
### 2. Task outcome (extremely detailed version, of many lines):
Put all these in your final_answer tool, everything that you do not pass as an argument will be lost."""


@pytest.mark.parametrize("code", IN_QUOTES.values(), ids=IN_QUOTES)
def test_a_managed_agent_whose_task_stands_in_code_joins_its_manager(code: str) -> None:
    manager = Agent(task="How many beans?", steps=[Step(text=f"<code>\n{code}\nprint(r)\n</code>")])
    managed = Agent(task=MANAGED, steps=[Step(text="There are forty-two beans in it.")], system="You count.")
    found = group([manager, managed], [0, 1])
    assert found[0] == found[1]


def test_a_line_of_code_that_many_write_sends_nobody_off() -> None:
    line = "from functions import optical_character_recognition"
    wrote = Agent(task="Read this image.", steps=[Step(text=f"```\n{line}\nprint(1)\n```")])
    lines = "\n".join(f"This is sentence number {n} of a long brief about image {n}." for n in range(12))
    other = Agent(task=f"{lines}\n{line}", steps=[Step(text="It shows a harbor.")])
    found = group([wrote, other], [0, 1])
    assert found[0] != found[1]


# Properties.

turns_of = st.integers(2, 5).flatmap(
    lambda agents: st.permutations([number for number in range(agents) for _ in range(3)])
)


@settings(max_examples=40, deadline=None)
@given(turns=turns_of, dialect=st.sampled_from(list(URLS)), ids=st.sampled_from(["unique", "counted"]))
def test_any_interleaving_gives_each_task_one_run(turns: list[int], dialect: str, ids: str) -> None:
    agents = [agent(number, dialect, ids=ids) for number in range(max(turns) + 1)]
    assert is_apart(group(agents, turns))


@settings(max_examples=25, deadline=None)
@given(turns=turns_of, dialect=st.sampled_from(list(URLS)), calls_max=st.integers(1, 4))
def test_a_memory_of_a_few_calls_is_enough_where_the_store_is_asked(
    turns: list[int], dialect: str, calls_max: int
) -> None:
    agents = [agent(number, dialect) for number in range(max(turns) + 1)]
    assert is_apart(group(agents, turns, calls_max=calls_max))


@settings(max_examples=25, deadline=None)
@given(restarts=st.sets(st.integers(0, 8)), dialect=st.sampled_from(list(URLS)))
def test_restarts_change_nothing(restarts: set[int], dialect: str) -> None:
    agents = [agent(number, dialect) for number in range(3)]
    groups = Groups()
    runs: defaultdict[int, set[str]] = defaultdict(set)
    left = [iter(each.calls()) for each in agents]
    for place in range(9):
        if place in restarts:
            groups.restart()
        number = place % 3
        request, response = next(left[number])
        clues = clues_of(agents[number], request, response, call_id=f"c{place}", started_ns=place * SECOND_NS)
        runs[number].add(groups.place(clues).grouping.run_id)
    assert is_apart([list(each) for each in runs.values()])
