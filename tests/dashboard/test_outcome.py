"""`POST /_arc/api/runs/{id}/outcome`: what is taken, what is refused and in which words."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from arc_proxy.api.auth import Gate
from arc_proxy.api.outcome import BODY_BYTES_MAX, KeyUsed, Told, add_outcomes
from arc_proxy.errors import JournalError
from arc_proxy.token import api_token
from tests.dashboard.attacks import SECRET

GOOD = {"outcome": "success"}


@pytest.fixture
async def post(tmp_path):
    """Asks a server that keeps what it is told in `post.told`, and answers as `post.answer` does."""
    told: list[Told] = []

    class Post:
        answer = staticmethod(lambda told: "fact-1")

        async def __call__(self, run: str, body: object, **headers: str):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            own = {"authorization": f"Bearer {api_token(SECRET)}", "content-type": "application/json"}
            url = aiohttp.client.URL(f"http://127.0.0.1/_arc/api/runs/{run}", encoded=True)
            async with session.post(url, data=content, headers=own | headers) as response:
                return response.status, json.loads(await response.read() or b"null")

    post = Post()
    post.told = told

    def tell(each: Told) -> str:
        told.append(each)
        return post.answer(each)

    gate = Gate(SECRET, cookie="c", policy="", used_logins=tmp_path / "used")
    app = web.Application(middlewares=[gate.middleware()])
    add_outcomes(app, tell, asyncio.Semaphore(2))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "s"))) as session:
        yield post
    await runner.cleanup()


TAKEN = {
    "a word": ("r1/outcome", GOOD, ("r1", None, "success", None, None)),
    "all of it": (
        "r1/outcome",
        {"outcome": "failure", "score": 0.25, "reason": "wrong total", "agent": "finance"},
        ("r1", "finance", "failure", 0.25, "wrong total"),
    ),
    "the agent in the query": ("r1/outcome?agent=finance", GOOD, ("r1", "finance", "success", None, None)),
    "the same agent twice": (
        "r1/outcome?agent=a",
        GOOD | {"agent": "a"},
        ("r1", "a", "success", None, None),
    ),
    "a whole number as score": ("r1/outcome", GOOD | {"score": 1}, ("r1", None, "success", 1.0, None)),
    "a slash in the id": ("a%2Fb/outcome", GOOD, ("a/b", None, "success", None, None)),
    "an id beyond ASCII": ("%E6%BC%A2%20x/outcome", GOOD, ("漢 x", None, "success", None, None)),
}


@pytest.mark.parametrize(("path", "body", "expected"), TAKEN.values(), ids=TAKEN)
async def test_what_is_taken(post, path, body, expected):
    status, answer = await post(path, body)
    names = ("run_id", "agent", "outcome", "score", "reason")
    assert (status, answer) == (202, {"fact_id": "fact-1"} | dict(zip(names, expected, strict=True)))
    [told] = post.told
    assert (told.run_id, told.agent, told.outcome, told.score, told.reason) == expected


REFUSED = {
    "no JSON": ("r1/outcome", b"{", 400, "Invalid JSON"),
    "nothing": ("r1/outcome", b"", 400, "Invalid JSON"),
    "no object": ("r1/outcome", [1], 400, "object"),
    "no outcome": ("r1/outcome", {"score": 1}, 400, "outcome: Field required"),
    "another word": (
        "r1/outcome",
        {"outcome": "great"},
        400,
        "outcome: Input should be 'success' or 'failure'",
    ),
    "a field that is none": ("r1/outcome", GOOD | {"scor": 1}, 400, "scor: Extra inputs are not permitted"),
    "a score beyond one": ("r1/outcome", GOOD | {"score": 1.5}, 400, "score: "),
    "a score that is none": ("r1/outcome", b'{"outcome": "success", "score": NaN}', 400, ""),
    "a score in words": ("r1/outcome", GOOD | {"score": "high"}, 400, "score: "),
    "a long reason": ("r1/outcome", GOOD | {"reason": "x" * 10_001}, 400, "reason: "),
    "a long id": (f"{'x' * 201}/outcome", GOOD, 400, "the run's id has 1 to 200 printable characters"),
    "a control byte in the id": ("a%00b/outcome", GOOD, 400, "the run's id"),
    "a long agent": ("r1/outcome", GOOD | {"agent": "x" * 201}, 400, "agent has 1 to 200"),
    "two agents": ("r1/outcome?agent=a", GOOD | {"agent": "b"}, 400, "name two agents"),
    "a long body": ("r1/outcome", b" " * (BODY_BYTES_MAX + 1), 413, "at most"),
}


@pytest.mark.parametrize(("path", "body", "status", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused(post, path, body, status, words):
    found, answer = await post(path, body)
    assert found == status
    assert words in answer["error"]["message"]
    assert post.told == []


async def test_a_long_key_is_refused(post):
    status, answer = await post("r1/outcome", GOOD, **{"idempotency-key": "x" * 201})
    assert (status, answer["error"]["type"]) == (400, "bad_request")


async def test_nobody_tells_without_the_token(post):
    status, answer = await post("r1/outcome", GOOD, authorization="Bearer x")
    assert (status, answer["error"]["type"]) == (401, "unauthorized")
    assert post.told == []


TROUBLES = {
    "a key that came with something else": (KeyUsed("used"), 422, "key_used"),
    "a disk that is full": (JournalError("cannot write"), 503, "JournalError"),
}


@pytest.mark.parametrize(("error", "status", "kind"), TROUBLES.values(), ids=TROUBLES)
async def test_what_goes_wrong_is_said(post, error, status, kind):
    def fail(_told: Told) -> str:
        raise error

    post.answer = fail
    found, answer = await post("r1/outcome", GOOD)
    assert (found, answer["error"]["type"]) == (status, kind)


def test_the_facts_id_follows_from_key_run_and_agent():
    def told(**fields: str | None) -> Told:
        known = {
            "run_id": "r",
            "agent": None,
            "outcome": "success",
            "score": None,
            "reason": None,
            "key": "k",
        }
        return Told(**(known | fields))

    ids = [told().fact_id(), told(outcome="failure").fact_id()]
    others = [told(run_id="s").fact_id(), told(agent="a").fact_id(), told(key="l").fact_id()]
    assert ids[0] == ids[1]
    assert len({ids[0], *others}) == 4
    assert told(key=None).fact_id() is None
    assert all(found[6:10] == bytes(4) for found in (*ids, *others))
