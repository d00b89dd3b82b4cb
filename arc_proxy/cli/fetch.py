"""
Files from the web, for commands that were asked to fetch one. Bounded in size and time, and nothing else
than http and https is followed.

What may be secret in a URL, user, password and query, is in no message.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from arc_proxy import __version__
from arc_proxy.errors import ArcError, UsageError

SILENCE_S = 30.0
WHOLE_S = 300.0
PIECE_BYTES = 64 * 1024
INDEX_BYTES_MAX = 32 * 1024 * 1024  # of a project with many releases


def is_url(source: str) -> bool:
    return "://" in source


def shown_url(url: str) -> str:
    """The URL without what could be a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def fetch(url: str, *, bytes_max: int) -> bytes:
    """The body of a GET. Raises UsageError for what is no URL, ArcError for what could not be had."""
    request = _request(url)
    shown = shown_url(url)
    until = time.monotonic() + WHOLE_S
    content = bytearray()
    try:
        with _opener().open(request, timeout=SILENCE_S) as response:
            while piece := response.read1(PIECE_BYTES):
                content += piece
                if len(content) > bytes_max:
                    raise ArcError(f"{shown} is larger than {bytes_max // 1024**2} MiB.")
                if time.monotonic() > until:
                    raise ArcError(f"{shown} was not read within {WHOLE_S:.0f} s.")
            missing = response.length
    except urllib.error.HTTPError as error:
        error.close()
        is_redirect = 300 <= error.code < 400
        where = ", to where nothing is fetched from" if is_redirect else ""
        raise ArcError(f"{shown} answered {error.code}{where}.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ArcError(f"{shown} could not be fetched: {_why(error)}.") from None
    if missing:
        raise ArcError(f"{shown} broke off {missing:,} bytes before its end.")
    return bytes(content)


def _why(error: Exception) -> str:
    """In words that do not quote the URL."""
    if isinstance(error, ValueError):
        return "it leads to what is no URL"
    why = getattr(error, "reason", error)
    if isinstance(why, str):
        return "it leads to where nothing is fetched from"
    return getattr(why, "strerror", None) or type(why).__name__


def fetch_newest_wheel(index_url: str, *, bytes_max: int) -> bytes:
    """
    The wheel of a project's newest release, its checksum verified.

    Source: https://docs.pypi.org/api/json/ (`info.version`, `urls`: the files of that version)
    """
    shown = shown_url(index_url)
    try:
        document: Any = json.loads(fetch(index_url, bytes_max=INDEX_BYTES_MAX))
        wheel = next(
            each for each in document["urls"] if each["packagetype"] == "bdist_wheel" and not each["yanked"]
        )
        url, checksum = urljoin(index_url, wheel["url"]), wheel["digests"]["sha256"].lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StopIteration):
        raise ArcError(f"{shown} names no wheel of a newest release, as a package index does.") from None
    content = fetch(url, bytes_max=bytes_max)
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ArcError(f"{shown_url(url)} is not the file that {shown} promises: its sha256 differs.")
    return content


def _request(url: str) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable or any(character <= " " or character > "~" for character in url):
        raise UsageError("a source on the web is an http:// or https:// URL.")
    request = urllib.request.Request(  # noqa: S310  its scheme was looked at
        urlunsplit((parts.scheme, host, parts.path or "/", parts.query, "")),
        headers={"User-Agent": f"arc-proxy/{__version__}", "Accept-Encoding": "identity"},
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not along to where this host may redirect to.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request


def _opener() -> urllib.request.OpenerDirector:
    """As urllib's own, but without its handlers of files, FTP and data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
