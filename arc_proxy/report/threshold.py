"""`--fail-on errors>5%`: conditions on a report that make a build fail. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analysis.reliability import Letter, lowest_score
from arc_proxy.errors import UsageError
from arc_proxy.format import NANOUSD_PER_USD, clean, duration, money, share
from arc_proxy.report.model import AgentReport, Report
from arc_proxy.report.summary import agent_name, cost_per_run, share_of

_FORM = re.compile(r"\s*([a-z0-9_-]+)\s*(>=|<=|>|<)\s*\$?([0-9]*\.?[0-9]+)\s*(%|ms|s)?\s*", re.ASCII)
_GRADE = re.compile(r"\s*reliability\s*(>=|<)\s*([A-F]\+?)\s*", re.ASCII)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    metric: str
    sign: str
    value: float  # in the metric's own unit: a share 0..1, nanodollars, milliseconds, or a number
    text: str
    is_letter: bool = False  # the value is the least score of one


@dataclass(frozen=True, slots=True)
class _Metric:
    read: Callable[[AgentReport], float | None]  # None: not known
    units: dict[str, float]  # what a number with that unit is multiplied by; "" without one
    show: Callable[[float], str]


def _cost(agent: AgentReport) -> float | None:
    return None if agent.figures.spend.is_unknown else agent.figures.spend.nanousd


def _errors(agent: AgentReport) -> float | None:
    return agent.runs.failed_tasks / agent.runs.tasks if agent.runs.tasks else 0.0


_USD = {"": float(NANOUSD_PER_USD)}
_SHARE = {"%": 0.01, "": 1.0}
_MS = {"ms": 1.0, "s": 1000.0, "": 1.0}
_NUMBER = {"": 1.0}


def _reliability(agent: AgentReport) -> float | None:
    """Of an agent with too few runs for a grade, nothing is known."""
    found = agent.health and agent.health.reliability
    return found.score if found and found.letter else None


def _letter(agent: AgentReport) -> float | None:
    """The letter that is shown, by its least score: the score itself may be a point beyond its bounds."""
    letter = agent.health and agent.health.reliability.letter
    return lowest_score(letter) if letter else None


def _shown_letter(value: float) -> str:
    return next(str(letter) for letter in Letter if lowest_score(letter) == value)


_BY_LETTER = _Metric(_letter, {}, _shown_letter)
METRICS = {
    "reliability": _Metric(_reliability, _SHARE, share_of),
    "errors": _Metric(_errors, _SHARE, share),
    "cost-per-run": _Metric(lambda agent: cost_per_run(agent.runs), _USD, money),
    "cost": _Metric(_cost, _USD, money),
    "latency-p50": _Metric(lambda agent: agent.figures.latency_ms_p50, _MS, duration),
    "latency-p95": _Metric(lambda agent: agent.figures.latency_ms_p95, _MS, duration),
    "unpriced": _Metric(lambda agent: agent.figures.spend.unpriced_calls, _NUMBER, "{:.0f}".format),
    "runs": _Metric(lambda agent: agent.runs.tasks, _NUMBER, "{:.0f}".format),
    "calls": _Metric(lambda agent: agent.figures.calls, _NUMBER, "{:.0f}".format),
}


# What is not known of these may be anything, so it is no pass.
_NEVER_UNKNOWN = ("cost", "reliability")


def parse_threshold(text: str) -> Threshold:
    """Raises UsageError."""
    grade = _GRADE.fullmatch(text)
    if grade is not None and grade[2] in set(Letter):
        least = lowest_score(Letter(grade[2]))
        return Threshold("reliability", grade[1], least, text.strip(), is_letter=True)
    found = _FORM.fullmatch(text)
    name = found[1].replace("_", "-") if found else ""
    metric = METRICS.get(name)
    if found is None or metric is None or (found[4] or "") not in metric.units:
        raise UsageError(
            f"--fail-on {text!r}: expected a metric, a sign and a number, as in errors>5%, "
            f"cost-per-run>0.05 or reliability<B. Metrics: {', '.join(METRICS)}."
        )
    value = float(found[3]) * metric.units[found[4] or ""]
    if metric.units is _SHARE and value > 1:
        raise UsageError(f"--fail-on {text!r}: nothing is above 100%. Did you mean {found[3]}%?")
    return Threshold(name, found[2], value, text.strip())


def breaches(report: Report, thresholds: tuple[Threshold, ...]) -> Iterator[str]:
    """One sentence per agent and threshold that is passed, or that nobody can judge."""
    for threshold in thresholds:
        metric = _BY_LETTER if threshold.is_letter else METRICS[threshold.metric]
        for agent in report.agents:
            value = metric.read(agent)
            name = clean(agent_name(agent.agent), 60)
            if value is None and threshold.metric.startswith(_NEVER_UNKNOWN):
                yield f"{name}: {threshold.metric} is unknown, so {threshold.text} cannot be ruled out"
            elif value is not None and _COMPARE[threshold.sign](value, threshold.value):
                yield f"{name}: {threshold.metric} is {metric.show(value)}, {threshold.text}"
