"""
Delivers alerts: one thread, one message at a time. What does not arrive is tried again, see `ledger`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import structlog

from arc_proxy.alerts.kept import Parcel
from arc_proxy.alerts.ledger import Ledger
from arc_proxy.alerts.message import Message
from arc_proxy.alerts.targets import Delivered
from arc_proxy.ingest.mistake import describe_bug

IDLE_S = 5.0  # between looks for something to deliver, beside being woken
# Slack takes one message a second: https://docs.slack.dev/apis/web-api/rate-limits
BETWEEN_DELIVERIES_S = 1.0

_log = structlog.get_logger()

Clock = Callable[[], int]
Deliver = Callable[[str, Message], Awaitable[Delivered]]  # to the target of this name


class Courier:
    """Delivers what the ledger has, one at a time, in an event loop that can be stopped in mid-delivery."""

    def __init__(self, ledger: Ledger, deliver: Deliver, clock: Clock) -> None:
        self._ledger = ledger
        self._deliver = deliver
        self._clock = clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._is_stopped = False

    def run_forever(self) -> None:
        asyncio.run(self._run())

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._loop is not None and self._work is not None:
                self._loop.call_soon_threadsafe(self._work.cancel)

    def wake(self) -> None:
        with self._lock:
            if self._loop is not None and not self._is_stopped:
                self._loop.call_soon_threadsafe(self._more.set)

    async def _run(self) -> None:
        with self._lock:
            if self._is_stopped:
                return
            self._loop = asyncio.get_running_loop()
            self._work = asyncio.create_task(self._deliver_all())
        await asyncio.wait([self._work])
        with self._lock:
            self._loop = None

    async def _deliver_all(self) -> None:
        while True:
            self._more.clear()  # before looking, so that no call to wake up is missed
            parcel = self._ledger.next_parcel()
            wait_s = IDLE_S if parcel is None else (parcel.due_ns - self._clock()) / 1e9
            if parcel is None or wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), min(wait_s, IDLE_S))
                continue
            await self._deliver_one(parcel)
            await asyncio.sleep(BETWEEN_DELIVERIES_S)

    async def _deliver_one(self, parcel: Parcel) -> None:
        try:
            done = await self._deliver(parcel.target, parcel.message)
        except Exception as error:  # noqa: BLE001  the thread's top: to die of a bug would end all deliveries
            _log.error("alert.failed", **describe_bug(error))
            done = Delivered(False, f"failed by a mistake of arc-proxy's: {type(error).__name__}")
        self._ledger.note_delivery(parcel, done, self._clock())
        log = _log.info if done.is_ok else _log.warning
        log("alert.delivered" if done.is_ok else "alert.undelivered", target=parcel.target, says=done.says)
