"""
The inside of ArcTracer: which calls of an agent are runs, and what is written down about them.

Standard library only; imports nothing of what ingests, stores or prices.

A run begins when a method of METHODS is called and ends when its result is there: at its return, when its
coroutine or future is done, when its generator is used up or closed. A traced object stays the object it
was, with a subclass of its class put under it: `isinstance`, attributes, `==`, `hash`, `copy` and `pickle`
answer as before, only `type(agent) is Agent` does not.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeVar

from arc_proxy.capture.guard import harmless, warn_once
from arc_proxy.capture.run import LATEST, Latest, Run, current_run
from arc_proxy.capture.wrapper import Span, Start, wrapper_of

A = TypeVar("A")
Write = Callable[..., object]

METHODS = (
    *("run", "invoke", "call", "stream", "run_sync", "kickoff", "__call__"),
    *("arun", "ainvoke", "acall", "astream"),
)
MESSAGE_CHARS_MAX = 2000
_CUT_CHARS_MAX = 100_000  # far beyond what is kept, so that no half of a key is

_MARK = "__arc_tracer__"
_OURS = os.path.dirname(__file__) + os.sep  # noqa: PTH120  pathlib is a slow import too
_STDLIB = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_KEYS = re.compile(r"(?i)\b(?:sk|gsk|xai|pk|rk)[-_][\w-]{6,}|\bAIza[\w-]{10,}|(?<=bearer )[^\s\"']{8,}")


class Tracer:
    """Opens, follows and ends the runs of one agent."""

    def __init__(
        self,
        agent: str,
        *,
        labels: Mapping[str, str | None],
        tags: Mapping[str, str],
        write: Write,
        before_run: Callable[[], object],
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """`write(fact, **fields)` keeps a fact; what `secrets()` lists must not stand in one."""
        self.agent = agent
        self._labels = labels
        self._tags = tags
        self._write = write
        self._before_run = before_run
        self._secrets = secrets
        self._classes: dict[tuple[type, tuple[str, ...]], type] = {}
        self._latest = Latest(self)

    @property
    def run_id(self) -> str | None:
        """The open run of this code, else the last one that ended here; None where several could be meant."""
        run = current_run()
        if run is not None:
            return run.run_id
        return (self._latest_here() or self._latest).run_id

    def _latest_here(self) -> Latest | None:
        # Tasks share the object with what started them, and so tell it of the runs that end in them.
        latest = LATEST.get()
        return latest if latest is not None and latest.tracer is self else None

    def trace(self, agent: A, methods: tuple[str, ...]) -> A:
        """The same object; for a function, one that wraps it. What cannot be traced comes back as it was."""
        if isinstance(agent, FunctionType | MethodType | BuiltinFunctionType | partial):
            wrapped: A = self._wrap_function(agent)
            return wrapped
        cls = type(agent)
        if hasattr(cls, _MARK):
            return agent
        try:
            traced = self._classes.get((cls, methods)) or self._subclass(cls, methods)
            object.__setattr__(agent, "__class__", traced)
        except (TypeError, ValueError, AttributeError) as error:
            warn_once(
                f"arc-proxy: a {cls.__name__} cannot be traced ({error}); "
                "put `with tracer.run():` around its calls"
            )
            return agent
        for name in methods:
            # What the instance holds itself hides the methods of any class.
            own = getattr(agent, "__dict__", {}).get(name)
            if _is_method(own):
                agent.__dict__[name] = self._wrap_function(own, agent)
        return agent

    def open(self, subject: object, **labels: Any) -> Run:
        """Begin a run. The caller ends it, by `end`."""
        self._before_run()
        tags = {**self._tags, **(labels.pop("tags", None) or {})}
        parent = current_run()
        run = Run(
            self.agent,
            subject,
            parent=parent,
            labels={**self._labels, **{name: value for name, value in labels.items() if value is not None}},
            tags={str(name): str(value) for name, value in tags.items()},
        )
        here = self._latest_here()
        if here is None:
            LATEST.set(here := Latest(self))
        run.latest = (here, self._latest)
        for latest in run.latest:
            latest.begin(run)
        self._write(
            "run_start",
            run_id=run.run_id,
            agent=run.agent,
            parent_run_id=run.parent,
            tags=run.tags or None,
            program=sys.argv[0] if sys.argv else None,
            **run.labels,
        )
        return run

    @harmless
    def end(self, run: Run, error: BaseException | None = None) -> None:
        """End the run, once. An Exception is a failure; a Ctrl-C or a cancelled task is not the agent's."""
        if run.ended:
            return
        run.ended = True
        run.subject = None
        for latest in run.latest:
            latest.end(run)
        cancelled = None
        if isinstance(error, Exception):
            self._write("exception", run_id=run.run_id, **self._describe(error))
        elif error is not None and not isinstance(error, GeneratorExit):
            cancelled = type(error).__name__
        duration_ms = (time.monotonic_ns() - run.started_ns) / 1e6
        self._write("run_end", run_id=run.run_id, duration_ms=round(duration_ms, 3), cancelled=cancelled)

    def _describe(self, error: Exception) -> dict[str, Any]:
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        message = self.cut(harmless(str)(error) or "")
        return {"type": module + kind.__qualname__, "message": message, **innermost_frame(error)}

    def cut(self, text: str) -> str:
        """The beginning of the text, without keys."""
        text = _KEYS.sub("[key cut]", text[:_CUT_CHARS_MAX])
        for secret in self._secrets():
            text = text.replace(secret, "[key cut]")
        return text[:MESSAGE_CHARS_MAX]

    @harmless
    def _open_for(self, subject: object) -> Run | None:
        """A run for a call of `subject`; None where it calls itself, inside the run that it has."""
        run = current_run()
        return None if run is not None and run.subject is subject else self.open(subject)

    def _start(self, locate: Callable[[tuple[Any, ...]], tuple[object, Any, tuple[Any, ...]]]) -> Start:
        def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Span, Any]:
            subject, call, rest = locate(args)
            span = Span(self._open_for(subject), self.end)
            try:
                with span.inside():
                    return span, call(*rest, **kwargs)
            except BaseException as error:
                span.end(error)
                raise

        return start

    def _wrap_function(self, function: Any, subject: object = None) -> Any:
        whose = function if subject is None else subject
        return wrapper_of(function, self._start(lambda args: (whose, function, args)))

    def _subclass(self, cls: type, methods: tuple[str, ...]) -> type:
        traced: Any

        def plain_reduce(agent: Any, protocol: Any) -> Any:
            made = super(traced, agent).__reduce_ex__(protocol)
            if not isinstance(made, tuple):
                return made
            parts = tuple(cls if part is traced else part for part in made[1])
            return (cls if made[0] is traced else made[0], parts, *made[2:])

        def wrapped(name: str, method: Any) -> Any:
            def locate(args: tuple[Any, ...]) -> tuple[object, Any, tuple[Any, ...]]:
                return args[0], getattr(super(traced, args[0]), name), args[1:]

            return wrapper_of(method, self._start(locate))

        body: dict[str, Any] = {
            "__slots__": (),
            "__doc__": cls.__doc__,
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__class__": property(lambda _agent: cls),
            "__reduce_ex__": plain_reduce,  # copies and pickles are of the class that everyone can import
            _MARK: self,
        }
        for name in methods:
            method = getattr(cls, name, None)
            if _is_method(method):
                body[name] = wrapped(name, method)
        traced = type(cls)(cls.__name__, (cls,), body)
        self._classes[cls, methods] = traced
        return self._classes[cls, methods]


def _is_method(value: Any) -> bool:
    """Whether it is what a `def` makes, and no object that happens to be callable."""
    return callable(value) and hasattr(type(value), "__get__") and not isinstance(value, type)


def innermost_frame(error: BaseException) -> dict[str, Any]:
    """Where in the user's own code it happened, as far in as that goes; anywhere, if nowhere there."""
    own: dict[str, Any] = {}
    entry = error.__traceback__
    last: dict[str, Any] = {}
    while entry is not None:
        code = entry.tb_frame.f_code
        if not code.co_filename.startswith(_OURS):
            last = {"file": code.co_filename, "line": entry.tb_lineno, "function": code.co_qualname}
            if not code.co_filename.startswith((_STDLIB, "<frozen")) and "-packages" not in code.co_filename:
                own = last
        entry = entry.tb_next
    return own or last
