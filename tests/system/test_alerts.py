"""A real `serve` with an agent that fails: who is told, once, whatever happens to console and targets."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
from tests.fake_provider import BODY, FakeProvider, Received, Step, reply
from tests.system.installation import Installation
from tests.system.traffic import answer

EVERY_S = {"ARC_ALERTS_EVERY_S": "1"}
WAIT_S = 60


def good_or_bad(request: Received) -> Iterable[Step]:
    """Runs whose id begins with `bad` are refused."""
    if b"x-bad" not in bytes(request.head).lower():
        yield from answer(request)
        return
    yield BODY
    error = {"type": "authentication_error", "message": "invalid x-api-key"}
    yield reply(json.dumps({"error": error}).encode(), status="401 Unauthorized")


class Webhook:
    """Keeps what it is sent, and what of it was taken; `status` is what it answers."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        message = await request.json()
        if self.status == 200:
            self.taken.append(message)
        await self.messages.put(message)
        return web.Response(status=self.status)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.messages.get(), WAIT_S)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    found = Webhook()
    app = web.Application()
    app.router.add_post("/", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield found
    await runner.cleanup()


async def run_agent(installation: Installation, name: str, count: int, *, is_bad: bool) -> None:
    """So many runs of one call each, and what was reported of them."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": name}]})
    url = f"http://127.0.0.1:{installation.port}/openai/v1/chat/completions"
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            headers = {"x-arc-agent": "finance", "x-arc-run-id": f"{name}-{number}"}
            headers |= {"content-type": "application/json", "authorization": "Bearer x"}
            headers |= {"x-bad": "1"} if is_bad else {}
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == (401 if is_bad else 200)
                await response.read()
    outcome = "failure" if is_bad else "success"
    with SegmentWriter(installation.data_dir / "journal") as writer:
        writer.append(
            [
                Record(
                    RecordKind.FACT,
                    writer.make_id(),
                    0,
                    encode_fact(
                        FactType.OUTCOME,
                        time.time_ns(),
                        run_id=f"{name}-{number}",
                        agent="finance",
                        outcome=outcome,
                    ),
                )
                for number in range(count)
            ]
        )


def alerts_status(installation: Installation) -> dict[str, Any]:
    """As the console tells it, once there is one that answers."""
    give_up = time.monotonic() + WAIT_S
    while not (console := json.loads(installation.cli("status", "--json"))["console"]):
        assert time.monotonic() < give_up
    alerts: dict[str, Any] = console["alerts"]
    return alerts


async def until(is_so: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    give_up = time.monotonic() + WAIT_S
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)


async def looked_since(installation: Installation, pid: int | None = None) -> None:
    """Until two looks began after now, by another console than `pid`."""
    for _ in range(2):
        before = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before + 1))

        def is_so(stamp: str = stamp) -> bool:
            console = json.loads(installation.cli("status", "--json"))["console"]
            if not console or console["pid"] == pid:
                return False
            return (console["alerts"]["looked_at"] or "") > stamp

        await until(is_so)


async def test_the_default_rules_fire_and_resolve_and_are_told_once(
    provider: FakeProvider, data_dir: Path, webhook: Webhook
) -> None:
    provider.answer = good_or_bad
    data_dir.mkdir()
    (data_dir / "alerts.toml").write_text(f'[target.team]\nwebhook = "{webhook.url}"\n')
    with Installation(data_dir, provider.url, environment=EVERY_S) as installation:
        await run_agent(installation, "good", 5, is_bad=False)
        await run_agent(installation, "bad", 14, is_bad=True)
        found = {message["kind"]: message for message in [await webhook.next(), await webhook.next()]}
        burning, issue = found["reliability"], found["issue"]
        assert (burning["status"], burning["agent"], burning["version"]) == ("firing", "finance", 1)
        assert burning["value"] > 6
        assert (issue["issue"]["code"], issue["issue"]["change"]) == ("provider.auth", "new")
        shown = installation.cli("report")
        assert "! alert: finance fails" in shown
        assert "! alert: new issue in finance: openai refuses the key" in shown
        report = json.loads(installation.cli("report", "--json"))
        assert {each["rule"] for each in report["alerts"]} == {"reliability", "new issues"}
        assert "answered 200" in installation.cli("alerts")

        # The console is killed in mid-alert: the new one goes on where it was.
        [console] = installation.children("arc_proxy.cli.console")
        console.kill()
        await looked_since(installation, console.pid)
        assert webhook.messages.empty()
        assert len(alerts_status(installation)["firing"]) == 2

        await run_agent(installation, "better", 400, is_bad=False)
        resolved = await webhook.next()
        assert (resolved["status"], resolved["alert_id"]) == ("resolved", burning["alert_id"])
        assert [each["rule"] for each in alerts_status(installation)["firing"]] == ["new issues"]
        log = (data_dir / "logs" / "console.log").read_text()
        assert "alert.firing rule=reliability" in log
        assert "alert.resolved rule=reliability" in log
        assert "Traceback" not in log


async def test_what_could_not_be_delivered_is_shown_and_not_lost(
    provider: FakeProvider, data_dir: Path, webhook: Webhook
) -> None:
    provider.answer = good_or_bad
    webhook.status = 503
    data_dir.mkdir()
    rule = '[[rule]]\nwhen = "errors"\nabove = "20%"\n'
    with Installation(data_dir, provider.url, environment=EVERY_S) as installation:
        # A rule and a target that come while it runs need no restart.
        (data_dir / "alerts.toml").write_text(f'[target.team]\nwebhook = "{webhook.url}"\n{rule}')
        await run_agent(installation, "bad", 12, is_bad=True)
        first = await webhook.next()
        await until(lambda: "team" in alerts_status(installation)["deliveries"])
        assert re.search(
            r"alerts do not reach team: failed \d+ times?: answered 503", installation.cli("doctor")
        )
        assert "not delivered to team: answered 503" in installation.cli("status")
        assert "alerts do not reach team" in installation.cli("report")

        [console] = installation.children("arc_proxy.cli.console")
        console.kill()
        webhook.status = 200
        await until(lambda: alerts_status(installation)["deliveries"]["team"]["is_ok"])
        await looked_since(installation)
        assert webhook.taken == [first]

        # A mistake leaves the last rules in force, and is told.
        (data_dir / "alerts.toml").write_text("[[rule]]\nwhen = 'rain'\n")
        await until(lambda: "'rain'" in (alerts_status(installation)["trouble"] or ""))
        assert len(alerts_status(installation)["firing"]) == 1
        assert "not as they should be" in installation.cli("status")


async def test_a_budget_is_told_when_it_is_spent(
    provider: FakeProvider, data_dir: Path, webhook: Webhook
) -> None:
    provider.answer = good_or_bad
    data_dir.mkdir()
    (data_dir / "alerts.toml").write_text(f'[target.team]\nwebhook = "{webhook.url}"\n')
    budget = {"ARC_BUDGET_PER_AGENT_USD": "finance=0.00001"}  # two calls and a bit
    with Installation(data_dir, provider.url, environment=EVERY_S | budget) as installation:
        await run_agent(installation, "good", 3, is_bad=False)
        found = await webhook.next()
        while found["urgency"] != "page":  # it may have been told of a part first
            found = await webhook.next()
        assert (found["kind"], found["agent"], found["unit"]) == ("budget", "finance", "usd")
        assert found["limit"] == "0.000010000"
        assert not found["is_at_least"]


async def test_a_target_that_hangs_delays_nothing(
    provider: FakeProvider, data_dir: Path, tmp_path: Path
) -> None:
    provider.answer = good_or_bad
    data_dir.mkdir()

    async def never(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await stop.wait()
        writer.close()

    asked, stop = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rule = '[[rule]]\nwhen = "errors"\nabove = "20%"\n'
    (data_dir / "alerts.toml").write_text(f'[target.team]\nwebhook = "http://127.0.0.1:{port}/"\n{rule}')
    with Installation(data_dir, provider.url, environment=EVERY_S) as installation:
        await run_agent(installation, "bad", 12, is_bad=True)
        await asyncio.wait_for(asked.wait(), WAIT_S)
        await run_agent(installation, "good", 20, is_bad=False)
        assert len(installation.calls()) == 32  # ingest goes on, and so do looks
        await looked_since(installation)
    stop.set()
    server.close()
    await server.wait_closed()
