"""Changes from a page: only by its own form, in the browser that it was made for; all else writes nothing."""

from __future__ import annotations

import time

import pytest

from arc_proxy.api.auth import FORM_TYPE
from arc_proxy.token import api_token, make_token, read_token
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.test_page import Elements
from tests.dashboard.troubles import CUT

ORIGIN = "http://127.0.0.1"
FROM_HERE = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


def cookie():
    return make_token(SECRET, "cookie", time.time() + 86_400)


def form_token(of, expires_s=86_400.0):
    nonce = read_token(SECRET, "cookie", of, time.time())
    return make_token(SECRET, f"form {nonce}", time.time() + expires_s)


def headers(of, **more):
    return {"Cookie": f"arc_test={of}"} | FROM_HERE | more


@pytest.mark.parametrize("word", ["applied", "useful", "not-useful"])
async def test_the_forms_of_the_page_are_taken(console, troubled, said, word):
    mine = cookie()
    async with console("GET", f"/_arc/issue?id={CUT}", headers=headers(mine)) as response:
        page = Elements(await response.text())
    assert ("meta", {"name": "referrer", "content": "same-origin"}) in page.elements
    actions = [each["action"] for tag, each in page.elements if tag == "form"]
    assert f"/_arc/issue/{word}" in actions
    fields = {each["name"]: each["value"] for tag, each in page.elements if tag == "input"}
    async with console("POST", f"/_arc/issue/{word}", data=fields, headers=headers(mine)) as response:
        assert response.status == 303
        there = response.headers["Location"]
    assert there == f"/_arc/issue?id={CUT}&said={word}"
    assert said == [(CUT, word)]
    async with console("GET", there, headers=headers(mine)) as response:
        assert "Noted: " in await response.text()


MINE = cookie()
TOKEN = form_token(MINE)
FOREIGN = make_token(bytes(32), "cookie", time.time() + 60)
REFUSED = {
    "no token": (403, None, {}),
    "a wrong token": (403, "1.2.3", {}),
    "a token cut short": (403, TOKEN[:-1], {}),
    "a token with text of the world": (403, HOSTILE[0] + "ä", {}),
    "an expired token": (403, form_token(MINE, -1), {}),
    "a token of another cookie": (403, form_token(cookie()), {}),
    "the cookie as a token": (403, MINE, {}),
    "a login token": (403, make_token(SECRET, "login", time.time() + 60), {}),
    "another site's origin": (403, TOKEN, {"Origin": "http://evil.example"}),
    "another port's origin": (403, TOKEN, {"Origin": "http://127.0.0.1:81"}),
    "an origin that is hidden": (403, TOKEN, {"Origin": "null"}),
    "a form on another site": (403, TOKEN, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
    "a form on another port": (403, TOKEN, {"Sec-Fetch-Site": "same-site"}),
    "a navigation of nobody": (403, TOKEN, {"Sec-Fetch-Site": "none"}),
    "JSON": (415, TOKEN, {"Content-Type": "application/json"}),
    "plain text": (415, TOKEN, {"Content-Type": "text/plain"}),
    "a form in parts": (415, TOKEN, {"Content-Type": "multipart/form-data; boundary=x"}),
    "no cookie": (401, TOKEN, {"Cookie": ""}),
    "a cookie of another secret": (401, TOKEN, {"Cookie": f"arc_test={FOREIGN}"}),
    "the API token": (403, TOKEN, {"Cookie": "", "Authorization": f"Bearer {api_token(SECRET)}"}),
}


@pytest.mark.parametrize(("status", "token", "more"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_form_of_ours_writes_nothing(console, troubled, said, status, token, more):
    fields = {"id": str(CUT)} | ({} if token is None else {"token": token})
    given = headers(MINE) | {"Content-Type": FORM_TYPE} | more
    async with console("POST", "/_arc/issue/applied", data=fields, headers=given) as response:
        assert response.status == status, await response.text()
    assert said == []


async def test_one_of_the_two_headers_is_enough(console, troubled, said):
    fields = {"id": str(CUT), "token": TOKEN}
    for given in ({"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}):
        own = {"Cookie": f"arc_test={MINE}"} | given
        async with console("POST", "/_arc/issue/useful", data=fields, headers=own) as response:
            assert response.status == 303
    own = {"Cookie": f"arc_test={MINE}"}
    async with console("POST", "/_arc/issue/useful", data=fields, headers=own) as response:
        assert response.status == 403
    assert len(said) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_post_changes_something(console, troubled, said, method):
    given = headers(MINE, **({} if method == "GET" else {"Content-Type": "application/json"}))
    async with console(method, f"/_arc/issue/applied?id={CUT}&token={TOKEN}", headers=given) as response:
        assert response.status == 405
    assert said == []


@pytest.mark.parametrize("path", ["/_arc/api/catch-up", "/_arc/issue", "/_arc/issue/other"])
async def test_no_other_path_takes_a_form(console, troubled, path):
    fields = {"id": str(CUT), "token": TOKEN}
    async with console("POST", path, data=fields, headers=headers(MINE)) as response:
        assert response.status == 415
