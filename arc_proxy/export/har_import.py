"""
A HAR file into the journal: each entry an exchange, as if it had gone through the gateway at its own time.

The writer is the file's hash, and an entry's id follows from its time and its place, so importing a file
twice changes nothing. A file is checked whole before anything is written, and it is written whole or not at
all. Credentials are cut as the gateway cuts them.

What is imported: HAR 1.2, see `har_read`. The lines of `export calls` are no exchanges and are not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cut import (
    BodyForm,
    Fingerprints,
    Secrets,
    cut_query,
    is_secret_header,
    load_secret_key,
    new_cutter,
)
from arc_proxy.errors import ImportRefused, JournalError
from arc_proxy.export.har_read import HarEntry, Headers, read_har, split_url
from arc_proxy.ingest.tunnel import SWITCHED
from arc_proxy.ingest.worker import JOURNAL
from arc_proxy.journal.head import End, Gap, RequestHead, ResponseHead
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.segment import make_folder
from arc_proxy.journal.writer import SegmentWriter
from arc_proxy.prefix import split_prefix
from arc_proxy.wire.content import decode_body
from arc_proxy.wire.document import read_value
from arc_proxy.wire.websocket import Direction, write_frame

KEY_NAME = "secret.key"

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?")
_ALREADY_CUT = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]* )?cut-[0-9a-f]{8}")
_CONTENT_ENCODING = b"content-encoding"


@dataclass(frozen=True, slots=True)
class Imported:
    entries: int
    writer: str  # the folder of its segments, from which its calls are ingested
    is_new: bool  # False: this very file was imported before, and nothing was written


def import_har(path: Path, data_dir: Path) -> Imported:
    """
    Take a HAR file into the journal; ingest then makes calls of it.

    Raises ImportRefused for a file that is no HAR file, with the entry's number where one is to blame, and
    JournalError if the disk refuses. Nothing is written then.
    """
    writer = SegmentWriter(
        data_dir / JOURNAL, writer_id=_writer_id(path), wall_clock=lambda: 0, mono_clock=lambda: 0
    )
    document = _load(path)
    entries = sum(1 for _ in read_har(document))
    name = writer.folder.name
    if writer.exists or not entries:
        return Imported(entries, name, is_new=False)
    fingerprints = _fingerprints(data_dir)
    with writer:
        for entry in read_har(document):
            writer.append(_records(entry, writer.make_id(entry.started_ns // 1_000_000), fingerprints))
    return Imported(entries, name, is_new=True)


def _writer_id(path: Path) -> int:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ImportRefused(f"cannot read {path}: {error.strerror}") from error
    return int.from_bytes(digest[:4], "big") or 1  # 0 is the writer of gathered facts


def _fingerprints(data_dir: Path) -> Fingerprints:
    key_file = data_dir / KEY_NAME
    try:
        make_folder(data_dir)
        return Fingerprints(load_secret_key(key_file))
    except OSError as error:
        raise JournalError(f"cannot use {key_file}: {error.strerror}") from error
    except ValueError as error:
        raise JournalError(str(error)) from error


def _load(path: Path) -> Any:
    try:
        return read_value(path.read_bytes())
    except OSError as error:
        raise ImportRefused(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ImportRefused(f"{path} is not JSON: {error}") from error


def _records(entry: HarEntry, exchange_id: bytes, fingerprints: Fingerprints) -> Iterator[Record]:
    secrets = Secrets(fingerprints)
    request_headers = _kept(entry.request_headers, secrets, fingerprints)
    response_headers = _kept(entry.response_headers, secrets, fingerprints)
    url, found = cut_query(entry.url, fingerprints)
    secrets.add(found)
    url, target = _sent_to(url)
    head = RequestHead(
        upstream=None,
        url=url,
        connection=0,
        method=entry.method,
        target=target.encode(),
        version=entry.version,
        headers=request_headers,
    )

    def record(kind: RecordKind, content: bytes, after_ns: int) -> Record:
        return Record(kind, exchange_id, entry.started_ns + after_ns, content)

    yield record(RecordKind.REQUEST_HEAD, secrets.cut(head.encode()), 0)
    if entry.request_body:
        yield record(
            RecordKind.REQUEST_BODY, _cut_body(entry.request_headers, entry.request_body, secrets), 0
        )
    if entry.status:
        answer = ResponseHead(
            origin=entry.origin,
            status=entry.status,
            reason=entry.reason,
            version=entry.response_version,
            headers=response_headers,
        )
        yield record(RecordKind.RESPONSE_HEAD, secrets.cut(answer.encode()), entry.first_byte_ns)
    if entry.status and entry.response_body:
        body = _cut_body(entry.response_headers, entry.response_body, secrets)
        yield record(RecordKind.RESPONSE_BODY, body, entry.first_byte_ns)
    for message in entry.messages or ():
        kind = RecordKind.TUNNEL_UP if message.direction is Direction.UP else RecordKind.TUNNEL_DOWN
        data = new_cutter(secrets, BodyForm.JSON).finish(message.data)
        yield record(kind, write_frame(message.opcode, data), message.at_ns)
    response_missing = entry.response_missing
    if entry.status == SWITCHED and entry.messages is None:
        response_missing = max(1, response_missing)  # something was said, or may have been
    for side, missing in (("request", entry.request_missing), ("response", response_missing)):
        if missing:
            yield record(RecordKind.GAP, Gap(side=side, bytes_dropped=missing).encode(), entry.duration_ns)
    end = End(ended=entry.ended, detail=entry.comment)
    yield record(RecordKind.END, secrets.cut(end.encode()), entry.duration_ns)


def _sent_to(url: str) -> tuple[str, str]:
    """
    The URL that the request went on to, and the target that the client sent.

    A recorder that sat before a proxy of ours saw the names in front of the path; they are for us.
    """
    url = url.partition("#")[0]
    host, target = split_url(url)
    rest = split_prefix(target)[1] if _LOOPBACK.fullmatch(host) else target
    return url.removesuffix(target) + rest if rest != target else url, target


def _kept(fields: Headers, secrets: Secrets, fingerprints: Fingerprints) -> Headers:
    """What to keep of header fields. HAR has bodies without their content-encoding, so it goes as well."""
    kept = []
    for name, value in fields:
        if name.lower() == _CONTENT_ENCODING:
            continue
        if is_secret_header(name) and not _ALREADY_CUT.fullmatch(value):
            value, found = fingerprints.cut_header(name, value)
            secrets.add(found)
        kept.append((name, value))
    return tuple(kept)


def _cut_body(fields: Headers, body: bytes, secrets: Secrets) -> bytes:
    """Some recorders keep the encoded bytes all the same, in base64."""
    headers = [(name.decode(), value.decode()) for name, value in fields]
    decoded, note = decode_body(headers, body)
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    form = BodyForm.JSON
    if "x-www-form-urlencoded" in kind:
        form = BodyForm.FORM
    elif kind.lower().startswith("multipart/"):
        form = BodyForm.MULTIPART
    return new_cutter(secrets, form).finish(body if note else decoded)
