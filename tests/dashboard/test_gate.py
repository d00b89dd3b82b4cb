from __future__ import annotations

import time

import pytest

from arc_proxy.token import api_token, is_api_token, make_token, read_token
from tests.dashboard.attacks import SECRET

JSON = {"content-type": "application/json"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_nobody_gets_in_without_a_token(console):
    for method, target in [
        ("GET", "/_arc/"),
        ("GET", "/_arc/api/status"),
        ("POST", "/_arc/api/catch-up"),
        ("GET", "/_arc/x"),
    ]:
        async with console(method, target, headers=JSON) as response:
            assert response.status == 401


async def test_a_command_gets_in_by_the_folders_secret(console):
    async with console("POST", "/_arc/api/catch-up", headers=JSON | bearer(api_token(SECRET))) as response:
        assert response.status == 200
        assert await response.json() == {"is_done": True}
    async with console("GET", "/_arc/api/report?since=7d", headers=bearer(api_token(SECRET))) as response:
        assert await response.json() == {"query": {"since": "7d"}}


@pytest.mark.parametrize(
    "token", ["", "x", api_token(b"another folder"), make_token(SECRET, "cookie", 2**40), "é"]
)
async def test_no_other_token_does(console, token):
    async with console(
        "GET", "/_arc/api/status", headers={"authorization": f"Bearer {token}".encode().decode("latin-1")}
    ) as response:
        assert response.status == 401
        assert (await response.json())["error"]["type"] == "unauthorized"


async def test_a_login_link_gives_a_cookie_once(console):
    link = f"/_arc/login?token={make_token(SECRET, 'login', time.time() + 60)}"
    async with console("GET", link) as response:
        assert (response.status, response.headers["location"]) == (303, "/_arc/")
        cookie = response.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=Strict", "Path=/_arc/", "Max-Age="):
            assert word in cookie
        assert "token" not in response.headers["location"]
    async with console("GET", "/_arc/") as response:
        assert response.status == 200
    async with console("GET", link) as response:
        assert response.status == 401
        assert "arc-proxy open" in await response.text()


async def test_looking_at_a_link_does_not_use_it_up(console):
    link = f"/_arc/login?token={make_token(SECRET, 'login', time.time() + 60)}"
    async with console("HEAD", link) as response:
        assert response.status == 405
    async with console("GET", link) as response:
        assert response.status == 303


STALE = {
    "expired": make_token(SECRET, "login", 1),
    "a cookie's": make_token(SECRET, "cookie", 2**40),
    "of another folder": make_token(b"other", "login", 2**40),
    "none": "",
    "nonsense": "a.b.c",
}


@pytest.mark.parametrize("token", STALE.values(), ids=STALE)
async def test_no_other_link_logs_in(console, token):
    async with console("GET", f"/_arc/login?token={token}") as response:
        assert response.status == 401
        assert "set-cookie" not in response.headers


CROSS = {
    "a fetch by another site": ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    "a fetch by a neighbour": ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
    "a form of another site": ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
    "a link from another site": ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
    "our own page": ("GET", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    "typed": ("GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
}


@pytest.mark.parametrize(("method", "headers", "status"), CROSS.values(), ids=CROSS)
async def test_other_sites_cannot_reach_in(console, method, headers, status):
    async with console(method, "/_arc/", headers=headers | JSON | bearer(api_token(SECRET))) as response:
        assert response.status == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_changes_nothing(console, kind):
    headers = {"content-type": kind} | bearer(api_token(SECRET))
    async with console("POST", "/_arc/api/catch-up", headers=headers) as response:
        assert response.status == 415


@pytest.mark.parametrize("target", ["/_arc/", "/_arc/static/arc.css", "/_arc/static/nope.css", "/_arc/login"])
async def test_every_answer_carries_the_policy(console, target):
    async with console("GET", target) as response:
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_tokens_are_for_one_purpose_and_one_folder():
    token = make_token(SECRET, "login", 100)
    assert read_token(SECRET, "login", token, 99)
    assert read_token(SECRET, "login", token, 100) is None
    assert read_token(SECRET, "cookie", token, 99) is None
    assert read_token(b"other", "login", token, 99) is None
    assert read_token(SECRET, "login", "1" + token, 99) is None
    assert is_api_token(SECRET, api_token(SECRET))
    assert not is_api_token(SECRET, token)
