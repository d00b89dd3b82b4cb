"""Sending to real servers and programs, of which some are ill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.alerts import notify
from arc_proxy.alerts.message import Message, trial_message
from arc_proxy.alerts.notify import Means, deliver
from arc_proxy.alerts.targets import Command, Delivered, Target, Webhook
from tests.alerts.conftest import Receiver

MESSAGE = trial_message("team", 1_800_000_000 * 10**9)
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}


async def send(target: Target, message: Message = MESSAGE, **means: Any) -> Delivered:
    return await deliver(target, message, Means(**({"environ": ENVIRON} | means)))


def webhook(receiver: Receiver, **fields: Any) -> Webhook:
    return Webhook(**({"name": "team", "url": receiver.url} | fields))


async def test_a_webhook_gets_the_json_and_its_headers(receiver: Receiver) -> None:
    done = await send(webhook(receiver, headers={"authorization": "Bearer s3cret"}))
    assert done == Delivered(True, "answered 200")
    assert receiver.bodies == [dict(MESSAGE)]
    [headers] = receiver.headers
    assert (headers["authorization"], headers["idempotency-key"]) == ("Bearer s3cret", MESSAGE["id"])
    assert headers["content-type"] == "application/json"
    assert (MESSAGE["version"], MESSAGE["status"], MESSAGE["kind"]) == (1, "test", "test")


async def test_a_webhook_may_be_a_name(receiver: Receiver) -> None:
    assert (await send(webhook(receiver, url=receiver.url.replace("127.0.0.1", "localhost")))).is_ok
    done = await send(webhook(receiver, url="http://nowhere.invalid/"))
    assert done.says.startswith("no connection: ")
    done = await send(webhook(receiver, url=f"http://{'a' * 70}.invalid/"))
    assert not done.is_ok


async def test_slack_gets_a_text_that_can_neither_link_nor_ping(receiver: Receiver) -> None:
    message = {**MESSAGE, "status": "firing", "title": "<!channel> a & b", "text": "see <http://x|y>"}
    assert (await send(webhook(receiver, is_slack=True), message)).is_ok
    [body] = receiver.bodies
    assert body == {"text": "arc-proxy: &lt;!channel&gt; a &amp; b\nsee &lt;http://x|y&gt;"}


async def test_a_test_and_an_end_are_marked_in_slack(receiver: Receiver) -> None:
    await send(webhook(receiver, is_slack=True))
    await send(webhook(receiver, is_slack=True), {**MESSAGE, "status": "resolved"})
    texts = [body["text"].splitlines()[0] for body in receiver.bodies]
    assert texts == [
        "arc-proxy: Test: this is a test of arc-proxy's alerts",
        "arc-proxy: Resolved: this is a test of arc-proxy's alerts",
    ]


ANSWERS = {
    "a word of Slack's": (403, "invalid_token", "answered 403: invalid_token"),
    "a page": (500, "<html>secret</html>", "answered 500"),
    "no words": (404, "", "answered 404"),
}


@pytest.mark.parametrize(("status", "text", "says"), ANSWERS.values(), ids=ANSWERS)
async def test_a_refusal_is_told(receiver: Receiver, status: int, text: str, says: str) -> None:
    receiver.status, receiver.text = status, text
    assert await send(webhook(receiver)) == Delivered(False, says)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, "/elsewhere"
    done = await send(webhook(receiver))
    assert not done.is_ok
    assert "redirects are not followed" in done.says
    assert len(receiver.bodies) == 1


async def test_a_target_that_says_nothing_is_left(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.hangs = True
    monkeypatch.setattr(notify, "DELIVERY_S", 0.3)
    assert await send(webhook(receiver)) == Delivered(False, "took longer than 0.3 s")


async def test_a_target_that_answers_byte_by_byte_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    monkeypatch.setattr(notify, "DELIVERY_S", 0.3)
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        done = await send(Webhook(name="x", url=f"http://127.0.0.1:{port}/"))
        await left.wait()
    assert done == Delivered(False, "took longer than 0.3 s")


async def test_a_target_that_is_not_there_is_told_without_its_path() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Webhook(name="x", url=f"http://127.0.0.1:{unused.getsockname()[1]}/T0-secret")
        done = await send(target)
    assert not done.is_ok
    assert done.says == "no connection: Connection refused"


async def test_a_certificate_that_is_not_to_be_trusted_gets_nothing() -> None:
    def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parents[1] / "gateway" / "tls" / "localhost.pem")
    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        done = await send(Webhook(name="x", url=f"https://localhost:{port}/T0-secret"))
    assert not done.is_ok
    assert done.says.startswith("no connection: its certificate is not to be trusted: ")


async def test_an_authority_of_the_settings_is_trusted() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    keys = Path(__file__).parents[1] / "gateway" / "tls"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "localhost.pem")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        target = Webhook(name="x", url=f"https://localhost:{server.sockets[0].getsockname()[1]}/")
        done = await send(target, ca_bundle=keys / "authority.pem")
    assert done == Delivered(True, "answered 204")


async def test_https_goes_by_the_proxy_of_the_settings_but_where_it_is_not_wanted() -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        proxy = f"http://me:pw@127.0.0.1:{port}"
        target = Webhook(name="x", url="https://hooks.invalid/T0-secret")
        assert await send(target, https_proxy=proxy) == Delivered(
            False, "no connection: the proxy answered 407"
        )
        [head] = asked
        assert head.startswith(b"CONNECT hooks.invalid:443 ")
        assert b"Proxy-Authorization: Basic " in head
        assert b"secret" not in head
        assert not (await send(target, https_proxy=proxy, no_proxy=("hooks.invalid",))).is_ok
        own = await send(target, https_proxy=proxy, own_port=port)
    assert own == Delivered(False, "refused: it leads back to this proxy")
    assert len(asked) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_what_leads_back_to_our_own_listener_is_refused(receiver: Receiver, host: str) -> None:
    target = Webhook(name="x", url=f"http://{host}:{receiver.port}/openai/v1/chat/completions")
    assert await send(target, own_port=receiver.port) == Delivered(
        False, "refused: it leads back to this proxy"
    )
    assert receiver.bodies == []


async def test_another_port_of_this_machine_is_no_way_back(receiver: Receiver) -> None:
    assert (await send(webhook(receiver), own_port=receiver.port + 1)).is_ok


def script(path: Path, body: str) -> Command:
    path.write_text(f"import json, os, sys, time\n{body}\n")
    return Command(name="script", arguments=(sys.executable, str(path), "$HOME", "a b"))


async def test_a_command_gets_the_json_and_variables_and_no_shell(tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = script(
        tmp_path / "script.py",
        f"json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:]], open({str(said)!r}, 'w'))",
    )
    done = await send(command)
    assert done == Delivered(True, f"{Path(sys.executable).name} ran")
    message, environ, arguments = json.loads(said.read_text())
    assert message == MESSAGE
    assert arguments == ["$HOME", "a b"]
    assert environ["ARC_ALERT_STATUS"] == "test"
    assert environ["ARC_ALERT_TITLE"] == MESSAGE["title"]
    assert environ["ARC_ALERT_AGENT"] == ""
    assert environ["HOME"] == "/nowhere"


async def test_a_command_that_fails_says_its_exit_code(tmp_path: Path) -> None:
    done = await send(script(tmp_path / "script.py", "sys.exit(3)"))
    assert done.says == f"{Path(sys.executable).name} ended with exit code 3"
    assert not done.is_ok


async def test_a_command_that_is_not_there() -> None:
    done = await send(Command(name="x", arguments=("/nowhere/notify", "secret")))
    assert done == Delivered(False, "notify cannot be run: No such file or directory")


async def test_a_command_that_never_ends_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "DELIVERY_S", 0.3)
    assert await send(script(tmp_path / "script.py", "time.sleep(600)")) == Delivered(
        False, "took longer than 0.3 s"
    )


async def test_a_command_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    body = (
        "import subprocess\n"
        f"held = open({str(pipe)!r}, 'wb', buffering=0)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdout=held)\n"
        "held.write(b'here')\n"
        "time.sleep(600)"
    )
    sending = asyncio.create_task(send(script(tmp_path / "script.py", body)))
    held = await asyncio.to_thread(pipe.open, "rb")
    with held:
        assert await asyncio.to_thread(held.read, 4) == b"here"
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        # The pipe ends when the last one who holds it is gone.
        assert await asyncio.to_thread(held.read) == b""
