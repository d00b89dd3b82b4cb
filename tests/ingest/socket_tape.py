"""A WebSocket as a gateway records it, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode

from arc_proxy.journal.head import ResponseHead
from arc_proxy.journal.record import Ended, RecordKind, id_text
from tests.ingest.tape import REQUEST, Tape
from tests.wire.talk import Said

UP, DOWN = RecordKind.TUNNEL_UP, RecordKind.TUNNEL_DOWN
DEFLATE = (b"Sec-WebSocket-Extensions", b"permessage-deflate")


class Socket:
    """Both ends of one, as a gateway records them."""

    def __init__(self, tape: Tape, path: str = "/v1/responses", *, deflates: bool = False) -> None:
        self._tape = tape
        self.exchange_id = tape.writer.make_id()
        head = replace(
            REQUEST,
            method=b"GET",
            target=f"/openai{path}".encode(),
            url=f"https://api.openai.com{path}",
            headers=((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")),
        )
        agreed = (DEFLATE,) if deflates else ()
        response = ResponseHead(
            origin="upstream", status=101, reason=b"Switching Protocols", version=b"HTTP/1.1", headers=agreed
        )
        tape.write(self.exchange_id, RecordKind.REQUEST_HEAD, head.encode())
        tape.write(self.exchange_id, RecordKind.RESPONSE_HEAD, response.encode())
        self._deflates = {
            kind: [PerMessageDeflate(False, False, 15, 15)] if deflates else [] for kind in (UP, DOWN)
        }

    @property
    def id(self) -> str:
        return id_text(self.exchange_id)

    def say(self, said: Iterable[Said]) -> None:
        for direction, body in said:
            kind = UP if direction == "up" else DOWN
            frame = Frame(TheirOpcode.TEXT, json.dumps(body).encode())
            raw = frame.serialize(mask=kind is UP, extensions=self._deflates[kind])
            for start in range(0, len(raw), 700):
                self._tape.write(self.exchange_id, kind, raw[start : start + 700])

    def end(self, ended: Ended = Ended.COMPLETE) -> None:
        self._tape.end(self.exchange_id, ended)
