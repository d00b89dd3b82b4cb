"""
Wrappers that are of the same kind as what they wrap: a framework that asks whether a method is a coroutine
function or a generator gets the same answer as before. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from arc_proxy.capture.run import CURRENT, Inside, Run

_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200  # as in `inspect`, a slow import


class Span:
    """What one traced call does with its run: it is inside of it, and ends it if it opened it."""

    __slots__ = ("_around", "_end", "_opened")

    def __init__(self, opened: Run | None, end: Callable[[Run, BaseException | None], object]) -> None:
        self._opened = opened
        self._around = opened or CURRENT.get()
        self._end = end

    def inside(self) -> Inside:
        return Inside(self._around)

    def end(self, error: BaseException | None = None) -> None:
        if self._opened is not None:
            self._end(self._opened, error)

    def end_with(self, future: Any) -> None:
        # `future.exception()` would tell asyncio that someone has seen the exception.
        self.end(getattr(future, "_exception", None))


Start = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Span, Any]]


def wrapper_of(function: Any, start: Start) -> Any:
    """Calls what `start(args, kwargs)` says, and ends its span when the result is there."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _CO_COROUTINE:
        wrapper: Any = _coroutine(start)
    elif flags & _CO_ASYNC_GENERATOR:
        wrapper = _async_generator(start)
    elif flags & _CO_GENERATOR:
        wrapper = _generator(start)
    else:
        wrapper = _plain(start)
    return update_wrapper(wrapper, function)


def _plain(start: Start) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        span, result = start(args, kwargs)
        again = lambda _args, _kwargs: (span, result)  # noqa: E731
        if isinstance(result, CoroutineType):
            return _coroutine(again)()
        if isinstance(result, AsyncGeneratorType):
            return _async_generator(again)()
        if isinstance(result, GeneratorType):
            return _generator(again)()
        if callable(getattr(result, "add_done_callback", None)):
            result.add_done_callback(span.end_with)
        else:
            span.end()
        return result

    return call


def _coroutine(start: Start) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        span, coroutine = start(args, kwargs)
        try:
            with span.inside():
                result = await coroutine
        except BaseException as error:
            span.end(error)
            raise
        span.end()
        return result

    return call


def _generator(start: Start) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        span, generator = start(args, kwargs)
        step, value = generator.send, None
        try:
            while True:
                with span.inside():  # only while it works: between two steps the caller has the thread
                    item = step(value)
                try:
                    value = yield item
                    step = generator.send
                except GeneratorExit:
                    with span.inside():
                        generator.close()
                    raise
                except BaseException as thrown:  # noqa: BLE001  passed on as it came
                    step, value = generator.throw, thrown
        except StopIteration as stop:
            span.end()
            return stop.value
        except BaseException as error:
            span.end(error)
            raise

    return call


def _async_generator(start: Start) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        span, generator = start(args, kwargs)
        step, value = generator.asend, None
        try:
            while True:
                with span.inside():
                    item = await step(value)
                try:
                    value = yield item
                    step = generator.asend
                except GeneratorExit:
                    with span.inside():
                        await generator.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001  passed on as it came
                    step, value = generator.athrow, thrown
        except StopAsyncIteration:
            span.end()
        except BaseException as error:
            span.end(error)
            raise

    return call
